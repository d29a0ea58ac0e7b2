"""One session of the scripted SMTP server."""

import asyncio
import base64
import binascii
import re
import socket
import ssl
import struct
from typing import Protocol

from fakes.smtp_script import Action, Drop, Message, Pieces, Say, Session, Stall, is_positive

_MESSAGE_LIMIT = 128 * 1024 * 1024
_PATH = re.compile(r"<([^>]*)>")
_TAKEN = "250 2.0.0 taken"


class HangUp(Exception):
    """Ends the session."""


class Host(Protocol):
    """What the dialogue needs of its server."""

    hostname: str
    extensions: tuple[str, ...]
    tls: ssl.SSLContext | None
    logins: dict[str, str]

    def next_action(self, stage: str, argument: str) -> Action | None:
        """Returns what the script says for *stage* now, the line for its *argument* first."""

    def note(self, session: Session, *, command: str = "", message: Message | None = None) -> None:
        """Writes down what came in."""

    async def stall(self) -> None:
        """Waits until the test lets it go on."""


class Dialogue:
    """Holds one session: obeys the commands as the host's script says."""

    def __init__(
        self,
        server: Host,
        session: Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._server = server
        self._session = session
        self._reader = reader
        self._writer = writer
        self._mail_from: str | None = None
        self._mail_parameters = ""
        self._recipients: list[tuple[str, str]] = []

    async def run(self) -> None:
        """Holds the dialogue until either side ends it."""
        await self._answer("CONNECT", f"220 {self._server.hostname} ESMTP fake")
        while line := await self._reader.readline():
            command = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            self._server.note(self._session, command=command)
            verb, _, rest = command.partition(" ")
            await self._obey(verb.upper(), rest)

    async def _obey(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                await self._answer("EHLO", self._greeting(), "tls" if self._session.tls else "")
            case "STARTTLS" if self._server.tls:
                await self._start_tls()
            case "AUTH" if self._server.logins:
                await self._log_in(rest)
            case "MAIL":
                await self._take_sender(rest)
            case "RCPT":
                await self._take_recipient(rest)
            case "DATA":
                await self._take_data()
            case "QUIT":
                await self._answer("QUIT", "221 2.0.0 bye")
                raise HangUp
            case "HELO" | "NOOP" | "VRFY":
                await self._answer(verb, "250 2.0.0 ok")
            case "RSET":
                self._forget_transaction()
                await self._answer(verb, "250 2.0.0 ok")
            case _:
                await self._answer(verb, "502 5.5.1 not implemented")

    def _greeting(self) -> str:
        lines = [self._server.hostname, *self._server.extensions]
        if self._server.tls and not self._session.tls:
            lines.append("STARTTLS")
        if self._server.logins:
            lines.append("AUTH PLAIN LOGIN")
        return "\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])

    async def _start_tls(self) -> None:
        if not await self._answer("STARTTLS", "220 2.0.0 go ahead"):
            return
        assert self._server.tls
        if (instead := self._server.next_action("TLS", "")) is not None:
            await self._perform(instead, b"")
            raise HangUp
        await self._writer.start_tls(self._server.tls)
        self._session.tls = True
        self._forget_transaction()

    async def _log_in(self, arguments: str) -> None:
        mechanism, _, initial = arguments.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password, *_ = (_decoded(initial or await self._ask("334 ")) + "\0\0").split("\0")
        else:
            user = _decoded(initial or await self._ask("334 VXNlcm5hbWU6"))
            password = _decoded(await self._ask("334 UGFzc3dvcmQ6"))
        good = self._server.logins.get(user) == password
        if await self._answer("AUTH", "235 2.7.0 welcome" if good else "535 5.7.8 wrong user or password"):
            self._session.login = (user, password)

    async def _ask(self, challenge: str) -> str:
        await self._send(challenge)
        return (await self._reader.readline()).decode().strip()

    async def _take_sender(self, rest: str) -> None:
        path, parameters = _path(rest)
        if await self._answer("MAIL", "250 2.1.0 ok", path):
            self._mail_from = path
            self._mail_parameters = parameters

    async def _take_recipient(self, rest: str) -> None:
        path, parameters = _path(rest)
        default = "503 5.5.1 MAIL first" if self._mail_from is None else "250 2.1.5 ok"
        if await self._answer("RCPT", default, path):
            self._recipients.append((path, parameters))

    async def _take_data(self) -> None:
        ready = "354 go ahead" if self._recipients else "554 5.5.1 no valid recipients"
        if not await self._answer("DATA", ready):
            return
        await self._answer("BODY", b"")
        data = await self._read_body()
        # Written down before the reply goes out, so that who has seen the reply finds the message here.
        verdict = self._server.next_action(".", "")
        self._keep(data, accepted=is_positive(verdict, _TAKEN))
        await self._perform(verdict, _TAKEN)

    async def _read_body(self) -> bytes:
        """Returns the lines up to ``<CR><LF>.<CR><LF>`` (RFC 5321 §4.1.1.4; a bare LF before the dot ends nothing)."""
        lines = [b"\r\n"]
        size = 0
        while (line := await self._reader.readuntil(b"\n")) != b".\r\n" or not lines[-1].endswith(b"\r\n"):
            lines.append(line[1:] if line.startswith(b".") else line)
            size += len(line)
            if size > _MESSAGE_LIMIT:
                raise HangUp
        return b"".join(lines[1:])

    def _keep(self, data: bytes, *, accepted: bool) -> None:
        paths = tuple(path for path, _ in self._recipients)
        parameters = tuple(parameters for _, parameters in self._recipients)
        message = Message(self._mail_from or "", paths, self._mail_parameters, parameters, data, accepted)
        self._server.note(self._session, message=message)
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._mail_from = None
        self._mail_parameters = ""
        self._recipients = []

    async def _answer(self, stage: str, default: str | bytes, argument: str = "") -> bool:
        """Does what the script says for *stage*, or replies *default*; returns whether the reply was positive."""
        action = self._server.next_action(stage, argument)
        await self._perform(action, default)
        return is_positive(action, default)

    async def _perform(self, action: Action | None, default: str | bytes) -> None:
        match action:
            case Drop():
                self._drop(action)
            case Stall():
                await self._server.stall()
                await self._send(default)
            case Pieces():
                for octet in f"{action.reply}\r\n":
                    await self._send(octet.encode())
                    await asyncio.sleep(0)  # let it leave by itself
            case Say():
                await self._send(action.reply)
                if action.hang_up:
                    raise HangUp
            case None:
                await self._send(default)
            case _:
                await self._send(action)

    def _drop(self, action: Drop) -> None:
        if action.reset:
            raw: socket.socket = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        raise HangUp

    async def _send(self, reply: str | bytes) -> None:
        if isinstance(reply, str):
            reply = "".join(f"{line}\r\n" for line in reply.splitlines()).encode()
        self._writer.write(reply)
        await self._writer.drain()


def _path(rest: str) -> tuple[str, str]:
    """Splits ``FROM:<a@b.test> SIZE=5`` into the path and its parameters."""
    found = _PATH.search(rest)
    if not found:
        return rest, ""
    return found[1], rest[found.end() :].strip()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
