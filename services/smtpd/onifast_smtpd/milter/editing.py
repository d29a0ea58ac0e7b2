"""What a filter changes about a message: fields of its header, and its body.

Its word is checked before it is done: nothing that it sends can end the header early, or bring in a bare CR or LF.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.message.headers import normalise_newlines
from onifast_shared.message.sections import HeaderSection, RawMessage

from onifast_smtpd.milter.protocol import MilterTrouble

_NAME = re.compile(rb"[!-9;-~]{1,76}")
_FOLD_ONLY = re.compile(rb"(?:\r\n[ \t]+)+\Z")


@dataclass(frozen=True)
class InsertedField:
    """A field to put in: at the header's end, or before the one that is at `index` from 0."""

    name: bytes
    value: bytes
    index: int | None = None


@dataclass(frozen=True)
class ChangedField:
    """Another value for the field of that name that is the `index`th from 1; without a value the field goes."""

    name: bytes
    value: bytes
    index: int


@dataclass(frozen=True)
class ReplacedBody:
    """Another body."""

    octets: bytes


Edit = InsertedField | ChangedField | ReplacedBody


def add(data: bytes) -> InsertedField:
    """SMFIR_ADDHEADER: name, value. Raises MilterTrouble."""
    name, value = _pair(data)
    return InsertedField(name, value)


def insert(data: bytes) -> InsertedField:
    """SMFIR_INSHEADER: index, name, value. Sendmail counts its own Received, which a filter does not see, as the first.

    Raises MilterTrouble.
    """
    name, value = _pair(data[4:])
    return InsertedField(name, value, max(int.from_bytes(data[:4], "big") - 1, 0))


def change(data: bytes) -> ChangedField:
    """SMFIR_CHGHEADER: index, name, value. Raises MilterTrouble."""
    name, value = _pair(data[4:])
    return ChangedField(name, value, int.from_bytes(data[:4], "big"))


def edited(message: RawMessage, edits: Sequence[Edit]) -> RawMessage:
    """The message with these edits done in their order; all other bytes stay as they are.

    A change's index counts the fields that the filter was shown, whatever it has put in or taken out since.
    """
    if not edits:
        return message
    body: bytes | memoryview = message.body
    cells = [_Cell(field.octets) for field in message.head.fields]
    shown = defaultdict[str, list[_Cell]](list)
    for field, cell in zip(message.head.fields, cells, strict=True):
        shown[field.key].append(cell)
    for edit in edits:
        match edit:
            case InsertedField(name, value, None):
                cells.append(_Cell(_field(name, value)))
            case InsertedField(name, value, int(index)):
                cells.insert(index, _Cell(_field(name, value)))
            case ChangedField(name, value, index):
                place = max(index, 1) - 1  # Sendmail takes 0 for 1
                new, others = _field(name, value) if value else b"", shown[name.decode("ascii").lower()]
                if place < len(others):
                    others[place].octets = new
                else:
                    cells.append(_Cell(new))
            case ReplacedBody(octets):
                body = normalise_newlines(octets)
    head = b"".join([cell.octets for cell in cells])
    return RawMessage(b"".join((head, b"\r\n", body)), HeaderSection(head))


class _Cell:
    """A field's place in the header: its octets, or nothing once it is taken out."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets


def _field(name: bytes, value: bytes) -> bytes:
    return name + b":" + value + b"\r\n"


def _pair(data: bytes) -> tuple[bytes, bytes]:
    """Name and value of a field, whose folds a filter ends with LF or CRLF."""
    parts = data.split(b"\0")
    if len(parts) != 3 or parts[2] or not _NAME.fullmatch(parts[0]):
        raise MilterTrouble(f"a field of a header is malformed: {data[:60]!r}")
    value = parts[1].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if re.search(rb"\r(?!\n)|\n(?![ \t])", value) or _FOLD_ONLY.search(value):
        raise MilterTrouble(f"the value of {parts[0].decode('ascii')} has a line end that is no fold")
    return parts[0], value if not value or value[:1] in (b" ", b"\t", b"\r") else b" " + value
