"""winmail.dat taken apart: the files that Outlook packs together ([MS-OXTNEF], [MS-OXCDATA]); never raises.

Every length is checked against what is there, and nothing is looked at twice, so a hostile file costs one pass.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from onifast_shared.message import charsets, rtf

TYPES = ("application/ms-tnef", "application/vnd.ms-tnef")

_SIGNATURE = b"\x78\x9f\x3e\x22"
_MOST_ATTRIBUTES = 5000
_MOST_FILES = 200
_MOST_PROPERTIES = 2000  # in one attribute
_MOST_VALUES = 1000  # of one property

# Attributes ([MS-OXTNEF] section 2.1.3.2), without the type in their upper half.
_RENDERING = 0x9002  # begins a file
_TITLE = 0x8010
_DATA = 0x800F
_FILE_PROPERTIES = 0x9005
_MESSAGE_PROPERTIES = 0x9003
_CODE_PAGE = 0x9007
# Properties.
_LONG_NAME = 0x3707
_OBJECT = 0x3701
_MIME_TYPE = 0x370E
_CONTENT_ID = 0x3712
_BODY = 0x1000
_HTML = 0x1013
_RTF = 0x1009
# Types of properties, with the octets of those that are of one size.
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_STRING = 0x1E
_UNICODE = 0x1F
_STAND_IN = b"This attachment is a MAPI 1.0 embedded message"
"""What old Exchange writes for readers who know no _OBJECT, which then stands beside it."""
_MOST_NESTED = 5  # messages within messages
_OF_ANY_SIZE = (_STRING, _UNICODE, 0x102, 0xD)
_GUID = 16
_FIRST_NAMED = 0x8000


@dataclass
class TnefFile:
    """A packed file. `content_type` and `content_id` are "" where they are not said."""

    name: str = ""
    content: bytes = b""
    content_type: str = ""
    content_id: str = ""


@dataclass
class Tnef:
    """What was packed: files, and the message's text in the forms that it has."""

    files: list[TnefFile] = field(default_factory=list)
    text: str = ""
    html: str = ""


class _CutShort(Exception):
    """There is less than a length says."""


@dataclass
class _Octets:
    """Octets that are read from the beginning to the end."""

    data: bytes
    position: int = 0

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise _CutShort
        self.position, start = end, self.position
        return self.data[start:end]

    def number(self) -> int:
        return int(struct.unpack("<I", self.take(4))[0])

    def padded(self) -> bytes:
        """A value that has its length before it, and fills up four octets."""
        size = self.number()
        value = self.take(size)
        self.position += -size % 4
        return value


def read(data: bytes, depth: int = 0) -> Tnef | None:
    """What is in a TNEF stream, as far as it goes; None where it is none. It stands in `depth` others."""
    if not data.startswith(_SIGNATURE):
        return None
    found, code_page = Tnef(), "cp1252"
    for name, value in _attributes(data):
        if name == _CODE_PAGE and len(value) >= 4:
            code_page = f"cp{struct.unpack('<I', value[:4])[0]}"
        elif name == _MESSAGE_PROPERTIES:
            _read_message(found, value, code_page)
        elif name == _RENDERING and len(found.files) < _MOST_FILES:
            found.files.append(TnefFile())
        elif found.files:
            _read_file(found.files[-1], name, value, code_page)
    files = [each for file in found.files if file.content or file.name for each in _opened(file, depth)]
    found.files = files[:_MOST_FILES]
    return found


def _opened(file: TnefFile, depth: int) -> Iterator[TnefFile]:
    """A file; of one that is a message of Outlook's own the text and the files."""
    inner = read(file.content, depth + 1) if depth < _MOST_NESTED else None
    if inner is None or not (inner.text or inner.html or inner.files):
        yield file
        return
    for kind, ending, said in (("text/html", "html", inner.html), ("text/plain", "txt", inner.text)):
        if said.strip():
            yield TnefFile(f"{file.name or 'message'}.{ending}", said.encode(), kind)
            break
    yield from inner.files


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    octets = _Octets(data, len(_SIGNATURE) + 2)
    try:
        for _ in range(_MOST_ATTRIBUTES):
            octets.take(1)  # whether it is of the message or of a file
            name = octets.number() & 0xFFFF
            yield name, octets.take(octets.number())
            octets.take(2)  # a checksum, which many writers get wrong
    except _CutShort:
        return


def _read_message(found: Tnef, value: bytes, code_page: str) -> None:
    for name, kind, content in _properties(value):
        if name == _BODY:
            found.text = _text(content, kind, code_page)
        elif name == _HTML:
            label = charsets.meta_charset(content) or code_page
            found.html = charsets.decode(content, label).rstrip("\0")
        elif name == _RTF:
            said = rtf.read(content)
            found.html, found.text = found.html or said.html, found.text or said.text


def _read_file(file: TnefFile, name: int, value: bytes, code_page: str) -> None:
    if name == _TITLE and not file.name:
        file.name = _text(value, _STRING, code_page)
    elif name == _DATA:
        file.content = value
    elif name == _FILE_PROPERTIES:
        for each, kind, content in _properties(value):
            if each == _LONG_NAME:
                file.name = _text(content, kind, code_page) or file.name
            elif each == _MIME_TYPE:
                file.content_type = _text(content, kind, code_page).strip().lower()
            elif each == _CONTENT_ID:
                file.content_id = _text(content, kind, code_page).strip("<> ")
            elif each == _OBJECT and (not file.content or file.content.startswith(_STAND_IN)):
                file.content = content[_GUID:]  # behind the interface's id


def _properties(value: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(name, type, first value) of each property of a list ([MS-OXTNEF] section 2.1.3.4)."""
    octets = _Octets(value)
    try:
        for _ in range(min(octets.number(), _MOST_PROPERTIES)):
            kind, name = struct.unpack("<HH", octets.take(4))
            if name >= _FIRST_NAMED:
                _skip_name(octets)
            several, kind = bool(kind & 0x1000), kind & 0xFFF
            count = octets.number() if several or kind in _OF_ANY_SIZE else 1
            values = [_value(octets, kind) for _ in range(min(count, _MOST_VALUES))]
            if count > _MOST_VALUES:
                return
            yield name, kind, values[0] if values else b""
    except _CutShort:
        return


def _value(octets: _Octets, kind: int) -> bytes:
    if kind in _OF_ANY_SIZE:
        return octets.padded()
    if kind not in _SIZES:
        raise _CutShort  # nobody knows where the next one begins
    return octets.take(_SIZES[kind])


def _skip_name(octets: _Octets) -> None:
    octets.take(_GUID)
    if octets.number():
        octets.padded()
    else:
        octets.take(4)


def _text(content: bytes, kind: int, code_page: str) -> str:
    label = "utf-16le" if kind == _UNICODE else code_page
    return charsets.decode(content, label).split("\0", 1)[0]
