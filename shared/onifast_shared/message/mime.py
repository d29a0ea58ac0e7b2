"""The MIME structure of a message (RFC 2045, RFC 2046): its leaves, found by one bounded walk, decoded when asked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from onifast_shared.message import charsets, made_names, tnef, transfer
from onifast_shared.message.flowed import unflow
from onifast_shared.message.headers import (
    body_start,
    decode_words,
    fields,
    head_within,
    settle,
    split_head,
    unfold_octets,
)
from onifast_shared.message.parameters import UNSAFE, clean_filename, parse_parameters

MESSAGE_TYPES = ("message/rfc822", "message/global", "message/news")
MAX_DEPTH = 50
MAX_PARTS = 1000
CHUNK = 512 * 1024
"""Octets of an encoded file that are decoded at a time."""
_MAX_HEAD = 1 << 16  # octets of a part's header that are looked at

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}(?![^\s(;,])")
_USED_BOUNDARY = re.compile(rb"(?<![^\n])--([^\r\n]{1,200}+)\r?\n(?=Content-)", re.IGNORECASE)
# A line that is neither a delimiter nor a field of a part's header.
_LOST_LINE = re.compile(rb"^(?!--|[A-Za-z0-9-]{1,60}:|[ \t\r]*$)[^\n]*\S", re.MULTILINE)
_IDENTITY = ("", "7bit", "8bit", "binary")
_UNDECLARED = 4096  # octets of a text without charset that help to guess it


@dataclass
class _PartContext:
    """Where a part stands: how deep, in which multipart/alternative (the outermost one's number), in what."""

    depth: int = 0
    alternative: int | None = None
    parent: str = ""


@dataclass(frozen=True)
class _Window:
    """Some octets of a message, which are not copied before they are wanted."""

    raw: bytes
    start: int
    end: int

    @classmethod
    def whole(cls, raw: bytes) -> _Window:
        return cls(raw, 0, len(raw))

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def octets(self) -> bytes:
        return self.raw[self.start : self.end]

    def head(self, length: int) -> bytes:
        return self.raw[self.start : min(self.end, self.start + length)]

    def split(self) -> tuple[bytes, _Window]:
        """The header section, and the body."""
        begin = self.head(_MAX_HEAD)
        # What follows the head has to be there too, to tell whether it ends there.
        head = head_within(begin, len(begin) - 2) if len(begin) < len(self) else None
        if head is None:
            begin = self.octets
            head = split_head(begin)[0]
        return head, _Window(self.raw, self.start + body_start(begin, len(head)), self.end)


class Extent(NamedTuple):
    """Where a part's body lies in its message, and how it is encoded there: base64, or "" for as it is."""

    start: int
    end: int
    encoding: str


class Part:
    """A leaf: a part that holds no others, or that is not opened (message/rfc822, or too deep)."""

    def __init__(self, head: _Head, body: _Window, context: _PartContext, *, is_spare: bool = False) -> None:
        self._head = head
        self.is_spare = is_spare  # text to be read only where there is no other
        self._window = body
        self.alternative = context.alternative
        self.parent = context.parent
        self.content_type = head.content_type

    @cached_property
    def data(self) -> bytes:
        """The body without its transfer encoding (RFC 2045 section 6); never raises."""
        return transfer.decode(self._split()[0], self._head.encoding)

    def chunks(self) -> Iterator[bytes]:
        """`data` in pieces, so that a large file need not be in memory whole."""
        raw, start, end = self._window.raw, self._window.start, self._window.end
        if "data" in vars(self) or self._head.encoding not in (*_IDENTITY, "base64"):
            yield self.data
        elif self._head.encoding != "base64":
            yield from (raw[at : min(at + CHUNK, end)] for at in range(start, end, CHUNK))
        elif not self._is_mislabelled:
            yield from transfer.base64_chunks(raw, start, transfer.footer_at(raw, start, end), CHUNK)

    @cached_property
    def size(self) -> int:
        """Octets of `data`."""
        return sum(map(len, self.chunks()))

    def extent_in(self, raw: bytes) -> Extent | None:
        """Where its body lies in a message; None where it does not lie there, or otherwise than an extent can say."""
        start, end = self._window.start, self._window.end
        if self._window.raw is not raw:
            return None
        if self._head.encoding in _IDENTITY:
            return Extent(start, end, "")
        if self._head.encoding != "base64" or self._is_mislabelled:
            return None
        return Extent(start, transfer.footer_at(raw, start, end), "base64")

    @property
    def has_octets(self) -> bool:
        """Whether there is anything in it but white space."""
        return bool(self._window.head(_MAX_HEAD).strip())

    def data_head(self, length: int = 200) -> bytes:
        """Some beginning of `data`, from `length` octets of the encoded body: enough to know its kind by."""
        return transfer.decode(self._window.head(length), self._head.encoding)

    @property
    def text(self) -> str:
        """The body as text with "\\n" for line ends, its flowed paragraphs in one line each."""
        footer = self._split()[1]
        text = self._as_text(self.data)
        return (f"{text}\n" if text else "") + self._as_text(footer) if footer else text

    def text_head(self, length: int) -> str:
        """Some beginning of `text`: no more than comes from `length` octets of the encoded body."""
        if len(self._window) <= length:
            return self.text
        return self._as_text(transfer.decode(self._window.head(length), self._head.encoding))

    @property
    def charset(self) -> str:
        """The label that the part names, or its HTML; "" for none."""
        return self._head.parameters.get("charset", "")

    @property
    def is_attached(self) -> bool:
        """Whether its sender wants it to be apart from the text."""
        return self._head.disposition == "attachment"

    @property
    def is_named(self) -> bool:
        """Whether it has a file name."""
        return bool(self._head.raw_filename)

    @property
    def content_id(self) -> str:
        """Without its angle brackets, or ""."""
        return self._head.content_id

    @property
    def content_location(self) -> str:
        """The URL that it stands for (RFC 2557), or ""."""
        return self._head.content_location

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of its content type, names in lower case."""
        return self._head.parameters

    def filename_or(self, index: int, charset: str = "") -> str:
        """Its file name, safe to be one, or a name made from its number and type; `charset` is for raw octets."""
        name = clean_filename(decode_words(settle(self._head.raw_filename, charset)))
        return name or made_names.of(self.content_type, index)

    def undeclared(self) -> bytes:
        """Octets outside ASCII that are in nobody knows what: of the file name, and of a text without charset."""
        is_text = self.content_type.startswith("text/") and not self.charset and not self._head.encoding
        text = self._window.head(_UNDECLARED) if is_text else b""
        name = self._head.raw_filename.encode("utf-8", "surrogateescape")
        return b"\n".join(each for each in (name, text) if not charsets.is_plain(each))

    def _split(self) -> tuple[bytes, bytes]:
        """The body, and what a mailing list has put behind it in plain text."""
        raw, start, end = self._window.raw, self._window.start, self._window.end
        if self._head.encoding != "base64":
            return self._window.octets, b""
        if self._is_mislabelled:
            return b"", self._window.octets
        footer = transfer.footer_at(raw, start, end)
        return raw[start:footer], raw[footer:end]

    @property
    def _is_mislabelled(self) -> bool:
        """Whether it was labelled as base64, and never encoded."""
        return self.content_type.startswith("text/") and not transfer.is_base64(self._window.head(1000))

    def _as_text(self, data: bytes) -> str:
        label = self.charset
        if not label and self.content_type == "text/html":
            label = charsets.meta_charset(data)
        text = _newlines(charsets.decode(data, label))
        if self._head.parameters.get("format", "").lower() == "flowed" and self.content_type == "text/plain":
            return unflow(text, delete_space=self._head.parameters.get("delsp", "").lower() == "yes")
        return text


class _Head:
    """The Content-* fields of a part."""

    def __init__(self, head: bytes, parent: str = "") -> None:
        self._values: dict[str, bytes] = {}
        for name, value in fields(head[:_MAX_HEAD]):
            self._values.setdefault(name.lower(), value)
        content_type, self.parameters = parse_parameters(self._value("content-type"))
        default = "message/rfc822" if parent == "multipart/digest" else "text/plain"  # RFC 2046 section 5.1.5
        written = _TYPE.match(content_type.lower())  # what follows it is a comment, or lacks its semicolon
        self.content_type = written[0] if written else default
        disposition, self._disposition_parameters = parse_parameters(self._value("content-disposition"))
        self.disposition = disposition.lower()
        self.encoding = transfer.encoding_of(self._value("content-transfer-encoding"))
        self.content_id = UNSAFE.sub("", self._value("content-id").strip("<> "))[:995]

    @classmethod
    def of_file(cls, name: str, content_type: str = "", content_id: str = "") -> _Head:
        """That of a file that lay within a text, or was packed with others."""
        made = cls(b"Content-Disposition: attachment\r\n")
        made.content_type = content_type if _TYPE.fullmatch(content_type) else "application/octet-stream"
        made.content_id = UNSAFE.sub("", content_id)[:995]
        made._disposition_parameters["filename"] = name
        return made

    @classmethod
    def of_text(cls, content_type: str) -> _Head:
        """That of a text in UTF-8 that was packed with files."""
        return cls(f"Content-Type: {content_type}; charset=utf-8\r\n".encode())

    def as_text(self) -> _Head:
        """The same, of what turned out to be no multipart."""
        self.content_type = "text/plain"
        return self

    @property
    def boundary(self) -> bytes:
        # A boundary does not end with white space (RFC 2046 section 5.1.1), whatever was written.
        return self.parameters.get("boundary", "").rstrip().encode("utf-8", "surrogateescape")

    @property
    def raw_filename(self) -> str:
        """As it is written, octets outside of UTF-8 as lone surrogates: which charset they are in is known later."""
        return self._disposition_parameters.get("filename") or self.parameters.get("name") or ""

    @property
    def content_location(self) -> str:
        return UNSAFE.sub("", "".join(self._value("content-location").split()))[:2000]

    def _value(self, name: str) -> str:
        return unfold_octets(self._values.get(name, b""))


def leaves(raw: bytes) -> list[Part]:
    """The leaves of a message in order; of a hostile one only so many, and down to MAX_DEPTH."""
    found: list[Part] = []
    groups = itertools.count()
    # A stack instead of recursion: depth is the sender's choice.
    todo = [(_Window.whole(raw), _PartContext())]
    for _ in range(2 * MAX_PARTS):
        if not todo:
            break
        entity, context = todo.pop()
        octets, body = entity.split()
        head = _Head(octets, context.parent)
        if not head.content_type.startswith("multipart/") or context.depth == MAX_DEPTH:
            found += _leaf(head, body, context)
            continue
        parts = _parts_of(head, body)
        if not parts:
            found.append(Part(head.as_text(), body, context))
            continue
        inside = _PartContext(context.depth + 1, context.alternative, head.content_type)
        if head.content_type == "multipart/alternative" and context.alternative is None:
            inside.alternative = next(groups)
        todo += [(part, inside) for part in reversed(parts)]
    return found if any(part.has_octets for part in found) else _whole(raw) or found


def _whole(raw: bytes) -> list[Part]:
    """The body of a message as one text, where all its parts turned out to be empty and there is something around them.

    So nothing that was written is hidden by a boundary that can be read in two ways.
    """
    octets, body = split_head(raw)
    return (
        [Part(_Head(octets).as_text(), _Window.whole(body), _PartContext())]
        if _LOST_LINE.search(body[:_MAX_HEAD])
        else []
    )


def charset_of(parts: list[Part], head: bytes) -> str:
    """The charset that raw octets in a message's header and its files' names are in, as far as can be known.

    That is the one that its texts name, or else what these octets look like.
    """
    named = (part.charset for part in parts if part.content_type.startswith("text/"))
    label = next((label for label in named if charsets.is_of_a_script(label)), "")
    if label:
        return label
    octets = b"\n".join((b"" if charsets.is_plain(head) else head, *(part.undeclared() for part in parts[:50])))
    return "" if charsets.is_plain(octets) else charsets.guess_charset(octets)


def _leaf(head: _Head, window: _Window, context: _PartContext) -> Iterator[Part]:
    """A part, and the files that lie within it: in a text of an old program (uuencode), or in Outlook's winmail.dat."""
    if head.content_type in tnef.TYPES and (packed := tnef.read(transfer.decode(window.octets, head.encoding))):
        yield from _unpacked(packed, context)
        return
    may_hold = head.content_type == "text/plain" and (
        head.encoding in _IDENTITY or transfer.is_uuencoded(head.encoding)
    )
    may_hold = may_hold and window.raw.find(b"begin", window.start, window.end) >= 0
    body = window.octets if may_hold else b""
    files = list(transfer.uu_files(body))
    if not files:
        yield Part(head, window, context)
        return
    edges = [0, *(edge for file in files for edge in (file.start, file.end)), len(body)]
    rest = b"".join(body[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    head.encoding = ""
    yield Part(head, _Window.whole(rest), context)
    for file in files:
        name = file.name.decode("utf-8", "surrogateescape")
        yield Part(_Head.of_file(name), _Window.whole(file.content), _PartContext(context.depth, None, context.parent))


def _unpacked(packed: tnef.Tnef, context: _PartContext) -> Iterator[Part]:
    """What was in a winmail.dat. Its text mostly stands beside it already."""
    for kind, text in (("text/plain", packed.text), ("text/html", packed.html)):
        if text.strip():
            yield Part(_Head.of_text(kind), _Window.whole(text.encode()), context, is_spare=True)
    for file in packed.files:
        head = _Head.of_file(file.name, file.content_type, file.content_id)
        yield Part(head, _Window.whole(file.content), _PartContext(context.depth + 1, None, context.parent))


def _parts_of(head: _Head, body: _Window) -> list[_Window]:
    """A multipart's parts; where its boundary is missing or wrong, by the one that it uses; [] where it has none."""
    if head.encoding == "base64":  # which RFC 2045 section 6.4 forbids, and some do
        body = _Window.whole(transfer.decode_base64(body.octets))
    parts = list(_split_multipart(body, head.boundary)) if head.boundary else []
    if parts:
        return parts
    used = _USED_BOUNDARY.search(body.head(_MAX_HEAD))
    return list(_split_multipart(body, used[1].rstrip())) if used else []


@dataclass(frozen=True)
class Structure:
    """How deep a message's multiparts are nested, and how many parts they have in all."""

    depth: int
    parts: int


def measure(raw: bytes, depth: int, parts: int) -> Structure:
    """Measures a message; looks no further once one of the limits is passed."""
    deepest = count = 0
    todo = [(_Window.whole(raw), 0)]
    while todo and deepest <= depth and count <= parts:
        entity, level = todo.pop()
        deepest = max(deepest, level)
        octets, body = entity.split()
        head = _Head(octets)
        if not head.content_type.startswith("multipart/") or not head.boundary:
            continue
        found = list(itertools.islice(_split_multipart(body, head.boundary, parts + 2), parts + 1))
        count += len(found)
        todo += [(part, level + 1) for part in found]
    return Structure(deepest, count)


def _split_multipart(body: _Window, boundary: bytes, most: int = MAX_PARTS) -> Iterator[_Window]:
    """The parts between delimiter lines (RFC 2046 section 5.1.1); what has no closing delimiter ends with the body."""
    start: int | None = None
    for before, after, closing in delimiters(body.raw, b"--" + boundary, most, body.start, body.end):
        if start is not None:
            yield _Window(body.raw, start, max(start, before))
        start = None if closing else after
        if closing:
            return
    if start is not None:
        yield _Window(body.raw, start, body.end)


def delimiters(
    raw: bytes, delimiter: bytes, most: int = MAX_PARTS, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, int, bool]]:
    """(end of what is before, start of what is after, whether it closes) of each delimiter line, up to `most`.

    Looked for from `start` to `stop`, the end unless given.
    """
    stop = len(raw) if stop is None else stop
    position, count = start, 0
    while count < most and (at := raw.find(delimiter, position, stop)) >= 0:
        position = at + len(delimiter)
        if at > start and raw[at - 1 : at] != b"\n":
            continue
        limit = min(position + 1000, stop)
        end = raw.find(b"\n", position, limit)
        rest = raw[position : end if end >= 0 else limit]
        closing = rest.startswith(b"--")
        if not closing and rest.strip():
            continue  # a longer boundary, of another multipart
        count += 1
        after = end + 1 if end >= 0 else stop
        # The line end before a delimiter belongs to it, not to the part.
        before = at - 2 if at - 2 >= start and raw[at - 2 : at] == b"\r\n" else max(at - 1, start)
        yield before, after, closing


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
