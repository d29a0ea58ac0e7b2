"""Binary messages (RFC 3030) on their way to servers that take only lines."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accepting import accept
from onifast_shared.message.conversion import Unconvertible, are_lines, into_lines
from onifast_shared.queue.store import QueuedRecipient, Submission

from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

BYTES = bytes(range(256)) * 5
HEAD = b"From: alice@here.test\r\nSubject: b\r\nMIME-Version: 1.0\r\n"
MIXED = (
    HEAD
    + b'Content-Type: multipart/mixed; boundary="=b"\r\nContent-Transfer-Encoding: binary\r\n\r\n'
    + b"preamble\x00\r\n--=b\r\n"
    + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + b"Gr\xc3\xbc\xc3\x9fe\r\n--=b\r\n"
    + b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + BYTES
    + b"\r\n--=b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\nSubject: inner\r\n"
    + b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + BYTES
    + b"\r\n--=b--\r\n"
)
SIGNED = MIXED.replace(b"multipart/mixed", b"multipart/signed")

OCTETS = st.lists(
    st.sampled_from([b"--=b", b"--=b--", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"text", b"Content-Type: text/plain"]),
    max_size=30,
).map(b"".join)


def test_each_part_has_the_same_octets_after_the_conversion() -> None:
    converted = into_lines(MIXED)
    assert are_lines(converted)
    text, data, inner = email.message_from_bytes(converted, policy=email.policy.default).iter_parts()
    assert text.get_content() == "Grüße"
    assert text["Content-Transfer-Encoding"] == "8bit"
    assert data.get_content() == BYTES
    assert inner.get_content().get_content() == BYTES
    assert inner["Content-Transfer-Encoding"] == "7bit"


def test_no_part_is_labelled_binary_any_more() -> None:
    assert b"binary" not in into_lines(MIXED)


def test_a_message_of_one_binary_part_becomes_base64() -> None:
    raw = HEAD + b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: BINARY\r\n\r\n" + BYTES
    parsed = email.message_from_bytes(into_lines(raw), policy=email.policy.default)
    assert parsed.get_content() == BYTES
    assert parsed["Content-Transfer-Encoding"] == "base64"


def test_what_is_lines_already_stays_as_it_is() -> None:
    raw = HEAD + b"Content-Type: text/plain\r\n\r\nText.\r\n"
    assert into_lines(raw) == raw


def test_a_message_that_ends_within_a_part_loses_nothing_and_gets_its_end() -> None:
    converted = into_lines(MIXED.removesuffix(b"\r\n--=b--\r\n"))
    assert converted == into_lines(MIXED)
    assert converted.endswith(b"\r\n--=b--\r\n")


def test_signed_binary_parts_are_not_touched() -> None:
    with pytest.raises(Unconvertible):
        into_lines(SIGNED)


@given(OCTETS)
def test_whatever_comes_the_result_is_lines(body: bytes) -> None:
    raw = HEAD + b'Content-Type: multipart/mixed; boundary="=b"\r\n\r\n' + body
    try:
        converted = into_lines(raw)
    except Unconvertible:
        return
    assert are_lines(converted)


async def submit(outbox: Outbox, raw: bytes) -> None:
    submission = Submission(sender="alice@here.test", origin="smtp", body_type="BINARYMIME", ret="FULL")
    recipients = [QueuedRecipient("bob@remote.test"), QueuedRecipient("carol@here.test")]
    await accept.asubmit(outbox.db, raw, submission, recipients)


async def test_another_server_gets_lines_and_a_mailbox_here_the_octets(outbox: Outbox) -> None:
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port) as peer:
        await submit(outbox, MIXED)
        await outbox.deliver_all()
        (message,) = peer.messages
    assert are_lines(message.data)
    assert "BINARYMIME" not in message.mail_parameters
    _, data, _ = email.message_from_bytes(message.data, policy=email.policy.default).iter_parts()
    assert data.get_content() == BYTES
    (copy,) = outbox.mail_of("carol")
    assert copy.endswith(MIXED)


async def test_what_cannot_be_converted_comes_back(outbox: Outbox) -> None:
    await submit(outbox, SIGNED)
    await outbox.deliver_all()
    assert outbox.error("bob@remote.test").startswith("554 5.6.3 the message holds what no server takes")
    (bounce,) = outbox.mail_of("alice")
    assert b"Status: 5.6.3" in bounce
    assert are_lines(bounce)
