"""A message's header section as bytes: splitting, decoding (RFC 2047), folding, adding and removing fields."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from onifast_shared.message.charsets import decode
from onifast_shared.message.transfer import decode_base64

_FOLDABLE = r"[ \t]*[^ \t]+"  # a word with the white space before it, where a line can be broken
LINE_LIMIT = 998  # octets without CRLF (RFC 5322 section 2.1.1)
FOLD_AT = 78
_LOOK = 256 * 1024  # octets looked at in one piece, as each is copied for it

# Possessive quantifiers: a hostile header costs one pass, since nothing is ever tried twice.
# No group is possessive here: Python 3.11.2, which is Debian 12's, counts what a failed last round of one has consumed.
# So many lines at a time: the pattern keeps a note of each, and 50 MiB of short ones would take gigabytes.
_HEAD_LINE = rb"[!-9;-~]++[ \t]*+:|[ \t]"
_HEAD_LINES = re.compile(
    rb"(?:(?:(?:%b)[^\n]*+|>*+From [^\n]*+(?=\n(?:%b|>*+From |\r?\n|\Z)|\Z))(?:\n|\Z)){0,1000}"
    % (_HEAD_LINE, _HEAD_LINE)
)
# A field begins a line. Looked for anywhere, a name would be tried from each of its octets, if no colon follows it.
FIELD = re.compile(rb"(?<![^\n])([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)(?:\n|\Z)")
"""A field in a header section: its name, and its value with its folds."""
# A mailbox file's line before a message; what took it from there, or quoted it, left it in the header. It is none
# where text follows: a message without a header, or without the empty line after it, may begin with that word.
_MBOX_LINE = re.compile(rb"(?<![^\n])>*+From (?![ \t]*:)[^\n]*+(?:\n[ \t][^\n]*+)*(?:\n|\Z)")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
# A word may hold bare question marks, as many programs write them, but not the beginning of another word.
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,75})\?([bBqQ])\?([^?=\r\n]*+(?:(?:=(?!\?(?!=))|\?(?!=))[^?=\r\n]*+)*)\?=")
_WORD_BYTES = 45  # octets in one encoded word: 60 characters of base64 and the frame make no more than 75


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """The header section with its last line end, and the body without the empty line that divides them.

    A line that can be no header field ends the header section too; it then belongs to the body, as does a first line
    that begins with white space, since it goes on with nothing. A mailbox file's `From ann@example.org Mon Jan 1 …`
    does not.
    """
    end = _head_end(raw)
    return raw[:end], raw[body_start(raw, end) :]


def head_within(raw: bytes, limit: int) -> bytes | None:
    """The header section as `split_head` gives it; None where it is longer than `limit`, without reading all of it."""
    begin = raw[: limit + 1]
    end = _head_end(begin)
    # A line that was cut short may yet become a field; one that is there whole is none, nor is an empty one.
    is_whole = len(begin) == len(raw) or begin.find(b"\n", end) >= 0
    return begin[:end] if is_whole and end <= limit else None


def without_mbox_lines(raw: bytes, head: bytes) -> tuple[bytes, bytes]:
    """A message and its header section, as `split_head` gives it, without the lines of a mailbox file in it."""
    if b"From " not in head or not _MBOX_LINE.search(head):
        return raw, head
    clean = _MBOX_LINE.sub(b"", head)
    return clean + raw[len(head) :], clean


def may_have(head: bytes, names: Iterable[bytes]) -> bool:
    """Whether any line of a header begins with one of these names, in lower case: without them no field has them."""
    lines = b"\n" + head.lower()
    return any(b"\n" + name in lines for name in names)


def body_start(raw: bytes, head_size: int) -> int:
    """Where the body begins in a message whose header section, as `split_head` gives it, has so many octets."""
    if raw.startswith(b"\r\n", head_size):
        return head_size + 2
    return head_size + 1 if raw.startswith(b"\n", head_size) else head_size


def fields(head: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, value) of each field in order, the value as it stands, with its folds but without the last line end."""
    for match in FIELD.finditer(head):
        yield match[1].decode("ascii"), match[2].rstrip(b"\r")


def values_of(head: bytes, name: str) -> list[bytes]:
    """The values of the fields of one name, as `fields` gives them, in a fraction of the time that it takes."""
    lines, wanted = b"\n" + head.lower(), b"\n" + name.lower().encode("ascii")
    found: list[bytes] = []
    place = lines.find(wanted)
    while place >= 0:
        field = FIELD.match(head, place)
        if field and len(field[1]) == len(name):
            found.append(field[2].rstrip(b"\r"))
        place = lines.find(wanted, place + 1)
    return found


def unfold(value: bytes, charset: str = "") -> str:
    """A field's value in one line (RFC 5322 section 2.2.3): UTF-8, or else in the charset, or in Windows-1252.

    Without a charset ASCII stays what it is, escapes of ISO-2022-JP too: what decides by a field (whether it names us,
    whose domain it has) must not overlook what other programs read in it. A charset is for people's eyes.
    """
    if value.isascii() and not charset:
        text = value.decode("ascii")
    else:
        text = decode(value, fallback=charset or "windows-1252")
    return text.replace("\r", "").replace("\n", "").strip(" \t")


def unfold_octets(value: bytes) -> str:
    """A field's value in one line as UTF-8, other octets as lone surrogates: `settle` decodes each piece of it."""
    return value.decode("utf-8", "surrogateescape").replace("\r", "").replace("\n", "").strip(" \t")


def settle(piece: str, charset: str = "") -> str:
    """A piece of a value, as `unfold_octets` gives it, decoded as `unfold` decodes a whole one."""
    if piece.isascii() and "\x1b" not in piece:
        return piece
    return decode(piece.encode("utf-8", "surrogateescape"), fallback=charset or "windows-1252")


def decode_words(text: str) -> str:
    """Text with its encoded words (RFC 2047) decoded; what cannot be decoded stays as it is.

    Neighbours of one charset are joined before they are decoded, since many programs cut within a character.
    """
    if "=?" not in text:
        return text
    pieces: list[str] = []
    pending: list[bytes] = []
    charset, position = "", 0
    for match in _ENCODED_WORD.finditer(text):
        between = text[position : match.start()]
        position = match.end()
        adjacent = bool(pending) and not between.strip()
        this = match[1].partition("*")[0]  # RFC 2231 section 5 puts a language after an asterisk
        if not (adjacent and this == charset):
            pieces.append(decode(b"".join(pending), charset))
            pending = []
        if not adjacent:
            pieces.append(between)
        charset = this
        pending.append(_word_bytes(match[2], match[3]))
    pieces += (decode(b"".join(pending), charset), text[position:])
    return "".join(pieces)


def encode_words(text: str) -> list[str]:
    """Text as encoded words (RFC 2047), each of at most 75 characters and of whole characters."""
    words, chunk = [], b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += octets
    return [f"=?utf-8?b?{base64.b64encode(word).decode('ascii')}?=" for word in (*words, chunk)]


def encode_text(text: str) -> str:
    """Unstructured text for a header: as it is if that is safe, else encoded words."""
    plain = text.isascii() and "=?" not in text and text == text.strip()
    if plain and all(len(word) < LINE_LIMIT // 2 for word in re.findall(_FOLDABLE, text)):
        return text
    return " ".join(encode_words(text))


def fold(name: str, value: str) -> bytes:
    """A whole field with CRLF, folded at spaces where a line would pass 78 octets (RFC 5322 section 2.2.3).

    Raises ValueError if the name is no field name, if the value holds a line end or NUL, or if a word cannot fit into
    998 octets. Non-ASCII text goes out as UTF-8 (RFC 6532); encode it first (`encode_text`) where that is not meant.
    """
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError("not a header field name")
    if any(character in value for character in "\r\n\0"):
        raise ValueError(f"line end in header field {name}")
    lines = [f"{name}:"]
    for word in re.findall(_FOLDABLE, " " + value.strip(" \t")):
        # Nothing but white space may not make a line of its own, so the first word stays with the name.
        if len(lines[-1].encode()) + len(word.encode()) > FOLD_AT and lines != [f"{name}:"]:
            lines.append(word)
        else:
            lines[-1] += word
    if any(len(line.encode()) > LINE_LIMIT for line in lines):
        raise ValueError(f"a word in header field {name} is too long for a line")
    return ("\r\n".join(lines) + "\r\n").encode()


def prepend(raw: bytes, headers: bytes) -> bytes:
    """The message with whole fields, as `fold` makes them, put on top.

    A message that begins with white space has no header section: what it says must not go on with ours.
    Raises ValueError for fields whose last line does not end.
    """
    if headers and not headers.endswith(b"\r\n"):
        raise ValueError("headers do not end with CRLF")
    return headers + (b"\r\n" if raw.startswith((b" ", b"\t")) else b"") + raw


def remove_headers(raw: bytes, predicate: Callable[[str, str], bool], names: Collection[bytes] | None = None) -> bytes:
    """The message without the fields for which predicate(lower-case name, unfolded value) is true.

    All other bytes stay as they are. Where `names` are given, in lower case, the predicate is asked of those alone, and
    a header that has none of them costs next to nothing.
    """
    end = _head_end(raw)
    if names is not None and not may_have(raw[:end], names):
        return raw
    kept, position = [], 0
    for match in FIELD.finditer(raw, 0, end):
        name = match[1].lower()
        if (names is None or name in names) and predicate(name.decode("ascii"), unfold(match[2])):
            kept.append(raw[position : match.start()])
            position = match.end()
    if not kept:
        return raw
    return b"".join((*kept, raw[position:]))


def replace_fields(head: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The header section with each field, whole and with its line end, that `change` makes of name and value.

    It gets them as `fields` gives them; where it gives None, the field stays as it is.
    """
    pieces: list[bytes] = []
    position = 0
    for match in FIELD.finditer(head):
        new = change(match[1].decode("ascii"), match[2].rstrip(b"\r"))
        if new is not None:
            pieces += (head[position : match.start()], new)
            position = match.end()
    return b"".join((*pieces, head[position:])) if pieces else head


def has_long_line(octets: bytes, limit: int = LINE_LIMIT) -> bool:
    """Whether a line has more than `limit` octets, its line end not counted.

    It jumps from line end to line end, so that most of the octets are not looked at.
    """
    position, size = 0, len(octets)
    while size - position > limit:
        end = octets.rfind(b"\n", position, position + limit + 2)
        if end < 0:
            return True
        position = end + 1
    return False


class Survey(NamedTuple):
    """What one look at all octets of a message tells.

    `has_bare_line_ends`: there is a CR without LF or an LF without CR. `is_ascii`: no octet has its highest bit set.
    """

    has_bare_line_ends: bool
    is_ascii: bool


def survey(octets: bytes) -> Survey:
    """Looks at all octets once.

    The decoder of universal newlines notes which line ends it meets, in a quarter of the time that counting takes; and
    the text that it is given knows whether it is ASCII.
    """
    seen, is_ascii = io.IncrementalNewlineDecoder(None, translate=False), True
    view = memoryview(octets)
    for start in range(0, len(view), _LOOK):
        text = str(view[start : start + _LOOK], "latin-1")
        is_ascii = is_ascii and text.isascii()
        seen.decode(text)
    seen.decode("", final=True)
    return Survey(seen.newlines not in (None, "\r\n"), is_ascii)


def has_bare_line_ends(octets: bytes) -> bool:
    """Whether there is a CR without LF or an LF without CR."""
    return survey(octets).has_bare_line_ends


def normalise_newlines(raw: bytes) -> bytes:
    """The message with every line end CRLF: bare CR and bare LF become it (RFC 5321 section 2.3.8)."""
    if not has_bare_line_ends(raw):
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _head_end(raw: bytes) -> int:
    if raw.startswith((b" ", b"\t")):
        return 0
    end = 0
    while (match := _HEAD_LINES.match(raw, end)) and match.end() > end:
        end = match.end()
    return end


def _word_bytes(encoding: str, payload: str) -> bytes:
    octets = payload.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(octets)
    return binascii.a2b_qp(octets, header=True)
