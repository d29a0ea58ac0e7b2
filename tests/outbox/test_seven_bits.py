"""8-bit mail on its way to servers without 8BITMIME (RFC 6152): converted, signed as it is sent, or returned."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.keys import dns_record
from onifast_shared.message.conversion import Unconvertible, are_ascii_lines, into_seven_bits
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address

from fakes.smtp_server import ScriptedSmtpServer
from peers.dkim import verify

from .helpers import Outbox

HEAD = b"From: alice@here.test\r\nTo: bob@remote.test\r\nSubject: x\r\nMessage-ID: <1@here.test>\r\n"
MIME = HEAD + b"MIME-Version: 1.0\r\n"
TEXT = "Grüße aus Köln, mit einem Gruß am Ende der Zeile. \r\nZweite Zeile.\r\n"
PLAIN = MIME + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT.encode()
RUSSIAN = "Здравствуйте, как ваши дела?\r\n" * 3
SIGNED = (
    b'Content-Type: multipart/signed; micalg="sha-256"; protocol="application/pgp-signature"; boundary="s"\r\n\r\n'
    b"--s\r\nContent-Type: text/plain\r\n\r\n%s\r\n--s\r\n"
    b"Content-Type: application/pgp-signature\r\n\r\nsignature\r\n--s--\r\n"
)
MIXED = (
    MIME
    + b'Content-Type: multipart/mixed; boundary="m"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
    + b"--m\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + TEXT.encode()
    + b"\r\n--m\r\nContent-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + RUSSIAN.encode("koi8-r")
    + b"\r\n--m\r\nContent-Type: application/x-data\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xff\xfe\x01\r\n"
    + b"\r\n--m\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + PLAIN
    + b"\r\n--m\r\n"
    + SIGNED % b"plain text"
    + b"\r\n--m--\r\n"
)


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def text_of(part: EmailMessage) -> str:
    return str(part.get_content()).replace("\n", "\r\n").replace("\r\r", "\r")


def test_text_becomes_quoted_printable_and_reads_the_same() -> None:
    converted = into_seven_bits(PLAIN)
    assert are_ascii_lines(converted)
    assert parsed(converted)["Content-Transfer-Encoding"] == "quoted-printable"
    assert text_of(parsed(converted)) == TEXT


def test_text_of_another_script_becomes_base64_which_is_shorter() -> None:
    raw = MIME + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + (RUSSIAN * 20).encode()
    converted = into_seven_bits(raw)
    assert parsed(converted)["Content-Transfer-Encoding"] == "base64"
    assert text_of(parsed(converted)) == RUSSIAN * 20


def test_each_part_is_converted_by_itself_and_what_is_signed_stays() -> None:
    converted = into_seven_bits(MIXED)
    assert are_ascii_lines(converted)
    whole = parsed(converted)
    assert whole["Content-Transfer-Encoding"] == "7bit"
    text, html, data, inner, _ = whole.iter_parts()
    assert text_of(text) == TEXT  # type: ignore[arg-type]
    assert text_of(html) == RUSSIAN  # type: ignore[arg-type]
    assert data.get_content() == b"\xff\xfe\x01\r\n"
    assert inner["Content-Transfer-Encoding"] == "7bit"
    assert text_of(inner.get_content()) == TEXT
    assert SIGNED % b"plain text" in converted


@pytest.mark.parametrize(
    ("body", "charset"), [("Grüße".encode(), "utf-8"), ("Grüße".encode("latin-1"), "unknown-8bit")]
)
def test_8_bit_text_without_mime_gets_the_fields_that_undo_the_encoding(body: bytes, charset: str) -> None:
    converted = parsed(into_seven_bits(HEAD + b"\r\n" + body + b"\r\n"))
    assert converted["MIME-Version"] == "1.0"
    assert converted.get_content_charset() == charset
    assert converted.get_payload(decode=True) == body + b"\r\n"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_encoded_part_with_stray_octets_is_mended(encoding: str) -> None:
    raw = MIME + f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    converted = into_seven_bits(raw + {"base64": b"aGkK\xff\r\n", "quoted-printable": b"h=C3=BC\xc3\xbc\r\n"}[encoding])
    assert are_ascii_lines(converted)
    expected = {"base64": b"hi\n", "quoted-printable": "hüü\r\n".encode()}[encoding]
    assert parsed(converted).get_payload(decode=True) == expected


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        (MIME + SIGNED % "Grüße".encode(), False),
        (MIME + b"Content-Type: message/partial; id=x; number=1\r\n\r\nSubject: \xfc\r\n\r\nx\r\n", False),
        ("Cc: jürgen@remote.test\r\n".encode() + PLAIN, True),
        (MIXED.replace(b"Subject: x", "Reply-To: <jürgen@here.test>".encode()), True),
    ],
    ids=["signed", "partial", "an address", "an address in a message within"],
)
def test_what_no_encoding_helps_is_not_converted(raw: bytes, header: bool) -> None:
    with pytest.raises(Unconvertible) as caught:
        into_seven_bits(raw)
    assert caught.value.header is header


def test_what_is_ascii_stays_octet_for_octet() -> None:
    raw = MIME + SIGNED % b"plain  \t text"
    assert into_seven_bits(raw) == raw


@given(
    st.lists(
        st.sampled_from(
            [b"--m", b"--m--", b"\r\n", b"\xff", "ü".encode(), b"text", b"=", b"Content-Type: text/plain", b"\0", b"\n"]
        ),
        max_size=30,
    ).map(b"".join),
    st.sampled_from([b"multipart/mixed; boundary=m", b"text/plain", b"message/rfc822", b"application/x"]),
    st.sampled_from([b"8bit", b"base64", b"quoted-printable", b"binary", b"nonsense"]),
)
def test_whatever_comes_the_result_is_lines_of_ascii(body: bytes, content_type: bytes, encoding: bytes) -> None:
    raw = MIME + b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    try:
        assert are_ascii_lines(into_seven_bits(raw))
    except Unconvertible:
        return


# On the way


def exchanger(outbox: Outbox, *extensions: str) -> ScriptedSmtpServer:
    return ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port, extensions=extensions)


@pytest.mark.peers
async def test_each_server_gets_what_it_takes_and_each_signature_is_good(outbox: Outbox) -> None:
    record = dns_record(dkim_keys.generate(outbox.settings.certs_dir, "here.test"))
    outbox.dns.set(record.name, "TXT", record.value)
    outbox.dns.load({"modern.test": {"MX": "10 mx.modern.test"}, "mx.modern.test": {"A": "127.0.0.26"}})
    modern = ScriptedSmtpServer(host="127.0.0.26", port=outbox.settings.outbound_port)
    with exchanger(outbox, "PIPELINING") as old, modern:
        await outbox.submit("bob@remote.test", "ann@modern.test", raw=PLAIN)
        await outbox.round()
        (seven,), (eight,) = old.messages, modern.messages
    assert (seven.mail_parameters, eight.mail_parameters.split()[-1]) == ("", "BODY=8BITMIME")
    assert are_ascii_lines(seven.data) and eight.data.endswith(TEXT.encode())
    assert text_of(parsed(seven.data)) == TEXT
    for message in (seven, eight):
        assert [each.result for each in verify(message.data, outbox.dns.address)] == ["pass"]


async def test_a_message_that_cannot_be_converted_comes_back_with_the_reason(outbox: Outbox) -> None:
    with exchanger(outbox) as peer:
        await outbox.submit("bob@remote.test", raw=MIME + SIGNED % "Grüße".encode())
        await outbox.deliver_all()
        assert peer.messages == []
    assert outbox.error("bob@remote.test") == (
        "554 5.6.3 the server takes no 8-bit text (8BITMIME), and the message cannot be converted:"
        " it is signed, so that its parts cannot be encoded"
    )
    (bounce,) = outbox.mail_of("alice")
    assert b"Status: 5.6.3" in bounce


def test_headers_become_ascii_those_of_parts_too() -> None:
    raw = "X-Name: Jürgen\r\n".encode() + MIXED.replace(b"application/x-data", b"application/x-data; name=\xfc")
    converted = into_seven_bits(raw)
    assert are_ascii_lines(converted)
    assert parsed(converted)["X-Name"] == "Jürgen"
    assert [part.get_filename() for part in parsed(converted).iter_parts()][2] == "ü"


async def test_an_address_in_utf_8_comes_back_too(outbox: Outbox) -> None:
    with exchanger(outbox):
        raw = "Cc: Jürgen <jürgen@remote.test>\r\n".encode() + PLAIN
        await outbox.submit("bob@remote.test", raw=raw, sender="")
        await outbox.deliver_all()
    assert outbox.error("bob@remote.test").startswith("553 5.6.7")
    (attempt,) = outbox.sql("SELECT outcome, host FROM delivery_attempts")
    assert attempt == "failed|mx.remote.test"


async def test_a_foreign_signature_is_broken_rather_than_the_message_lost(outbox: Outbox) -> None:
    dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    results = f"Authentication-Results: {outbox.settings.hostname}; dkim=pass header.d=far.test\r\n".encode()
    foreign = results + b"DKIM-Signature: v=1; d=far.test; b=abc\r\n" + PLAIN
    passing = ForwardedRecipient(QueuedRecipient("bob@remote.test"), Address.parse("carol@here.test"), "carol")
    onward = ForwardedMessage([passing], outbox.settings, Submission("", "forward", body_type="8BITMIME"))
    await accept.deliver(outbox.db, foreign, IncomingMessage("eve@far.test", [], onward=onward))
    with exchanger(outbox) as peer:
        await outbox.round()
        (message,) = peer.messages
    assert text_of(parsed(message.data)) == TEXT
    assert "dkim=pass" in parsed(message.data)["ARC-Authentication-Results"]
