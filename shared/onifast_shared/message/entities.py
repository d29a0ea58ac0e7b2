"""An entity of MIME, a header and a body (RFC 2045 section 2.4): a part of a message, decoded when asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from onifast_shared.message import charsets, made_names, transfer
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

CHUNK = 512 * 1024
"""Octets of an encoded file that are decoded at a time."""
MAX_HEAD = 1 << 16
"""Octets of a part's header that are looked at."""
IDENTITY = ("", "7bit", "8bit", "binary")
"""The transfer encodings that leave a body as it is (RFC 2045 section 6.2)."""

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}(?![^\s(;,])")
_UNDECLARED = 4096  # octets of a text without charset that help to guess it


@dataclass
class PartContext:
    """Where a part stands: how deep, in which multipart/alternative (the outermost one's number), in what."""

    depth: int = 0
    alternative: int | None = None
    parent: str = ""


@dataclass(frozen=True)
class Window:
    """Some octets of a message, which are not copied before they are wanted."""

    raw: bytes
    start: int
    end: int

    @classmethod
    def whole(cls, raw: bytes) -> Window:
        """All octets of a text."""
        return cls(raw, 0, len(raw))

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def octets(self) -> bytes:
        """A copy of them."""
        return self.raw[self.start : self.end]

    def head(self, length: int) -> bytes:
        """A copy of the first `length` at the most."""
        return self.raw[self.start : min(self.end, self.start + length)]

    def split(self) -> tuple[bytes, Window]:
        """The header section, and the body."""
        begin = self.head(MAX_HEAD)
        # What follows the head has to be there too, to tell whether it ends there.
        head = head_within(begin, len(begin) - 2) if len(begin) < len(self) else None
        if head is None:
            begin = self.octets
            head = split_head(begin)[0]
        return head, Window(self.raw, self.start + body_start(begin, len(head)), self.end)


class Extent(NamedTuple):
    """Where a part's body lies in its message, and how it is encoded there: base64, or "" for as it is."""

    start: int
    end: int
    encoding: str


class Part:
    """A leaf: a part that holds no others, or that is not opened (message/rfc822, or too deep)."""

    def __init__(self, head: PartHead, body: Window, context: PartContext, *, is_spare: bool = False) -> None:
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
        if "data" in vars(self) or self._head.encoding not in (*IDENTITY, "base64"):
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
        if self._head.encoding in IDENTITY:
            return Extent(start, end, "")
        if self._head.encoding != "base64" or self._is_mislabelled:
            return None
        return Extent(start, transfer.footer_at(raw, start, end), "base64")

    @property
    def has_octets(self) -> bool:
        """Whether there is anything in it but white space."""
        return bool(self._window.head(MAX_HEAD).strip())

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


class PartHead:
    """The Content-* fields of a part."""

    def __init__(self, head: bytes, parent: str = "") -> None:
        self._values: dict[str, bytes] = {}
        for name, value in fields(head[:MAX_HEAD]):
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
    def of_file(cls, name: str, content_type: str = "", content_id: str = "") -> PartHead:
        """That of a file that lay within a text, or was packed with others."""
        made = cls(b"Content-Disposition: attachment\r\n")
        made.content_type = content_type if _TYPE.fullmatch(content_type) else "application/octet-stream"
        made.content_id = UNSAFE.sub("", content_id)[:995]
        made._disposition_parameters["filename"] = name
        return made

    @classmethod
    def of_text(cls, content_type: str) -> PartHead:
        """That of a text in UTF-8 that was packed with files."""
        return cls(f"Content-Type: {content_type}; charset=utf-8\r\n".encode())

    def as_text(self) -> PartHead:
        """The same, of what turned out to be no multipart."""
        self.content_type = "text/plain"
        return self

    @property
    def boundary(self) -> bytes:
        """What separates the parts of a multipart; empty for none."""
        # A boundary does not end with white space (RFC 2046 section 5.1.1), whatever was written.
        return self.parameters.get("boundary", "").rstrip().encode("utf-8", "surrogateescape")

    @property
    def raw_filename(self) -> str:
        """As it is written, octets outside of UTF-8 as lone surrogates: which charset they are in is known later."""
        return self._disposition_parameters.get("filename") or self.parameters.get("name") or ""

    @property
    def content_location(self) -> str:
        """The URL that the part stands for (RFC 2557), or ""."""
        return UNSAFE.sub("", "".join(self._value("content-location").split()))[:2000]

    def _value(self, name: str) -> str:
        return unfold_octets(self._values.get(name, b""))


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
