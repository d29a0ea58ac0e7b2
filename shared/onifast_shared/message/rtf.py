"""Texts in RTF, as Outlook packs them into a winmail.dat ([MS-OXRTFCP], [MS-OXRTFEX]); never raises.

It is compressed, and holds either a text, or HTML that was wrapped so that it can be taken out again. Each octet is
looked at once.
"""

from __future__ import annotations

import html
import re
import struct
from dataclasses import dataclass

from onifast_shared.message import charsets

MOST_OCTETS = 1 << 20  # of a text, before and after it is decompressed
_DEEPEST = 500  # groups in each other

_HEADER = struct.Struct("<IIII")
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_RING = 4096
_PRESET = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?[0-9]{1,9})? ?|\\'(?P<octet>[0-9a-fA-F]{2})|\\(?P<symbol>[^a-zA-Z])"
    r"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)"
)
_WRAPPED = re.compile(r"\\fromhtml1\b")
_CODE_PAGE = re.compile(r"\\ansicpg([0-9]{1,5})")
_HIDDEN = frozenset(
    (
        "fonttbl",
        "colortbl",
        "stylesheet",
        "info",
        "pict",
        "mmathPr",
        "header",
        "footer",
        "headerf",
        "footerf",
        "object",
        "themedata",
    )
)
_WORDS = {
    "par": "\n", "line": "\n", "row": "\n", "tab": "\t", "cell": "\t", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d", "bullet": "\u2022", "endash": "\u2013", "emdash": "\u2014",
}  # fmt: skip
_SYMBOLS = {"~": "\u00a0", "_": "\u2011", "\\": "\\", "{": "{", "}": "}", "\r": "\n", "\n": "\n"}


@dataclass(frozen=True)
class RtfText:
    """What an RTF says: HTML, where that was wrapped in it, or a text; the other is ""."""

    text: str = ""
    html: str = ""


def read(data: bytes) -> RtfText:
    """What a compressed RTF says, or its beginning where there is too much of it."""
    source = decompress(data).decode("latin-1")
    wrapped = _WRAPPED.search(source[:1000]) is not None
    found = _RtfReader(source, wrapped=wrapped).read()
    return RtfText(html=found) if wrapped else RtfText(text=found)


def decompress(data: bytes) -> bytes:
    """The RTF of a compressed one ([MS-OXRTFCP] section 2.1); as far as it goes, and b"" where it is none."""
    if len(data) < _HEADER.size:
        return b""
    _, size, kind, _ = _HEADER.unpack_from(data)
    rest = data[_HEADER.size : _HEADER.size + MOST_OCTETS]
    if kind == _PLAIN:
        return rest[:size]
    return _unpacked(rest, min(size, MOST_OCTETS)) if kind == _COMPRESSED else b""


def _unpacked(data: bytes, size: int) -> bytes:
    """References of two octets go back into the last 4096 that came out; a bit for each tells it from a literal."""
    found = bytearray(_PRESET)
    position = 0
    while position < len(data) and len(found) - len(_PRESET) < size:
        control = data[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                found += data[position : position + 1]
                position += 1
                continue
            pair = data[position : position + 2]
            position += 2
            start = pair[0] << 4 | pair[1] >> 4 if len(pair) == 2 else len(found) % _RING
            back = (len(found) - start) % _RING
            if not back or back > len(found):
                return bytes(found[len(_PRESET) :])  # the end, or nothing that was ever there
            for _ in range((pair[1] & 15) + 2):
                found.append(found[-back])
    return bytes(found[len(_PRESET) : len(_PRESET) + size])


@dataclass
class _RtfGroup:
    """What holds up to the closing brace."""

    is_hidden: bool = False
    is_markup: bool = False
    is_for_rtf: bool = False  # what programs without HTML show in the place of markup
    skip: int = 1  # characters that follow one in Unicode for those who do not know that


class _RtfReader:
    """Takes the words, or the wrapped HTML, out of RTF."""

    def __init__(self, source: str, *, wrapped: bool) -> None:
        self._source = source
        self._wrapped = wrapped
        page = _CODE_PAGE.search(source[:1000])
        self._charset = f"cp{page[1]}" if page else "cp1252"
        self._groups = [_RtfGroup()]
        self._found: list[str] = []
        self._octets = bytearray()
        self._left_out = 0
        self._is_optional = False

    def read(self) -> str:
        for token in _TOKEN.finditer(self._source):
            if token["octet"] is None:
                self._settle()
            self._take(token)
        self._settle()
        text = "".join(self._found).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text.replace("\0", "")

    def _take(self, token: re.Match[str]) -> None:
        if token["brace"] is not None:
            self._brace(token["brace"])
        elif token["word"] is not None:
            self._word(token["word"], token["number"])
        elif token["octet"] is not None:
            if self._left_out:
                self._left_out -= 1
            else:
                self._octets.append(int(token["octet"], 16))
        elif token["symbol"] == "*":
            self._is_optional = True
        else:
            self._text(token["text"] if token["text"] is not None else _SYMBOLS.get(token["symbol"], ""))

    def _brace(self, brace: str) -> None:
        self._left_out, self._is_optional = 0, False
        if brace == "{" and len(self._groups) < _DEEPEST:
            now = self._groups[-1]
            self._groups.append(_RtfGroup(now.is_hidden, now.is_markup, now.is_for_rtf, now.skip))
        elif brace == "}" and len(self._groups) > 1:
            self._groups.pop()

    def _word(self, word: str, number: str | None) -> None:
        group, value = self._groups[-1], int(number or 1)
        if word == "htmltag":
            group.is_markup, group.is_hidden = True, False
        elif word == "htmlrtf":
            group.is_for_rtf = value != 0
        elif word in _HIDDEN or self._is_optional:
            group.is_hidden = True
        elif word == "uc":
            group.skip = max(0, int(number or 0))
        elif word == "u":
            self._put(chr(value & 0xFFFF))
            self._left_out = group.skip
        elif word in _WORDS:
            self._put(_WORDS[word])
        self._is_optional = False

    def _text(self, text: str) -> None:
        dropped = min(self._left_out, len(text))
        self._left_out -= dropped
        self._put(text[dropped:])

    def _settle(self) -> None:
        """What octets were written one by one, in the code page."""
        if self._octets:
            octets = bytes(self._octets)
            self._octets.clear()
            self._put(charsets.decode(octets, self._charset))

    def _put(self, text: str) -> None:
        group = self._groups[-1]
        if group.is_hidden or (self._wrapped and group.is_for_rtf):
            return
        self._found.append(html.escape(text, quote=False) if self._wrapped and not group.is_markup else text)
