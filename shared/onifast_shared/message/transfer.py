"""Transfer encodings undone (RFC 2045 section 6), as broken as the world sends them; nothing here raises."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*+")
_COMMENT = re.compile(r"\([^()]*+\)")
_NOT_BASE64 = bytes(
    octet for octet in range(256) if not (chr(octet).isascii() and chr(octet).isalnum()) and octet not in b"+/"
)
_BASE64 = bytes(octet for octet in range(256) if octet not in _NOT_BASE64) + b"="
_AFTER_PADDING = re.compile(rb"=[ \t]++[^\r\n]*+")
_BASE64_RUN = re.compile(rb"[^=]++")
_RULE = re.compile(rb"[-_=*~#]{2}")
_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_UU_BEGIN = re.compile(rb"(?<![^\n])begin[ \t]++[0-7]{3,4}[ \t]++([^\r\n]{1,500}+)\r?\n")
_UU_END = re.compile(rb"(?<![^\n])end[ \t]*(?:\r?\n|\Z)")
_UU_NAMES = frozenset(("x-uuencode", "uuencode", "x-uue", "uue", "x-uu"))
_MOST_FILES = 100  # in one text
_FOOTER_WITHIN = 1 << 16  # octets at the end of an encoded body in which a list's footer begins


@dataclass(frozen=True)
class UuFile:
    """A file within a text: its name in the octets of the text, its content, and where it stands."""

    name: bytes
    content: bytes
    start: int
    end: int


def encoding_of(value: str) -> str:
    """The name of a Content-Transfer-Encoding in lower case, without what people put around it."""
    found = _TOKEN.search(_COMMENT.sub(" ", value[:200]))
    return found[0].lower() if found else ""


def decode(body: bytes, encoding: str) -> bytes:
    """A body without its transfer encoding, as `encoding_of` names it."""
    if encoding == "base64":
        return decode_base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_SOFT_BREAK.sub(b"=", body))
    if is_uuencoded(encoding):
        return next((found.content for found in uu_files(body)), body)
    return body


def is_uuencoded(encoding: str) -> bool:
    """Whether the encoding is one of the names of uuencode."""
    return encoding in _UU_NAMES


def decode_base64(data: bytes) -> bytes:
    """What base64 text decodes to, whatever else stands in it, is missing at its end, or goes on after its padding."""
    letters = _AFTER_PADDING.sub(b"=", data).translate(None, _NOT_BASE64.replace(b"=", b""))
    if b"=" not in letters.rstrip(b"="):
        return _decode_run(letters.rstrip(b"="))
    return b"".join(_decode_run(run[0]) for run in _BASE64_RUN.finditer(letters))


def is_base64(body: bytes) -> bool:
    """Whether a body can be what it says: its first line with anything in it is nearly all of base64's letters."""
    first = _AFTER_PADDING.sub(b"=", body[:1000].lstrip().partition(b"\n")[0]).strip()
    return b" " not in first and len(first.translate(None, _BASE64)) * 5 <= len(first)


def base64_chunks(raw: bytes, start: int, end: int, size: int) -> Iterator[bytes]:
    """What `decode_base64` makes of the octets from `start` to `end`, piece by piece of some `size` octets of them."""
    return base64_stream(raw[at : min(at + size, end)] for at in range(start, end, size))


def base64_stream(octets: Iterable[bytes]) -> Iterator[bytes]:
    """What `decode_base64` makes of octets that come piece by piece."""
    letters, line = b"", list[bytes]()
    for piece in octets:
        # Between lines nothing has to be looked at together, but for letters that are left.
        cut = piece.rfind(b"\n") + 1
        if cut:
            letters, decoded = _decoded_lines(letters, b"".join([*line, piece[:cut]]))
            line.clear()
            yield from decoded
        line.append(piece[cut:])
    letters, decoded = _decoded_lines(letters, b"".join(line))
    yield from decoded
    if letters:
        yield _decode_run(letters)


def _decoded_lines(left: bytes, lines: bytes) -> tuple[bytes, list[bytes]]:
    """The letters that are left for the next lines, and what these lines give with those that were left before."""
    found = list[bytes]()
    letters = left + _AFTER_PADDING.sub(b"=", lines).translate(None, _NOT_BASE64.replace(b"=", b""))
    *runs, last = letters.split(b"=")
    found += [_decode_run(run) for run in runs if run]
    whole = len(last) - len(last) % 4
    if whole:
        found.append(binascii.a2b_base64(last[:whole]))
    return last[whole:], found


def footer_at(raw: bytes, begin: int, end: int) -> int:
    """Where the plain text begins that a mailing list has put behind the base64 body that lies there; else its end."""
    start = max(raw.rfind(b"\n", begin, max(end - _FOOTER_WITHIN, begin)) + 1, begin)
    position, seen = start, start > begin
    for line in raw[start:end].splitlines(keepends=True):
        if seen and _is_prose(line.strip()):
            return position
        seen = seen or bool(line.strip())
        position += len(line)
    return end


def _is_prose(line: bytes) -> bool:
    """Whether a line is a rule, or has words and a sign that base64 does not know."""
    return _RULE.match(line) is not None or (b" " in line and line.translate(None, _BASE64 + b" ") != b"")


def uu_files(text: bytes) -> Iterator[UuFile]:
    """The files that stand in a text between `begin 644 name` and `end`, where they are sound."""
    position = 0
    for _ in range(_MOST_FILES):
        begin = _UU_BEGIN.search(text, position)
        end = _UU_END.search(text, begin.end()) if begin else None
        if begin is None or end is None:
            return
        content = _uu_content(text[begin.end() : end.start()])
        if content is not None:
            yield UuFile(begin[1].strip(), content, begin.start(), end.end())
        position = end.end() if content is not None else begin.end()


def _uu_content(lines: bytes) -> bytes | None:
    """What the lines decode to; None where one of the first is none of uuencode's, as in a text that tells of it."""
    pieces: list[bytes] = []
    for line in lines.splitlines():
        try:
            pieces.append(binascii.a2b_uu(line.rstrip(b"\r\n")))
        except binascii.Error:
            # Some encoders count wrongly at the end of a line (Python's documentation has the workaround).
            octets = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
            try:
                pieces.append(binascii.a2b_uu(line[:octets]))
            except binascii.Error:
                return None
    return b"".join(pieces)


def _decode_run(letters: bytes) -> bytes:
    letters = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
