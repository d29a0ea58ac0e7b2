"""Turns at writing: processes queue for the database through two lock files instead of SQLite's busy handler.

SQLite lets waiting writers poll, so a lucky one can starve the others for seconds. Here a writer takes the gate, then
the turn, then drops the gate: whoever holds the gate is next, and the kernel queues the rest. The kernel frees the
locks of a process that dies. Programs that do not know of the files are still held off by SQLite's own locks.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODE = 0o660


class Turn:
    """One process's way to its turn; used by one thread."""

    def __init__(self, database: Path) -> None:
        self._gate = _open(database.with_name(database.name + "-gate"))
        self._turn = _open(database.with_name(database.name + "-turn"))

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Blocks until it is this process's turn, and holds it."""
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets the lock files go, and the turn with them."""
        os.close(self._gate)
        os.close(self._turn)


def _open(path: Path) -> int:
    """Opens or makes a lock file that every user of the directory's group can open, whatever the umask."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    os.fchmod(fd, MODE)
    return fd
