"""The milter protocol as a mail server speaks it: packets, and what each side says that it can do.

No RFC defines it. Version 6 stands in Sendmail's libmilter (`include/libmilter/mfdef.h`). A packet is its length in
four octets, a letter that says what it is, and its data, whose texts end with NUL.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import NamedTuple

VERSION = 6
OLDEST_VERSION = 2

MOST_IN_PACKET = 1024 * 1024  # octets that a filter may send in one piece
BODY_CHUNK = 65535  # octets of the body in one packet (MILTER_CHUNK_SIZE)

_NEGOTIATION = struct.Struct("!III")


class MilterTrouble(Exception):
    """What a filter sent makes no sense, or asks for what was not offered."""


class Action(IntFlag):
    """What a filter may ask for at the end of a message (SMFIF_*)."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENTS = 0x04
    REMOVE_RECIPIENTS = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40


OFFERED_ACTIONS = Action.ADD_HEADERS | Action.CHANGE_BODY | Action.CHANGE_HEADERS | Action.QUARANTINE
"""Who gets a message is decided before a filter sees it, so no filter may change its envelope."""


class ProtocolStep(IntFlag):
    """What a filter does not want to be told (SMFIP_NO*), or does not answer (SMFIP_NR_*)."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RECIPIENT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_END_OF_HEADER = 0x40
    SILENT_HEADERS = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    SILENT_CONNECT = 0x1000
    SILENT_HELO = 0x2000
    SILENT_MAIL = 0x4000
    SILENT_RECIPIENT = 0x8000
    SILENT_DATA = 0x10000
    SILENT_UNKNOWN = 0x20000
    SILENT_END_OF_HEADER = 0x40000
    SILENT_BODY = 0x80000


OFFERED_STEPS = ProtocolStep(sum(ProtocolStep))


class Packet(NamedTuple):
    """One packet: the letter that says what it is, and its data."""

    kind: bytes
    data: bytes = b""

    @property
    def octets(self) -> bytes:
        """The packet as it is sent."""
        return struct.pack("!Ic", len(self.data) + 1, self.kind) + self.data


async def read(reader: asyncio.StreamReader) -> Packet:
    """The next packet. Raises MilterTrouble for one without length or beyond bounds, EOFError, OSError."""
    size = int.from_bytes(await reader.readexactly(4), "big")
    if not 1 <= size <= MOST_IN_PACKET:
        raise MilterTrouble(f"a packet has {size} octets; 1 to {MOST_IN_PACKET} are allowed")
    octets = await reader.readexactly(size)
    return Packet(octets[:1], octets[1:])


def offer() -> Packet:
    """What we offer (SMFIC_OPTNEG)."""
    return Packet(b"O", _NEGOTIATION.pack(VERSION, OFFERED_ACTIONS, OFFERED_STEPS))


def agreed(packet: Packet) -> ProtocolStep:
    """The steps to leave out, as the filter answers our offer. Raises MilterTrouble."""
    if packet.kind != b"O" or len(packet.data) < _NEGOTIATION.size:
        raise MilterTrouble("it does not negotiate")
    version, actions, steps = _NEGOTIATION.unpack_from(packet.data)
    if not OLDEST_VERSION <= version <= VERSION:
        raise MilterTrouble(f"it speaks version {version}; {OLDEST_VERSION} to {VERSION} are known here")
    if more := actions & ~int(OFFERED_ACTIONS):
        raise MilterTrouble(f"it wants to do what is not offered: {Action(more)!r}")
    if more := steps & ~int(OFFERED_STEPS):
        raise MilterTrouble(f"it wants steps that are not offered: {more:#x}")
    return ProtocolStep(steps)


def texts(kind: bytes, items: Iterable[str]) -> Packet:
    """A packet of texts."""
    return Packet(kind, b"".join(_text(item) for item in items))


def macros(command: bytes, values: Mapping[str, str]) -> Packet:
    """The macros that go before a command (SMFIC_MACRO); those without a value are left out."""
    pairs = [text for name, value in values.items() if value for text in (name, value)]
    return Packet(b"D", command + b"".join(_text(item) for item in pairs))


def _text(item: str) -> bytes:
    return item.encode("utf-8", "replace").replace(b"\0", b"") + b"\0"
