"""White space as RFC 6376 section 3.4 has it, in linear time: dkimpy takes quadratic time, and VT and FF for it too.

So are fields chosen from a header (section 5.4.2).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import dkim
from dkim import canonicalization

PIECE = 128 * 1024  # octets

_TRAILING = re.compile(rb"(?<![\t ])[\t ]+\r\n")
_SPACED_NAME = re.compile(rb"\n([!-9;-~]++)[ \t]++:")  # a line end is found faster than a place behind one
_RUN = re.compile(rb"[\t ]{2,}|\t")  # a single space stays what it is
# Of white space with line ends in it; no signer writes so much, and dkimpy's patterns try each place in it with all.
_LONG_BLANK = re.compile(rb"(?<![\t \n])(?:[\t ]|\r?\n(?=[\t ])){100,}")


def put_in_place() -> None:
    """Has dkimpy work with what stands here. A program calls it once, at its start, before it has dkimpy do anything.

    dkimpy finds its functions by their names in its module, so no subclass can bring others.
    """
    canonicalization.strip_trailing_whitespace = strip_trailing_whitespace
    canonicalization.compress_whitespace = compress_whitespace
    canonicalization.Relaxed.canonicalize_headers = staticmethod(canonicalize_headers)
    dkim.select_headers = select_headers


def close_names(head: bytes) -> bytes:
    """A header section without white space between names and their colons (RFC 5322 section 4.5).

    The relaxed form has none (RFC 6376 section 3.4.2); dkimpy cannot read it, and does not see a `From :` at all.
    """
    return _SPACED_NAME.sub(rb"\n\1:", b"\n" + head)[1:]


def shorten_blanks(head: bytes) -> bytes:
    """A header section without very long white space inside its fields; in the relaxed form it is the same."""
    return _LONG_BLANK.sub(b" ", head)


def select_headers(headers: Iterable[Sequence[bytes]], include_headers: Iterable[bytes]) -> list[Sequence[bytes]]:
    """dkimpy's function of that name: for each name in lower case the last field that was not taken before."""
    left: dict[bytes, list[Sequence[bytes]]] = defaultdict(list)
    for field in headers:
        left[field[0].lower()].append(field)
    return [left[name].pop() for name in include_headers if left[name]]


def canonicalize_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """dkimpy's function of that name, for the relaxed form."""
    return [(name.lower(), _relaxed(value) + b"\r\n") for name, value in headers]


def _relaxed(value: bytes) -> bytes:
    return compress_whitespace(value.replace(b"\r\n", b"").replace(b"\n", b"")).strip(b" \t")


def strip_trailing_whitespace(content: bytes) -> bytes:
    """dkimpy's function of that name, in linear time: a match starts only where a run of white space does."""
    if len(content) <= PIECE:
        return _strip(content)
    return b"".join(_strip(piece) for piece in _pieces(content))


def _strip(piece: bytes) -> bytes:
    # Most messages have none of it, which a search for octets tells in a twentieth of a pattern's time.
    if b" \r\n" not in piece and b"\t\r\n" not in piece:
        return piece
    return _TRAILING.sub(b"\r\n", piece)


def compress_whitespace(content: bytes) -> bytes:
    """dkimpy's function of that name."""
    if len(content) <= PIECE:
        return _compress(content)
    return b"".join(_compress(piece) for piece in _pieces(content))


def _compress(piece: bytes) -> bytes:
    if b"  " not in piece and b"\t" not in piece:
        return piece
    return _RUN.sub(b" ", piece)


def _pieces(content: bytes) -> Iterator[bytes]:
    """The content cut at line ends: while a pattern works, no other thread does, so none may work for long."""
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin + PIECE) + 1 or len(content)
        yield content[begin:end]
        begin = end
