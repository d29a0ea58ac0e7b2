"""Makes one WAL of two: the one that is open without a name, and the one that a program made anew at its path.

Who opens a database whose WAL was unlinked makes another file, but shares the index (`-shm`) with everybody. So each
commit goes into the next frames of the index, in one file or the other, and the other has a hole there. A checkpoint
trusts the index: it would copy the hole. The frames' salts (SQLite's WAL format) tell which file has a frame.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
_MAGIC = (0x377F0682, 0x377F0683)


def complete(open_wal: int, wal: Path) -> int:
    """Copies frames that only the file at the path has into the open WAL of that inode; how many.

    Nobody may write meanwhile. These are files that SQLite never locks, so opening and closing them drops no lock.
    Raises OSError.
    """
    link = _link_to(open_wal)
    if link is None:
        return 0
    try:
        other = os.open(wal, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0
    try:
        ours = os.open(link, os.O_RDWR | os.O_CLOEXEC)
        try:
            return 0 if os.fstat(other).st_ino == open_wal else _copy_frames(other, ours)
        finally:
            os.close(ours)
    finally:
        os.close(other)


def _link_to(inode: int) -> str | None:
    """The path in /proc that opens a nameless file again."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if entry.stat().st_ino == inode and "-wal" in str(entry.readlink()):
                return str(entry)
    return None


def _copy_frames(other: int, ours: int) -> int:
    header = next((text for text in (os.pread(other, HEADER, 0), os.pread(ours, HEADER, 0)) if _is_header(text)), b"")
    if not header:
        return 0
    size, salts = FRAME_HEADER + int.from_bytes(header[8:12]), header[16:24]
    copied, end = 0, os.fstat(other).st_size
    offset = _frame_at(_data_from(other, HEADER, end), size)
    while offset + size <= end:
        if not _has(ours, offset, salts) and _has(other, offset, salts):
            os.pwrite(ours, os.pread(other, size, offset), offset)
            copied += 1
        offset += size
    return copied


def _is_header(text: bytes) -> bool:
    return len(text) == HEADER and int.from_bytes(text[:4]) in _MAGIC


def _has(wal: int, offset: int, salts: bytes) -> bool:
    frame = os.pread(wal, FRAME_HEADER, offset)
    return frame[8:16] == salts and any(frame[:4])


def _data_from(wal: int, offset: int, end: int) -> int:
    """Where the hole that a file begins with ends: it may be gigabytes."""
    try:
        return os.lseek(wal, offset, os.SEEK_DATA)
    except OSError as error:
        return end if error.errno == errno.ENXIO else offset


def _frame_at(offset: int, size: int) -> int:
    """The first octet of the frame that this octet is in."""
    return HEADER + max(0, offset - HEADER) // size * size
