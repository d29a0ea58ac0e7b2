"""The MIME structure of a message (RFC 2045, RFC 2046): its leaves, found by one bounded walk, decoded when asked."""

from __future__ import annotations

import binascii
import itertools
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from onifast_shared.message.headers import decode_base64, decode_text, decode_words, fields, split_head, unfold

MAX_DEPTH = 50
MAX_PARTS = 1000
_MAX_HEAD = 1 << 16  # octets of a part's header that are looked at
_PLAIN_PARAMETER = 60  # characters of a value that is written as it is
_MAX_FILENAME = 150  # characters, so that with UTF-8 and a prefix it still fits into a file system's 255 octets

_SEGMENT = re.compile(r'(?:[^;"\\]++|"(?:[^"\\]++|\\.)*"?+|\\)+', re.DOTALL)  # not possessive: see headers._HEAD_LINES
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
_CONTINUED = re.compile(r"([^*]+)\*([0-9]{1,3})(\*?)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_EXTENSIONS = {
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/zip": "zip",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "message/delivery-status": "txt",
    "message/disposition-notification": "txt",
    "message/rfc822": "eml",
    "message/global": "eml",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/rfc822-headers": "txt",
    "text/vcard": "vcf",
}


@dataclass
class _PartContext:
    """Where a part stands: how deep, in which multipart/alternative (the outermost one's number), in what."""

    depth: int = 0
    alternative: int | None = None
    parent: str = ""


class Part:
    """A leaf: a part that holds no others, or that is not opened (message/rfc822, or too deep)."""

    def __init__(self, head: bytes, body: bytes, context: _PartContext) -> None:
        self._head = _Head(head, context.parent)
        self._body = body
        self.alternative = context.alternative
        self._parent = context.parent
        self.content_type = self._head.content_type

    @cached_property
    def data(self) -> bytes:
        """The body without its transfer encoding (RFC 2045 section 6); never raises."""
        return _decode(self._body, self._head.encoding)

    @property
    def text(self) -> str:
        """The body as text with "\\n" for line ends."""
        return _newlines(decode_text(self.data, self._head.parameters.get("charset", "")))

    def text_head(self, length: int) -> str:
        """Some beginning of `text`: no more than comes from `length` octets of the encoded body."""
        data = _decode(self._body[:length], self._head.encoding)
        return _newlines(decode_text(data, self._head.parameters.get("charset", "")))

    @cached_property
    def is_body(self) -> bool:
        """Whether it is text of the message itself rather than something attached."""
        if self.content_type not in ("text/plain", "text/html"):
            return False
        return self._head.disposition != "attachment" and not self._head.filename

    @property
    def is_inline(self) -> bool:
        """Whether the HTML shows it by its Content-ID (RFC 2392)."""
        return bool(self.content_id) and (self._parent == "multipart/related" or self._is_inline_image)

    @property
    def _is_inline_image(self) -> bool:
        return self._head.disposition == "inline" and self.content_type.startswith("image/")

    @property
    def content_id(self) -> str:
        """Without its angle brackets, or ""."""
        return self._head.content_id

    def filename_or(self, index: int) -> str:
        """Its file name, safe to be one, or a name made from its number and type."""
        return self._head.filename or f"attachment-{index + 1}.{_EXTENSIONS.get(self.content_type, 'bin')}"


class _Head:
    """The Content-* fields of a part."""

    def __init__(self, head: bytes, parent: str) -> None:
        self._values: dict[str, bytes] = {}
        for name, value in fields(head[:_MAX_HEAD]):
            self._values.setdefault(name.lower(), value)
        content_type, self.parameters = parse_parameters(self._value("content-type"))
        default = "message/rfc822" if parent == "multipart/digest" else "text/plain"  # RFC 2046 section 5.1.5
        self.content_type = content_type.lower() if _TYPE.fullmatch(content_type.lower()) else default
        disposition, self._disposition_parameters = parse_parameters(self._value("content-disposition"))
        self.disposition = disposition.lower()
        self.encoding = self._value("content-transfer-encoding").lower()
        self.content_id = _UNSAFE.sub("", self._value("content-id").strip("<> "))[:995]

    @cached_property
    def filename(self) -> str:
        name = self._disposition_parameters.get("filename") or self.parameters.get("name") or ""
        return clean_filename(decode_words(name))

    def _value(self, name: str) -> str:
        return unfold(self._values.get(name, b""))


def leaves(raw: bytes) -> list[Part]:
    """The leaves of a message in order; of a hostile one only so many, and down to MAX_DEPTH."""
    found: list[Part] = []
    groups = itertools.count()
    # A stack instead of recursion: depth is the sender's choice.
    todo = [(raw, _PartContext())]
    for _ in range(2 * MAX_PARTS):
        if not todo:
            break
        entity, context = todo.pop()
        head, body = split_head(entity)
        described = _Head(head, context.parent)
        boundary = described.parameters.get("boundary", "")
        if not described.content_type.startswith("multipart/") or not boundary or context.depth == MAX_DEPTH:
            found.append(Part(head, body, context))
            continue
        inside = _PartContext(context.depth + 1, context.alternative, described.content_type)
        if described.content_type == "multipart/alternative" and context.alternative is None:
            inside.alternative = next(groups)
        parts = list(_split_multipart(body, boundary.encode("utf-8", "replace")))
        todo += [(part, inside) for part in reversed(parts)]
    return found


@dataclass(frozen=True)
class Structure:
    """How deep a message's multiparts are nested, and how many parts they have in all."""

    depth: int
    parts: int


def measure(raw: bytes, depth: int, parts: int) -> Structure:
    """Measures a message; looks no further once one of the limits is passed."""
    deepest = count = 0
    todo = [(raw, 0)]
    while todo and deepest <= depth and count <= parts:
        entity, level = todo.pop()
        deepest = max(deepest, level)
        head, body = split_head(entity)
        described = _Head(head, "")
        boundary = described.parameters.get("boundary", "")
        if not described.content_type.startswith("multipart/") or not boundary:
            continue
        found = list(
            itertools.islice(_split_multipart(body, boundary.encode("utf-8", "replace"), parts + 2), parts + 1)
        )
        count += len(found)
        todo += [(part, level + 1) for part in found]
    return Structure(deepest, count)


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """The first word of a structured value and its parameters, lower-case names, RFC 2231 undone; never raises."""
    segments = _SEGMENT.findall(value)
    if not segments:
        return "", {}
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for segment in segments[1:200]:
        name, equals, text = segment.partition("=")
        name, text = name.strip().lower(), unquote(text.strip())
        if not equals:
            continue
        if match := _CONTINUED.fullmatch(name):
            pieces.setdefault(match[1], {}).setdefault(int(match[2]), (bool(match[3]), text))
        elif name.endswith("*"):
            pieces.setdefault(name[:-1], {}).setdefault(0, (True, text))
        else:
            plain.setdefault(name, text)
    # The extended form wins over a plain one for old readers (RFC 6266 section 4.3 has it in words).
    return segments[0].strip(), plain | {name: _join(parts) for name, parts in pieces.items()}


def write_parameter(name: str, value: str) -> str:
    """`name=value` by RFC 2183, or by RFC 2231 in pieces where the value is long or not ASCII.

    A boundary stays in one piece whatever it is: many programs look for no other.
    """
    if value.isascii() and value.isprintable() and (len(value) <= _PLAIN_PARAMETER or name == "boundary"):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    encoded = "".join(_percent(octet) for octet in value.encode("utf-8", "replace"))
    pieces = re.findall(r"(?:%..|[^%]){1,20}", f"utf-8''{encoded}")
    if len(pieces) == 1:
        return f"{name}*={pieces[0]}"
    return "; ".join(f"{name}*{number}*={piece}" for number, piece in enumerate(pieces))


def unquote(text: str) -> str:
    """A quoted string without its quotes (RFC 5322 section 3.2.4), closed or not; any other text as it is."""
    if not text.startswith('"'):
        return text
    closed = len(text) > 1 and text.endswith('"')
    return re.sub(r"\\(.)", r"\1", text[1:-1] if closed else text[1:], flags=re.DOTALL)


def clean_filename(name: str) -> str:
    """A file name without path, control or direction characters, of bounded length; "" if nothing is left."""
    base = re.split(r"[/\\]", _UNSAFE.sub("", name))[-1].strip().lstrip(".").strip()
    if len(base) <= _MAX_FILENAME:
        return base
    stem, dot, extension = base.rpartition(".")
    if not dot or len(extension) > 10:
        return base[:_MAX_FILENAME]
    return f"{stem[: _MAX_FILENAME - len(extension) - 1]}.{extension}"


def _split_multipart(body: bytes, boundary: bytes, most: int = MAX_PARTS) -> Iterator[bytes]:
    """The parts between delimiter lines (RFC 2046 section 5.1.1); what has no closing delimiter ends with the body."""
    start: int | None = None
    for before, after, closing in delimiters(body, b"--" + boundary, most):
        if start is not None:
            yield body[start:before]
        start = None if closing else after
        if closing:
            return
    if start is not None:
        yield body[start:]


def delimiters(body: bytes, delimiter: bytes, most: int = MAX_PARTS) -> Iterator[tuple[int, int, bool]]:
    """(end of what is before, start of what is after, whether it closes) of each delimiter line, up to `most`."""
    position, count = 0, 0
    while count < most and (at := body.find(delimiter, position)) >= 0:
        position = at + len(delimiter)
        if at and body[at - 1 : at] != b"\n":
            continue
        end = body.find(b"\n", position, position + 1000)
        rest = body[position : end if end >= 0 else position + 1000]
        closing = rest.startswith(b"--")
        if not closing and rest.strip():
            continue  # a longer boundary, of another multipart
        count += 1
        after = end + 1 if end >= 0 else len(body)
        # The line end before a delimiter belongs to it, not to the part.
        before = at - 2 if body[at - 2 : at] == b"\r\n" else max(at - 1, 0)
        yield before, after, closing


def _decode(body: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return decode_base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    return body


def _percent(octet: int) -> str:
    character = chr(octet)
    return character if character.isascii() and (character.isalnum() or character in "-._~") else f"%{octet:02X}"


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _join(pieces: dict[int, tuple[bool, str]]) -> str:
    """A parameter from its continuations (RFC 2231 sections 3 and 4)."""
    charset, octets = "utf-8", b""
    for number, (encoded, text) in sorted(pieces.items()):
        if not encoded:
            octets += text.encode("utf-8", "replace")
            continue
        if number == 0 and text.count("'") >= 2:
            charset = text.partition("'")[0]
        octets += urllib.parse.unquote_to_bytes(text.split("'", 2)[-1] if number == 0 else text)
    return decode_text(octets, charset)
