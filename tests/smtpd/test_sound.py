"""Messages that no server should be sent: refused from outside, made fit for our own users."""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import Awaitable, Callable
from email.message import EmailMessage

import pytest
from onifast_shared.message.headers import has_long_line
from onifast_smtpd.clients.client import Service

from .conftest import PASSWORDS
from .helpers import HERE, World

Start = Callable[..., Awaitable[World]]

HTML = "<html>" + "<p>Eine Zeile, die nicht endet: Grüße</p>" * 2500 + "</html>"
ONE_LINE = b"From: a@remote.test\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + HTML.encode() + b"\r\n"
SIGNED = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n%b\r\n--s\r\n\r\nsignature\r\n--s--\r\n"


async def relayed(world: World, message: bytes, sender: str = "a@remote.test") -> EmailMessage:
    """Sends a message from this machine; as it lies in the queue."""
    async with await world.client(HERE) as client:
        reply = await client.deliver(sender, "you@remote.test", message=message)
    assert reply.startswith("250 2.0.0"), reply
    return email.message_from_bytes(world.queue()[-1]["raw"], policy=email.policy.default)


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: s\r\n\r\na\0b\r\n",
        b"Subject: a\0b\r\n\r\nx\r\n",
        b"Sub\0ject: s\r\n\r\nx\r\n",
        b"\0\r\n",
        b"\r\n\0\r\n",
    ],
)
async def test_a_nul_from_outside_is_refused(world: World, message: bytes) -> None:
    async with await world.client() as client:
        reply = await client.deliver("a@remote.test", "alice@here.test", message=message)
        assert reply.startswith("550 5.6.0 message has a NUL octet")
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
    assert len(world.inbox("alice")) == 1


async def test_a_nul_of_our_own_users_is_encoded(world: World) -> None:
    message = await relayed(world, b"Sub\0ject: a\0b\r\nContent-Type: application/x\r\n\r\nc\0d\r\n")
    assert (message["Subject"], message["Content-Transfer-Encoding"]) == ("ab", "base64")
    assert message.get_payload(decode=True) == b"c\0d\r\n"
    assert world.queue()[0]["body_type"] == "7BIT"


async def test_a_nul_in_what_is_signed_is_refused_with_the_reason(world: World) -> None:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.log_in("alice", PASSWORDS["alice"])
        reply = await client.deliver("alice@here.test", "you@remote.test", message=SIGNED % b"a\0b")
    assert reply == "550 5.6.0 message cannot be sent to anybody: it is signed, so that its parts cannot be encoded"
    assert world.queue() == []


async def test_a_line_without_end_is_encoded_and_the_log_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "onifast.smtpd")
    message = await relayed(world, ONE_LINE)
    assert not has_long_line(world.queue()[0]["raw"])
    assert message["Content-Transfer-Encoding"] == "quoted-printable"
    assert message.get_content().rstrip("\r\n") == HTML
    assert 'because="lines of more than 998 octets"' in caplog.text


async def test_what_is_signed_stays_and_the_log_says_so(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "onifast.smtpd")
    signed = SIGNED % (b"y" * 2000)
    await relayed(world, signed)
    assert world.queue()[0]["raw"].endswith(signed.partition(b"\r\n\r\n")[2])
    assert 'left="lines of more than 998 octets: it is signed' in caplog.text


@pytest.mark.parametrize("declared", ["", " SMTPUTF8"])
async def test_a_header_in_raw_utf_8_becomes_ascii_whatever_the_client_declared(world: World, declared: str) -> None:
    head = "From: Jürgen <a@remote.test>\r\nTo: Grüße <you@remote.test>\r\nSubject: Köln"
    async with await world.client(HERE) as client:
        await client.say("EHLO x", f"MAIL FROM:<a@remote.test>{declared}", "RCPT TO:<you@remote.test>")
        await client.send_message(f"{head}\r\n\r\nx\r\n".encode())
    [row] = world.queue()
    message = email.message_from_bytes(row["raw"], policy=email.policy.default)
    assert (row["raw"].isascii(), row["smtputf8"], row["subject"]) == (True, 0, "Köln")
    assert str(message["From"]) == "Jürgen <a@remote.test>"


async def test_an_address_in_utf_8_needs_smtputf8_still(world: World) -> None:
    async with await world.client(HERE) as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test> SMTPUTF8", "RCPT TO:<you@remote.test>")
        await client.send_message("Cc: Jürgen <jürgen@remote.test>\r\n\r\nx\r\n".encode())
    [row] = world.queue()
    assert row["smtputf8"] == 1 and "<jürgen@remote.test>".encode() in row["raw"]


async def test_from_outside_lines_and_headers_are_stored_as_they_came(world: World) -> None:
    message = "Subject: Grüße\r\n".encode() + ONE_LINE
    async with await world.client() as client:
        assert (await client.deliver("a@remote.test", "alice@here.test", message=message)).startswith("250 2.0.0")
    (stored,) = world.inbox("alice", "inbox")
    assert stored.endswith(message)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"From: My Site\r\n", "My Site <info@remote.test>"),
        (b"From: Webshop\r\n", "Webshop <info@remote.test>"),
        (b"From:\r\n", "info@remote.test"),
        ("From: Größe\r\n".encode(), "Größe <info@remote.test>"),
        (b"From: info@remote.test\r\nFrom: Shop <info@remote.test>\r\n", "info@remote.test"),
        (b"From: Nobody:;\r\n", "Nobody <info@remote.test>"),
    ],
)
async def test_a_from_without_address_gets_the_envelopes(world: World, head: bytes, expected: str) -> None:
    message = await relayed(world, head + b"\r\nx\r\n", "info@remote.test")
    assert message.get_all("From") == [expected]


@pytest.mark.parametrize(
    "head", [b"From: a@remote.test\r\nFrom: b@remote.test\r\n", b"From: info@\r\n", b"From: A <a b@remote.test>\r\n"]
)
async def test_a_from_that_is_not_clear_is_refused_local_programs_too(world: World, head: bytes) -> None:
    async with await world.client(HERE) as client:
        reply = await client.deliver("info@remote.test", "you@remote.test", message=head + b"\r\nx\r\n")
    assert reply.startswith("550 5.6.0 message has ") and "From header" in reply


async def test_the_header_of_a_binary_submission_becomes_ascii_and_its_body_stays(world: World) -> None:
    body = b"\0\xff" * 3000
    message = "Subject: Grüße\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode() + body
    async with await world.client(HERE) as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test> BODY=BINARYMIME", "RCPT TO:<you@remote.test>")
        client.send(b"BDAT %d LAST\r\n" % len(message) + message)
        assert (await client.reply())[0].startswith("250 2.0.0")
    [row] = world.queue()
    head, _, rest = row["raw"].partition(b"\r\n\r\n")
    assert (head.isascii(), rest, row["subject"]) == (True, body, "Grüße")
