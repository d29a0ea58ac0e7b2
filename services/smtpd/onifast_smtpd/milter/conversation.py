"""The conversation of one message with one filter, from the negotiation to the filter's last word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onifast_shared.message.sections import HeaderSection, RawMessage
from onifast_shared.values.reply import Reply, ReplyError

from onifast_smtpd.milter import editing, protocol
from onifast_smtpd.milter.editing import Edit
from onifast_smtpd.milter.protocol import MilterTrouble, Packet, ProtocolStep

MOST_EDITS = 1000

_REFUSALS = {
    b"r": Reply(550, "5.7.1", "message refused by a content filter"),
    # Whoever sent it is to know that nobody will read it.
    b"d": Reply(550, "5.7.1", "message refused by a content filter"),
    b"t": Reply(451, "4.7.1", "message deferred by a content filter, try again later"),
    b"4": Reply(451, "4.7.1", "message deferred by a content filter, try again later"),
    b"f": Reply(451, "4.3.2", "message deferred by a content filter, try again later"),
}


class Macros(NamedTuple):
    """What filters may want to know besides, by the names that Sendmail gave it; "" is left out."""

    hostname: str
    daemon: str
    queue_id: str
    user: str
    tls_version: str
    cipher: str


@dataclass(frozen=True)
class FilterRequest:
    """A message and its envelope as filters are told of them; `client_name` is its name in DNS, "" where unknown."""

    client: str
    port: int
    client_name: str
    helo: str
    mail_from: str
    recipients: Sequence[str]
    macros: Macros
    message: RawMessage


@dataclass(frozen=True)
class FilterAnswer:
    """A filter's word: how it refuses the message, else its edits, and why it should be put aside."""

    refusal: Reply | None = None
    edits: tuple[Edit, ...] = ()
    quarantine: str | None = None


class _DecidedEarly(Exception):
    """The filter has decided before it saw everything."""

    def __init__(self, answer: FilterAnswer) -> None:
        super().__init__()
        self.answer = answer


class Conversation:
    """Tells a filter of a message over a connection of its own; `most` is the octets that its edits may have."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> None:
        self._reader = reader
        self._writer = writer
        self._left = most
        self._steps = ProtocolStep(0)

    async def hold(self, request: FilterRequest) -> FilterAnswer:
        """Tells it everything, and gives its word. Raises MilterTrouble, EOFError, OSError."""
        self._send(protocol.offer())
        self._steps = protocol.agreed(await protocol.read(self._reader))
        try:
            await self._envelope(request)
            await self._content(request)
            answer = await self._end()
        except _DecidedEarly as ended:
            answer = ended.answer
        self._send(Packet(b"Q"))
        await self._writer.drain()
        return answer

    async def _envelope(self, request: FilterRequest) -> None:
        what = request.macros
        name = request.client_name or f"[{request.client}]"
        connection = {"j": what.hostname, "{daemon_name}": what.daemon, "_": f"{name} [{request.client}]"}
        await self._say(
            protocol.macros(b"C", connection | {"{client_addr}": request.client, "{client_name}": name}),
            Packet(b"C", _client(request, name)),
            ProtocolStep.NO_CONNECT,
            ProtocolStep.SILENT_CONNECT,
        )
        tls = {"{tls_version}": what.tls_version, "{cipher}": what.cipher}
        hello = protocol.texts(b"H", [request.helo])
        await self._say(protocol.macros(b"H", tls), hello, ProtocolStep.NO_HELO, ProtocolStep.SILENT_HELO)
        sender = {"i": what.queue_id, "{auth_authen}": what.user}
        await self._say(
            protocol.macros(b"M", sender | {"{mail_addr}": request.mail_from}),
            protocol.texts(b"M", [f"<{request.mail_from}>"]),
            ProtocolStep.NO_MAIL,
            ProtocolStep.SILENT_MAIL,
        )
        for recipient in request.recipients:
            await self._say(
                protocol.macros(b"R", {"i": what.queue_id, "{rcpt_addr}": recipient}),
                protocol.texts(b"R", [f"<{recipient}>"]),
                ProtocolStep.NO_RECIPIENT,
                ProtocolStep.SILENT_RECIPIENT,
            )

    async def _content(self, request: FilterRequest) -> None:
        ours = protocol.macros(b"T", {"i": request.macros.queue_id})
        await self._say(ours, Packet(b"T"), ProtocolStep.NO_DATA, ProtocolStep.SILENT_DATA)
        nothing, body = Packet(b""), request.message.body
        for field in _fields(request.message.head):
            await self._say(nothing, field, ProtocolStep.NO_HEADERS, ProtocolStep.SILENT_HEADERS)
        await self._say(nothing, Packet(b"N"), ProtocolStep.NO_END_OF_HEADER, ProtocolStep.SILENT_END_OF_HEADER)
        for begin in range(0, len(body), protocol.BODY_CHUNK):
            chunk = Packet(b"B", bytes(body[begin : begin + protocol.BODY_CHUNK]))
            if not await self._say(nothing, chunk, ProtocolStep.NO_BODY, ProtocolStep.SILENT_BODY):
                break
        self._send(protocol.macros(b"E", {"i": request.macros.queue_id}))
        self._send(Packet(b"E"))

    async def _say(self, macros: Packet, packet: Packet, unwanted: ProtocolStep, silent: ProtocolStep) -> bool:
        """Says one thing, unless the filter does not want it; False where it wants no more of its kind."""
        if unwanted in self._steps:
            return False
        if macros.kind:
            self._send(macros)
        self._send(packet)
        await self._writer.drain()
        if silent in self._steps:
            return True
        answer = await self._read()
        if answer.kind == b"s":
            return False
        if answer.kind == b"a":
            raise _DecidedEarly(FilterAnswer())
        if answer.kind != b"c":
            raise _DecidedEarly(FilterAnswer(_refusal(answer)))
        return True

    async def _end(self) -> FilterAnswer:
        """The filter's edits and its last word."""
        edits, body, quarantine = list[Edit](), list[bytes](), None
        while True:
            kind, data = await self._read()
            match kind:
                case b"h":
                    edits.append(editing.add(data))
                case b"i":
                    edits.append(editing.insert(data))
                case b"m":
                    edits.append(editing.change(data))
                case b"b":
                    body.append(data)
                case b"q":
                    quarantine = data.rstrip(b"\0").decode("utf-8", "replace")
                case b"c" | b"a":
                    edits += [editing.ReplacedBody(b"".join(body))] if body else []
                    return FilterAnswer(None, tuple(edits), quarantine)
                case _:
                    return FilterAnswer(_refusal(Packet(kind, data)))
            self._left -= len(data)
            if self._left < 0 or len(edits) > MOST_EDITS:
                raise MilterTrouble("it changes more than a message may hold")

    async def _read(self) -> Packet:
        """The next packet that says more than that the filter is at work."""
        while (packet := await protocol.read(self._reader)).kind == b"p":
            pass
        return packet

    def _send(self, packet: Packet) -> None:
        self._writer.write(packet.octets)


def _client(request: FilterRequest, name: str) -> bytes:
    """What SMFIC_CONNECT holds: name, family, port, address."""
    family = b"6" if ":" in request.client else b"4"
    address = f"IPv6:{request.client}" if family == b"6" else request.client
    return name.encode() + b"\0" + family + request.port.to_bytes(2, "big") + address.encode() + b"\0"


def _fields(head: HeaderSection) -> Iterator[Packet]:
    """A packet for each field; filters get folds with LF, values without the space after the colon, and no NUL."""
    for field in head.fields:
        text = field.value.replace(b"\r\n", b"\n").removeprefix(b" ").replace(b"\0", b" ")
        yield Packet(b"L", field.name.encode() + b"\0" + text + b"\0")


def _refusal(packet: Packet) -> Reply:
    """The reply that a filter's refusal stands for. Raises MilterTrouble for what is no refusal."""
    if packet.kind in _REFUSALS:
        return _REFUSALS[packet.kind]
    if packet.kind != b"y":
        raise MilterTrouble(f"it answers {packet.kind!r}, which is not allowed here")
    text = packet.data.rstrip(b"\0").decode("utf-8", "replace").replace("%%", "%")
    try:
        reply = Reply.parse(text.splitlines())
    except ReplyError as error:
        raise MilterTrouble(f"its reply is none: {text[:60]!r}") from error
    if reply.is_positive:
        raise MilterTrouble(f"it refuses with {reply.code}")
    # 421 would end the session, and the enhanced code must not be missing (RFC 2034 section 4).
    code = 451 if reply.code == 421 else reply.code
    return Reply(code, reply.enhanced or f"{code // 100}.7.1", reply.text.encode("ascii", "replace").decode())
