"""A receiver on free ports, and a client that speaks to it line by line."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_shared.machine.sockets import bind
from onifast_shared.mailboxes import contents, mailbox
from onifast_smtpd.clients.client import Service
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.server import SmtpServer

HERE = "127.0.0.1"
OUTSIDE = "127.0.0.9"
PATIENCE = 60.0

MESSAGE = b"From: someone@remote.test\r\nTo: alice@here.test\r\nSubject: hello\r\n\r\nText.\r\n"


class Clock:
    """The epoch seconds that limits go by; they pass only when a test says so."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def connections_to(port: int) -> int:
    """How many sockets that somebody holds are connected to a port of 127.0.0.1."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[9] != "0" for row in rows)


@dataclass
class World:
    """A receiver that runs, and what it works on."""

    settings: Settings
    database: Database
    receiver: Receiver
    server: SmtpServer
    ports: dict[Service, int]
    clock: Clock

    async def stop(self, grace: float = 2.0) -> None:
        await self.server.stop(grace)
        self.receiver.close()

    async def client(self, source: str = OUTSIDE, service: Service = Service.MX, tls: bool = False) -> SmtpClient:
        """A client that has read the greeting."""
        client = SmtpClient(*await self.connect(source, service, tls=tls))
        assert (await client.reply())[0].startswith("220 mail.host.test ESMTP")
        return client

    async def connect(
        self, source: str = OUTSIDE, service: Service = Service.MX, tls: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = no_verification() if tls else None
        return await asyncio.open_connection(HERE, self.ports[service], local_addr=(source, 0), ssl=context)

    def inbox(self, owner: str, folder: str = "inbox") -> list[bytes]:
        """The owner's messages with their trace headers, oldest first."""

        def read(tx: Connection) -> list[bytes]:
            rows = mailbox.list_page(tx, owner, folder).rows
            return [mailbox.raw(tx, row.id) for row in reversed(rows)]

        return self.database.read(read)

    def queue(self, *columns: str) -> list[dict[str, Any]]:
        """The queue's rows with their messages, oldest first."""
        names = ("sender", "recipient", "owner", "origin", "submitted_by", "subject", "body_type", "smtputf8", *columns)

        def read(tx: Connection) -> list[dict[str, Any]]:
            rows = tx.execute(f"SELECT content_id, {', '.join(names)} FROM outbox ORDER BY id").fetchall()
            return [
                dict(zip(names, row[1:], strict=True)) | {"raw": contents.read(tx, int(str(row[0])))} for row in rows
            ]

        return self.database.read(read)


class SmtpClient:
    """One connection of a client that does just what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def line(self) -> str:
        raw = await asyncio.wait_for(self.reader.readline(), PATIENCE)
        return raw.decode().removesuffix("\r\n")

    async def reply(self) -> list[str]:
        """The lines of one reply; none if the server hung up."""
        lines = []
        while line := await self.line():
            lines.append(line)
            if line[3:4] != "-":
                break
        return lines

    async def say(self, *commands: str) -> str:
        """Gives commands one by one; the last one's reply, its lines joined."""
        lines: list[str] = []
        for command in commands:
            self.send(f"{command}\r\n")
            lines = await self.reply()
        return "\n".join(lines)

    async def send_message(self, message: bytes = MESSAGE) -> str:
        """DATA and a message, dots stuffed; the reply to its end."""
        assert (await self.say("DATA")).startswith("354 ")
        self.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return "\n".join(await self.reply())

    async def deliver(self, sender: str, *recipients: str, message: bytes = MESSAGE) -> str:
        """A whole transaction after EHLO; the reply to its end."""
        await self.say("EHLO client.test", f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            await self.say(f"RCPT TO:<{recipient}>")
        return await self.send_message(message)

    async def start_tls(self) -> None:
        assert (await self.say("STARTTLS")).startswith("220 2.0.0 ")
        await self.writer.start_tls(no_verification())

    async def log_in(self, username: str, password: str) -> str:
        return await self.say("EHLO client.test", "AUTH PLAIN " + plain(username, password))

    async def hung_up(self) -> bool:
        return await self.line() == ""

    def close(self) -> None:
        self.writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


async def start_world(settings: Settings, database: Database) -> World:
    """A receiver on free ports of 127.0.0.1, and the IPv6 loopback for none."""
    listeners = {service: [bind(Listen(HERE, 0))] for service in Service}
    clock = Clock()
    receiver = Receiver.build(settings, database, clock=clock)
    server = SmtpServer(receiver, listeners)
    await server.start()
    ports = {service: listening[0].getsockname()[1] for service, listening in listeners.items()}
    return World(settings, database, receiver, server, ports, clock)


def plain(username: str, password: str) -> str:
    """The initial response of AUTH PLAIN."""
    return encoded(f"\0{username}\0{password}")


def encoded(text: str) -> str:
    """Text in base64, as AUTH wants it."""
    return base64.b64encode(text.encode()).decode()


def no_verification() -> ssl.SSLContext:
    """A context for clients that take any certificate, as mail servers among themselves do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
