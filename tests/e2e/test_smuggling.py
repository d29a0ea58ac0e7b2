"""Nothing smuggled goes out: whatever a local program or a script puts into a message, its line ends are CRLF alone."""

from __future__ import annotations

import email
import socket
from collections.abc import Iterator

import pytest
from folders import open_folder

from e2e.conftest import populate
from e2e.site import Site
from fakes.dns import DnsServer
from fakes.smtp_server import Message, ScriptedSmtpServer

pytestmark = pytest.mark.slow

EVIL = b"MAIL FROM:<boss@victim.test>\r\nRCPT TO:<all@victim.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nEvil.\r\n"
ALMOST_ENDS = [
    *(b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n.\r\r\n"),
    *(b"\n\n.\n\n", b"\r\r.\r\r", b"\r\n.\x00\r\n", b"\r\n\x00.\r\n", b"\r\n.\n\r\n", b"\n\r.\n\r", b"\r\n .\r\n"),
]


@pytest.fixture(scope="module")
def victim() -> Iterator[ScriptedSmtpServer]:
    """Another site that takes everything, and keeps it octet by octet."""
    with ScriptedSmtpServer({}, host="127.0.0.31") as server:
        yield server


@pytest.fixture(scope="module")
def sender(victim: ScriptedSmtpServer) -> Iterator[Site]:
    """A site whose mail for victim.test goes there."""
    zone = {"victim.test": {"MX": "10 mx.victim.test"}, "mx.victim.test": {"A": victim.host}}
    with DnsServer(zone) as dns, open_folder() as folder:
        site = Site(folder, dns, outbound_port=victim.port)
        populate(site)
        with site:
            yield site


def submit(site: Site, data: bytes) -> str:
    """Sends a message as a local program does, DATA as it stands; the reply to its end."""
    with socket.create_connection(("127.0.0.1", site.smtp_port), timeout=30) as connection:
        stream = connection.makefile("rwb")
        reply = stream.readline()
        envelope = [b"HELO localhost", b"MAIL FROM:<ann@example.test>", b"RCPT TO:<someone@victim.test>", b"DATA"]
        for line in [*envelope, data + b"."]:
            stream.write(line + b"\r\n")
            stream.flush()
            reply = stream.readline()
        return reply.decode()


def received(victim: ScriptedSmtpServer, subject: str) -> Message:
    for count in range(1, 200):
        for message in victim.wait_for_messages(count):
            if f"Subject: {subject}\r\n".encode() in message.data:
                return message
    raise AssertionError(subject)


def check(message: Message, victim: ScriptedSmtpServer) -> None:
    rest = message.data.replace(b"\r\n", b"")
    assert b"\r" not in rest and b"\n" not in rest
    text = email.message_from_bytes(message.data).get_payload(decode=True)  # with a NUL in it, it is in base64
    assert isinstance(text, bytes) and b"MAIL FROM:<boss@victim.test>" in text  # as text, where it was
    assert b"\0" not in message.data
    commands = [command for session in victim.sessions for command in session.commands]
    assert not any("boss@" in command or "all@" in command for command in commands)


@pytest.mark.parametrize("almost", ALMOST_ENDS, ids=repr)
def test_a_local_program_smuggles_nothing_out(sender: Site, victim: ScriptedSmtpServer, almost: bytes) -> None:
    subject = f"local {almost.hex()}"
    reply = submit(sender, f"Subject: {subject}\r\n\r\nText.".encode() + almost + EVIL)
    assert reply.startswith("250 2.0.0")
    check(received(victim, subject), victim)


@pytest.mark.parametrize("almost", ALMOST_ENDS, ids=repr)
def test_a_script_that_inserts_a_row_smuggles_nothing_out(
    sender: Site, victim: ScriptedSmtpServer, almost: bytes
) -> None:
    subject = f"script {almost.hex()}"
    body = (b"Text." + almost + b".\r\n" + EVIL).hex()
    sender.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) "
        f"VALUES ('ann@example.test', 'someone@victim.test', '{subject}', CAST(X'{body}' AS TEXT));"
    )
    message = received(victim, subject)
    if b"\x00" in almost:  # SQLite's text ends there for some readers
        assert b"\n" not in message.data.replace(b"\r\n", b"")
        return
    check(message, victim)


def test_a_header_that_a_script_inserts_is_one_line(sender: Site, victim: ScriptedSmtpServer) -> None:
    sender.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES ('ann@example.test', 'someone@victim.test', "
        "'injected' || char(13) || char(10) || 'Bcc: all@victim.test' || char(10) || 'X-Evil: yes', 'Text.');"
    )
    sender.eventually(lambda: any(b"injected" in message.data for message in victim.messages), "injected")
    (message,) = (message for message in victim.messages if b"injected" in message.data)
    head = message.data.partition(b"\r\n\r\n")[0]
    assert not any(line.startswith((b"Bcc:", b"X-Evil:")) for line in head.split(b"\r\n"))
    assert message.rcpt_to == ("someone@victim.test",)
