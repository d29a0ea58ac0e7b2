"""Who does not speak SMTP, or does not listen, is hung up on, and nothing of what they sent is done."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import ssl
from pathlib import Path
from smtpd.conftest import PASSWORDS
from smtpd.helpers import HERE, MESSAGE, OUTSIDE, SmtpClient, World, encoded, no_verification

import pytest
from onifast_smtpd.clients.client import Service
from onifast_smtpd.protocol.other_protocols import protocol_of

from fakes.certificates import Certificate

DIALOGUE = (
    b"EHLO x\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<you@remote.test>\r\nRCPT TO:<alice@here.test>\r\nDATA\r\n"
    b"Subject: forged\r\n\r\nText.\r\n.\r\nQUIT\r\n"
)
USER = pwd.getpwuid(os.getuid()).pw_name
NO_SMTP = "421 4.7.0 this port speaks SMTP"
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


def client_hello(name: str = "localhost") -> bytes:
    """The first octets of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = no_verification().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def nothing_came_of_it(world: World) -> bool:
    return world.queue() == [] and world.inbox("alice") == [] and world.inbox("alice", "junk") == []


async def curl(*arguments: str) -> int:
    """Runs curl for a few seconds at the most; returns its exit status."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--max-time", "10", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


@pytest.fixture
def dialogue(tmp_path: Path) -> Path:
    """A file with all that a session needs."""
    file = tmp_path / "dialogue"
    file.write_bytes(DIALOGUE)
    return file


@pytest.mark.parametrize("service", [Service.MX, Service.SUBMISSION])
@pytest.mark.parametrize("options", [(), ("--http0.9",), ("--http2-prior-knowledge",), ("--request", "EHLO")])
@pytest.mark.peers
async def test_curl_posts_no_mail(world: World, dialogue: Path, service: Service, options: tuple[str, ...]) -> None:
    url = f"http://{HERE}:{world.ports[service]}/"
    await curl(*options, "--data-binary", f"@{dialogue}", url)
    assert nothing_came_of_it(world)


@pytest.mark.peers
async def test_curl_posts_no_mail_by_https_either(world: World, dialogue: Path, certificate: Certificate) -> None:
    for port in world.ports.values():
        await curl("--insecure", "--data-binary", f"@{dialogue}", f"https://{HERE}:{port}/")
    assert nothing_came_of_it(world)


@pytest.mark.peers
async def test_curl_sends_no_mail_by_gopher(world: World, caplog: pytest.LogCaptureFixture) -> None:
    path = "".join(f"%{octet:02x}" for octet in DIALOGUE)
    await curl(f"gopher://{HERE}:{world.ports[Service.MX]}/_{path}")
    assert nothing_came_of_it(world)
    assert 'reason="did not wait for the reply to EHLO"' in caplog.text


@pytest.mark.parametrize("source", [HERE, OUTSIDE])
@pytest.mark.parametrize(
    "octets",
    [
        *(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode() for method in METHODS),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\r\n",
        b"post / http/1.0\n\n",
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n",
        b"BREW /pot HTCPCP/1.0\r\nHost: x\r\n",
        b"NOOP / HTTP/1.1\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"Host: localhost\r\n",
        b"User-Agent: x\r\n",
        b"http://localhost/\r\n",
        client_hello(),
        b"\x80\x2e\x01\x03\x01",
        b"\x03\x00\x00\x13\x0e\xe0",
    ],
    ids=lambda octets: "ClientHello" if octets[:3] == b"\x16\x03\x01" else repr(octets[:24]),
)
async def test_what_is_no_smtp_is_hung_up_on(
    world: World, source: str, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with await world.client(source) as client:
        client.send(octets + (DIALOGUE if octets.endswith(b"\n") else b""))
        said = await client.reply()
        while said and not said[0].startswith("421"):
            assert said[0].startswith("500 5.5.1"), said  # an unknown method is an unknown command
            said = await client.reply()
        assert said[0].startswith(NO_SMTP)
        assert await client.hung_up()
    assert nothing_came_of_it(world)
    lines = [record.getMessage() for record in caplog.records if "hung-up" in record.getMessage()]
    assert len(lines) == 1
    assert f"client={source}" in lines[0]
    assert (f"unix_user={USER}" in lines[0]) == (source == HERE)


async def test_nothing_of_the_request_but_its_method_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for line in ("GET /?token=secret HTTP/1.1", "Authorization: Bearer secret"):
        async with await world.client(HERE) as client:
            assert (await client.say(line)).startswith("421 ")
    assert 'reason="spoke HTTP (GET)"' in caplog.text
    assert 'reason="spoke a header field (Authorization)"' in caplog.text
    assert "secret" not in caplog.text


async def test_a_header_that_follows_a_refused_data_is_not_heard_as_commands(world: World) -> None:
    async with await world.client() as client:
        assert (await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "DATA")).startswith("554 5.5.1")
        client.send(b"Subject: hello\r\n\r\nRSET\r\n.\r\nQUIT\r\n")
        assert (await client.reply())[0].startswith(NO_SMTP)
        assert await client.hung_up()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
async def test_a_request_inside_of_a_login_is_hung_up_on(world: World, mechanism: str) -> None:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.say("EHLO x")
        assert (await client.say(f"AUTH {mechanism}")).startswith("334")
        assert (await client.say("POST / HTTP/1.1")).startswith(NO_SMTP)
        assert await client.hung_up()


@pytest.mark.parametrize("source", [HERE, OUTSIDE])
@pytest.mark.parametrize("verb", ["EHLO x", "HELO x", "STARTTLS", "AUTH PLAIN", "DATA", "DATA now"])
async def test_who_does_not_wait_is_refused(world: World, source: str, verb: str) -> None:
    async with await world.client(source) as client:
        if not verb.endswith("LO x"):
            await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>")
        client.send(f"{verb}\r\nSubject: x\r\n\r\n.\r\n")
        assert await client.reply() == [
            "554 5.5.0 you did not wait for the reply before you went on (RFC 2920), closing"
        ]
        assert await client.hung_up()
    assert nothing_came_of_it(world)


async def test_half_a_command_behind_data_is_enough(world: World) -> None:
    async with await world.client() as client:
        client.send("EHLO x\r\nM")
        assert (await client.reply())[0].startswith("554 5.5.0 ")
        assert await client.hung_up()


async def test_who_pipelines_by_the_rules_is_heard(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x")
        client.send(b"MAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@here.test>\r\nDATA\r\n")
        assert [(await client.reply())[0][:3] for _ in range(3)] == ["250", "250", "354"]
        # The end of a message may be followed by anything (RFC 2920 section 3.1), and chunks by chunks (RFC 3030).
        client.send(MESSAGE + b".\r\nRSET\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@here.test>\r\n")
        client.send(b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE)
        client.send(b"MAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@here.test>\r\nDATA\r\n")
        assert [(await client.reply())[0][:3] for _ in range(8)] == ["250"] * 7 + ["354"]
        client.send(MESSAGE + b".\r\nQUIT\r\n")
        assert [(await client.reply())[0][:3] for _ in range(2)] == ["250", "221"]
    assert len(world.inbox("alice")) == 3


async def test_who_speaks_before_the_greeting_gets_nothing_done(world: World) -> None:
    reader, writer = await world.connect(OUTSIDE)
    async with SmtpClient(reader, writer) as client:
        client.send(DIALOGUE)
        assert (await client.reply())[0][:9] in ("554 5.5.1", "554 5.5.0", "220 mail.")
        await client.reader.read()
    assert nothing_came_of_it(world)


async def test_a_login_in_two_steps_goes_on_as_it_did(world: World) -> None:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.say("EHLO x", "AUTH LOGIN", encoded("alice"))
        assert (await client.say(encoded(PASSWORDS["alice"]))).startswith("235 ")


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"",
            b"EHLO [IPv6:2001:db8::1]",
            b"MAIL FROM:<a@b.test>",
            b"mail from:<>",
            b"RCPT TO: <a:b@c.test>",
            b"NOOP : x",
        ),
        *(b"HELP", b"VRFY <http://x>", b"GETX", b"POSTMASTER", b"BDAT 5 LAST", b"\xc3\xa9", b"AUTH PLAIN AGE6Og=="),
        *(b"HEADER", b".", b" ", b"MAIL FROM:<a/1.1@b.test>"),
    ],
)
def test_what_may_be_a_command_is_not_foreign(line: bytes) -> None:
    assert protocol_of(line) is None
