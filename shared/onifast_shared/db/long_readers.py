"""Who keeps the WAL from beginning anew: processes that have been reading from one snapshot for minutes.

A reader holds a POSIX lock on one of five bytes of the `-shm` file (SQLite's WAL-index format), and `/proc/locks` says
which process. It shows every process of the machine, but none outside the container, and nothing where /proc is closed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import time
from pathlib import Path
from typing import NamedTuple

from onifast_shared.db import troubles
from onifast_shared.db.connections import DatabaseConnections
from onifast_shared.db.troubles import Troubles
from onifast_shared.machine import log

WARN_SECONDS = 60.0
"""A snapshot that is older is worth a warning."""

REPEAT_SECONDS = 600.0
LOOKS = 5
"""Looks, a second apart, in which a process must be seen each time to be named."""

_MARKS = (123, 127)
"""The first and last byte of the readers' locks (WALINDEX_LOCK_OFFSET 120, of which the first three are others')."""

_LOGGER = log.get("database")


class Holder(NamedTuple):
    """A process that holds a snapshot. `name` is empty where this account may not see it; `pid` is 0 outside."""

    pid: int
    user: str
    name: str

    def __str__(self) -> str:
        if not self.pid:
            return "a process of another container"
        if not self.name:
            return f"process {self.pid}, which this account may not look at"
        return f"process {self.pid} ({self.name}, user {self.user})"


def holders(shm: int) -> list[Holder] | None:
    """The processes that read from the database whose -shm file has that inode, now; None where that is not shown."""
    try:
        lines = Path("/proc/locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    found = {_reader_in(line, shm) for line in lines}
    return [_holder(pid) for pid in sorted(pid for pid in found if pid is not None)]


def _reader_in(line: str, shm: int) -> int | None:
    """The process of a line of /proc/locks (proc_locks(5)), if it is a reader's lock; 0 where it has no number here."""
    fields = line.split()
    if len(fields) != 8 or fields[1] != "POSIX" or fields[5].rpartition(":")[2] != str(shm):
        return None
    first, last = int(fields[6]), int(fields[7]) if fields[7].isdigit() else _MARKS[1]
    is_reader = fields[3] == "READ" and first <= _MARKS[1] and last >= _MARKS[0]
    return max(0, int(fields[4])) if is_reader else None


def _holder(pid: int) -> Holder:
    try:
        proc = Path(f"/proc/{pid}")
        user = proc.stat().st_uid
        words = proc.joinpath("cmdline").read_bytes().split(b"\0")
        name = b" ".join(words[:3]).decode("utf-8", "replace").strip() or proc.joinpath("comm").read_text().strip()
    except OSError:
        return Holder(pid, "", "")
    with contextlib.suppress(KeyError):
        return Holder(pid, pwd.getpwuid(user).pw_name, name)
    return Holder(pid, str(user), name)


class LongReaders:
    """Warns once while a reader holds on, and every ten minutes; says when it has let go."""

    def __init__(self, noted: Troubles) -> None:
        self._troubles = noted
        self._seen: list[set[int]] = []
        self._told: float | None = None

    def look(self, wal_bytes: int, connections: DatabaseConnections) -> None:
        """One look; to be made every second."""
        stuck = connections.writer.checkpointer.stuck_for()
        if stuck < WARN_SECONDS:
            self._let_go(wal_bytes)
            return
        if self._told is not None and time.monotonic() < self._told + REPEAT_SECONDS:
            return
        found = holders(connections.files.shm or 0)
        self._seen.append({each.pid for each in found or []} - self._short_reads(connections))
        if len(self._seen) >= LOOKS:
            self._tell(stuck, wal_bytes, found)

    def _short_reads(self, connections: DatabaseConnections) -> set[int]:
        """This very process, where none of its reads is an old one."""
        return set() if connections.longest_read() > WARN_SECONDS / 2 else {os.getpid()}

    def _tell(self, stuck: float, wal_bytes: int, found: list[Holder] | None) -> None:
        always = set.intersection(*self._seen)
        if found is None:
            who = "this account cannot see which (/proc/locks); root can: onifast-mailctl database show"
        else:
            who = (
                ", ".join(str(each) for each in found if each.pid in always)
                or "a process that cannot be seen from here"
            )
        self._told, self._seen = time.monotonic(), []
        log.event(_LOGGER, "long-reader", logging.WARNING, seconds=int(stuck), wal_bytes=wal_bytes, who=who)
        self._troubles.note(
            troubles.LONG_READER, f"the -wal file grows ({wal_bytes} bytes), since {who} has been reading for minutes"
        )

    def _let_go(self, wal_bytes: int) -> None:
        self._seen = []
        if self._told is None:
            return
        self._told = None
        log.event(_LOGGER, "long-reader-ended", wal_bytes=wal_bytes)
        self._troubles.end(troubles.LONG_READER)
