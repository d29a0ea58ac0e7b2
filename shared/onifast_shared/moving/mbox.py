"""mbox files in all their variants (RFC 4155): mboxo, mboxrd, mboxcl and mboxcl2, with either line end.

A line `From …` begins a message where it has the form of one, and stands after an empty line or before a header. One
`>` is taken from quoted lines (mboxrd). A Content-Length is believed where it leads to the next message or the end; in
a file whose bodies have bare `From ` lines (mboxcl2) nothing is quoted.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from onifast_shared.moving.found import Bounds, Finds, Found, PassedOver, SourceError, SourceMessage

_LONGEST_LINE = 1024 * 1024
_LARGEST_HEADER = 1024 * 1024
_DATED = re.compile(rb"From \S.*\b\d{1,2}:\d\d(:\d\d)?\b.*\b\d{4}\b|From .*\b\d{4}\b.*\b\d{1,2}:\d\d(:\d\d)?\b")
_PLAIN = re.compile(rb"From \S+\s*$")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_QUOTED = re.compile(rb"(?m)^>(>*From )")
_LENGTH = re.compile(rb"(?mi)^content-length:[ \t]*(\d{1,12})[ \t]*\r?$")
_MOST_WRONG = 20  # counts; each costs a look ahead
_AFTER = 64  # octets behind a body that tell whether it ends there


def read(stream: BinaryIO, bounds: Bounds, *, place: str = "", start: int = 0) -> Finds:
    """The messages of an mbox from the octet `start` on, where one begins; their positions are such octets.

    Raises SourceError for what is no mbox.
    """
    lines = _Lines(stream, start)
    if not start:
        lines.skip_mark()
    first = lines.next()
    while first and not first.strip():
        first = lines.next()
    if not first:
        return
    if not first.startswith(b"From "):
        raise SourceError("This is no mbox file: it does not begin with a “From ” line.")
    reader = _MboxReader(lines, bounds, place)
    separator: bytes | None = first
    while separator is not None:
        found, separator = reader.message(separator)
        yield found


class _Lines:
    """The lines of a stream, with a look ahead, and how far they have come. An endless line comes in pieces."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream = stream
        self._ahead = b""
        self._used = 0  # of what was read ahead
        self.offset = start
        if start:
            stream.seek(start)

    def skip_mark(self) -> None:
        """Passes over a byte order mark."""
        if self.peek(3) == b"\xef\xbb\xbf":
            self.take(3)

    def peek(self, size: int) -> bytes:
        """The next octets, fewer at the end."""
        while len(self._ahead) - self._used < size and self._more(size):
            pass
        return self._ahead[self._used : self._used + size]

    def take(self, size: int) -> bytes:
        """The next octets, and goes on behind them."""
        taken = self.peek(size)
        self._used += len(taken)
        self.offset += len(taken)
        return taken

    def next(self) -> bytes:
        """The next line with its end; b"" at the end."""
        line = self.peek_line()
        self._used += len(line)
        self.offset += len(line)
        return line

    def peek_line(self) -> bytes:
        """The line after that."""
        end = self._ahead.find(b"\n", self._used, self._used + _LONGEST_LINE)
        while end < 0 and len(self._ahead) - self._used < _LONGEST_LINE:
            looked_at = len(self._ahead) - self._used
            if not self._more(65536):
                break
            end = self._ahead.find(b"\n", self._used + looked_at)
        return self._ahead[self._used : end + 1 if end >= 0 else self._used + _LONGEST_LINE]

    def _more(self, size: int) -> bool:
        """Reads on; what is used is let go then, so that nothing is copied for each line."""
        more = self._stream.read(max(65536, size - (len(self._ahead) - self._used)))
        self._ahead = self._ahead[self._used :] + more
        self._used = 0
        return bool(more)


class _MboxReader:
    def __init__(self, lines: _Lines, bounds: Bounds, place: str) -> None:
        self._lines = lines
        self._bounds = bounds
        self._place = place
        self._is_bare = False  # mboxcl2: nothing is quoted
        self._wrong = 0

    def message(self, separator: bytes) -> tuple[Found, bytes | None]:
        """The message that a line begins, and the line that begins the next one."""
        begun = self._lines.offset - len(separator)
        head, ended = self._head()
        body, following, size = (b"", ended, 0) if ended is not None else self._body(head)
        name = f"message at octet {begun:,}"
        at = self._lines.offset - len(following or b"")
        if body is None or len(head) + len(body) > self._bounds.message or len(head) > _LARGEST_HEADER:
            why = f"it has {len(head) + size:,} octets, and {self._bounds.message:,} are the most"
            return PassedOver(name, why, str(at), at), following
        if not head.strip() and not body.strip():
            return PassedOver(name, "it is empty", str(at), at), following
        raw = head + body
        return SourceMessage(raw, name, self._place, position=str(at), octets=at), following

    def _head(self) -> tuple[bytes, bytes | None]:
        """The header section with the empty line after it; the next message's line where that comes first."""
        kept, size = list[bytes](), 0
        while line := self._lines.next():
            if size and self._begins(line, after_blank=False):
                return b"".join(kept), line
            size += len(line)
            if size <= _LARGEST_HEADER + _LONGEST_LINE:
                kept.append(line)
            if line in (b"\n", b"\r\n"):
                return b"".join(kept), None
        return b"".join(kept), None

    def _body(self, head: bytes) -> tuple[bytes | None, bytes | None, int]:
        """The body, None for one that is too large, the line of the next message, and how large it is."""
        counted = self._counted(head)
        if counted is not None:
            following = self._lines.next()
            while following and not following.strip():
                following = self._lines.next()
            return counted, following or None, len(counted)
        kept, size, after_blank = list[bytes](), 0, True
        while line := self._lines.next():
            if line.startswith(b"From ") and self._begins(line, after_blank=after_blank):
                return self._whole(kept, size), line, size
            after_blank = line in (b"\n", b"\r\n")
            size += len(line)
            if size <= self._bounds.message + 2:
                kept.append(line)
            elif kept:
                kept = []
        return self._whole(kept, size), None, size

    def _whole(self, kept: list[bytes], size: int) -> bytes | None:
        """The lines without the empty one that the file has put behind them."""
        if size > self._bounds.message + 2:
            return None
        if len(kept) > 1 and kept[-1] in (b"\n", b"\r\n"):
            kept = kept[:-1]
        body = b"".join(kept)
        return body if self._is_bare else _unquoted(body)

    def _begins(self, line: bytes, *, after_blank: bool) -> bool:
        """Whether a line begins a message."""
        if not line.startswith(b"From "):
            return False
        is_dated = bool(_DATED.match(line))
        if is_dated and after_blank:
            return True
        follows_header = bool(_FIELD.match(self._lines.peek_line()))
        return follows_header and (is_dated or (after_blank and bool(_PLAIN.match(line))))

    def _counted(self, head: bytes) -> bytes | None:
        """The body that Content-Length tells of; None where the count is wrong, too large, or not there."""
        found = _LENGTH.search(head)
        size = int(found[1]) if found else 0
        if not found or size > self._bounds.message or self._wrong > _MOST_WRONG:
            return None
        ahead = self._lines.peek(size + _AFTER)
        behind = ahead[size:]
        is_end = len(ahead) >= size and (not behind.strip() or bool(re.match(rb"(?:\r?\n)*From ", behind)))
        if not is_end or not _ends_line(ahead, size):
            self._wrong += 1
            return None
        body = self._lines.take(size)
        if re.search(rb"(?m)^From ", body):
            self._is_bare = True
        return body if self._is_bare else _unquoted(body)


def _ends_line(ahead: bytes, size: int) -> bool:
    return not size or ahead[size - 1 : size] == b"\n" or ahead[size : size + 1] in (b"\n", b"\r", b"")


def _unquoted(body: bytes) -> bytes:
    return _QUOTED.sub(rb"\1", body) if b">From " in body else body
