"""What leaves is sound: lines of bounded length, no NUL, headers in ASCII, signed as it is sent."""

from __future__ import annotations

import email
import email.policy
import logging
import re
from email.message import EmailMessage

import dkim
import pytest
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.keys import dns_record
from onifast_shared.message.conversion import are_ascii_lines, are_lines
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address

from fakes.smtp_server import ScriptedSmtpServer
from peers.dkim import verify

from .helpers import Outbox

HEAD = b"From: Alice <alice@here.test>\r\nTo: bob@remote.test\r\nSubject: x\r\nMessage-ID: <1@here.test>\r\n"
HTML = "<html><body>" + "<p>Eine Zeile, die nicht endet: Grüße</p>" * 3000 + "</body></html>"
ONE_LINE = HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + HTML.encode() + b"\r\n"
RAW_NAMES = HEAD.replace(b"Alice", "Jürgen".encode()).replace(b"Subject: x", "Subject: Grüße".encode()) + b"\r\nx\r\n"
NUL = HEAD + b"Content-Type: application/x\r\n\r\na\0b\r\n"
MANY = HEAD + b"Cc: " + b",".join(b"user%d@other.test" % number for number in range(200)) + b"\r\n\r\nx\r\n"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the program says."""
    caplog.set_level(logging.INFO)
    return caplog


def exchanger(outbox: Outbox, *extensions: str) -> ScriptedSmtpServer:
    return ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port, extensions=extensions)


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


@pytest.mark.parametrize("raw", [ONE_LINE, RAW_NAMES, NUL, MANY], ids=["line", "names", "nul", "recipients"])
@pytest.mark.parametrize("extensions", [("8BITMIME",), ()], ids=["8 bits", "7 bits"])
@pytest.mark.peers
async def test_what_is_converted_is_signed_as_it_is_sent(outbox: Outbox, raw: bytes, extensions: tuple[str]) -> None:
    record = dns_record(dkim_keys.generate(outbox.settings.certs_dir, "here.test"))
    outbox.dns.set(record.name, "TXT", record.value)
    with exchanger(outbox, *extensions) as peer:
        await outbox.submit("bob@remote.test", raw=raw)
        await outbox.round()
        (message,) = peer.messages
    assert are_ascii_lines(message.data)
    assert [each.result for each in verify(message.data, outbox.dns.address)] == ["pass"]
    assert outbox.states() == {"bob@remote.test": "sent"}


async def test_names_read_as_they_were_written(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", raw=RAW_NAMES)
        await outbox.round()
        message = parsed(peer.messages[0].data)
    assert (message["Subject"], str(message["From"])) == ("Grüße", "Jürgen <alice@here.test>")


async def test_it_is_said_why_a_message_was_changed(outbox: Outbox, log: pytest.LogCaptureFixture) -> None:
    with exchanger(outbox, "8BITMIME"):
        await outbox.submit("bob@remote.test", raw=ONE_LINE)
        await outbox.round()
    assert re.search(r'converted id=\w+ because="lines of more than 998 octets"', log.text)


async def test_a_nul_in_what_is_signed_comes_back(outbox: Outbox) -> None:
    signed = HEAD + b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\na\0b\r\n--s\r\n\r\nsig\r\n--s--\r\n"
    with exchanger(outbox, "8BITMIME") as peer:
        await outbox.submit("bob@remote.test", raw=signed)
        await outbox.deliver_all()
        assert not peer.messages
    assert outbox.error("bob@remote.test").startswith("554 5.6.3 the message holds what no server takes")


async def forward(outbox: Outbox, raw: bytes, *, smtputf8: bool = False) -> None:
    """A message from outside that carol forwards to bob."""
    passing = ForwardedRecipient(QueuedRecipient("bob@remote.test"), Address.parse("carol@here.test"), "carol")
    envelope = Submission("", "forward", body_type="8BITMIME", smtputf8=smtputf8)
    onward = ForwardedMessage([passing], outbox.settings, envelope)
    await accept.deliver(outbox.db, raw, IncomingMessage("eve@far.test", [], onward=onward))
    await outbox.round()


def signed_by_far_test(outbox: Outbox, raw: bytes, canonicalization: bytes = b"relaxed") -> bytes:
    """A message from far.test, whose key stands in DNS."""
    key = dkim_keys.generate(outbox.settings.root / "elsewhere", "far.test")
    record = dns_record(key)
    outbox.dns.set(record.name, "TXT", record.value)
    raw = raw.replace(b"alice@here.test", b"eve@far.test")
    field: bytes = dkim.sign(
        raw, b"mail", b"far.test", key.path.read_bytes(), canonicalize=(canonicalization, b"relaxed")
    )
    return field + raw


@pytest.mark.parametrize("raw", [ONE_LINE, RAW_NAMES], ids=["line", "names"])
@pytest.mark.peers
async def test_what_somebody_else_signed_is_forwarded_as_it_came(
    outbox: Outbox, raw: bytes, log: pytest.LogCaptureFixture
) -> None:
    with exchanger(outbox, "8BITMIME") as peer:
        await forward(outbox, signed_by_far_test(outbox, raw))
        (message,) = peer.messages
    assert [each.result for each in verify(message.data, outbox.dns.address)] == ["pass"]
    assert "it is signed by far.test" in log.text


@pytest.mark.parametrize("canonicalization", [b"relaxed", b"simple"])
@pytest.mark.peers
async def test_a_long_header_field_that_is_signed_is_folded_only_if_that_does_no_harm(
    outbox: Outbox, canonicalization: bytes
) -> None:
    raw = HEAD.replace(b"Subject: x", b"Subject: " + b"some words " * 200) + b"\r\nx\r\n"
    with exchanger(outbox, "8BITMIME") as peer:
        await forward(outbox, signed_by_far_test(outbox, raw, canonicalization))
        (message,) = peer.messages
    assert [each.result for each in verify(message.data, outbox.dns.address)] == ["pass"]
    assert are_lines(message.data) == (canonicalization == b"relaxed")


@pytest.mark.parametrize("extensions", [("8BITMIME",), ()], ids=["no SMTPUTF8", "no 8BITMIME"])
async def test_a_forward_that_no_server_would_take_as_it_is_loses_its_signature_and_it_is_said(
    outbox: Outbox, extensions: tuple[str], log: pytest.LogCaptureFixture
) -> None:
    with exchanger(outbox, *extensions) as peer:
        await forward(outbox, signed_by_far_test(outbox, RAW_NAMES), smtputf8=True)
        (message,) = peer.messages
    assert are_ascii_lines(message.data) and "SMTPUTF8" not in message.mail_parameters
    assert "which breaks the signature of far.test" in log.text


async def test_a_forward_without_a_signature_is_converted(outbox: Outbox) -> None:
    with exchanger(outbox, "8BITMIME") as peer:
        await forward(outbox, ONE_LINE.replace(b"alice@here.test", b"eve@far.test"))
        (message,) = peer.messages
    assert are_lines(message.data)
    assert HTML in parsed(message.data).get_content()


async def test_a_header_that_only_names_fill_asks_no_server_for_smtputf8(outbox: Outbox) -> None:
    with exchanger(outbox, "8BITMIME", "SMTPUTF8") as peer:
        await outbox.submit("bob@remote.test", raw=RAW_NAMES, smtputf8=True)
        await outbox.round()
        (message,) = peer.messages
    assert "SMTPUTF8" not in message.mail_parameters and message.data.isascii()
