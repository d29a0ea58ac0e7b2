"""What dkimpy does to white space (RFC 6376 section 3.4) in quadratic time, in linear time. To be put in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator

PIECE = 128 * 1024  # octets


def strip_trailing_whitespace(content: bytes) -> bytes:
    """dkimpy's function of that name, in linear time: a match starts only where a run of white space does."""
    return b"".join(re.sub(rb"(?<![\t ])[\t ]+\r\n", b"\r\n", piece) for piece in _pieces(content))


def compress_whitespace(content: bytes) -> bytes:
    """dkimpy's function of that name."""
    return b"".join(re.sub(rb"[\t ]+", b" ", piece) for piece in _pieces(content))


def _pieces(content: bytes) -> Iterator[bytes]:
    """The content cut at line ends: while a pattern works, no other thread does, so none may work for long."""
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin + PIECE) + 1 or len(content)
        yield content[begin:end]
        begin = end
