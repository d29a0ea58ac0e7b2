"""One process's connections to the database file as it was opened once: its writer, its readers, its observer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from onifast_shared.db import identity
from onifast_shared.db.checkpointer import WAL_LIMIT
from onifast_shared.db.errors import DatabaseError
from onifast_shared.db.files import Files
from onifast_shared.db.writer import DatabaseWriter

T = TypeVar("T")

READER_CACHE = 2000
"""KiB of pages that each reading thread keeps for itself. All of them have the kernel's copy, at a microsecond a page;
16 MiB for each of eight threads was most of what a program held that had nothing to do."""

LAST_READS = 2.0
"""Seconds that reads have to come to their end when connections are closed, and again once they are interrupted."""


def connect(path: Path, timeout: float) -> apsw.Connection:
    """A connection to an existing file, set up as every connection of ours is."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(int(timeout * 1000))
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
    connection.execute("PRAGMA cache_size=-16000")
    return connection


_Reader = tuple[apsw.Connection, threading.Lock]
"""A thread's connection, and what it holds while it reads: another thread must not use the connection meanwhile."""


class DatabaseConnections:
    """All of them; made when the database is opened, and again when it had to be opened anew.

    Nobody can put another file under connections that are open: they go on with the old one, whatever lies at its path.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._local = threading.local()
        self._readers: list[_Reader] = []
        self._reading: dict[int, float] = {}
        self._lock = threading.Lock()
        self.writer = DatabaseWriter(partial(_ready, path, timeout), path)
        self._observer = _ready(path, timeout)
        self._observer.execute("PRAGMA query_only=ON")
        # A look that would have to wait is no look for an event loop.
        self._observer.set_busy_timeout(0)
        self.files = Files.at(path)
        self.writer.expect(self.files)
        self.id = identity.id_of(self._observer)
        self.reopenings = identity.reopenings(self._observer)

    def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """What `fn` reads from one consistent snapshot."""
        connection, in_use = self._reader()
        me = threading.get_ident()
        self._reading[me] = time.monotonic()
        try:
            with in_use:
                try:
                    connection.execute("BEGIN")
                    return fn(connection)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        finally:
            del self._reading[me]

    def shrink(self) -> None:
        """Has the connections that nobody reads with now give back the pages that they keep (PRAGMA shrink_memory)."""
        for connection, in_use in self._readers.copy():
            if in_use.acquire(blocking=False):
                try:
                    with contextlib.suppress(apsw.Error):  # it was closed meanwhile
                        connection.execute("PRAGMA shrink_memory")
                finally:
                    in_use.release()

    def peek(self, fn: Callable[[apsw.Connection], T]) -> T:
        """What `fn` reads at once; no snapshot."""
        with self._lock:
            return fn(self._observer)

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        with self._lock:
            return int(self._observer.execute("PRAGMA data_version").get)

    def longest_read(self) -> float:
        """For how many seconds the oldest of this process's reads has been going on."""
        began = min(self._reading.copy().values(), default=None)
        return 0.0 if began is None else time.monotonic() - began

    def stop(self, reason: DatabaseError, patience: float) -> bool:
        """Fails what waits to be written, and ends what is read; False where a reader has not ended in time."""
        self.writer.fail(reason)
        return self._reads_end(patience, interrupted=True)

    def _reads_end(self, patience: float, *, interrupted: bool) -> bool:
        """Waits until nobody reads; False where somebody still does after `patience` seconds."""
        deadline = time.monotonic() + patience
        while self._reading:
            if interrupted:
                for connection, _ in self._readers.copy():
                    connection.interrupt()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def close(self, *, checkpoint: bool = True) -> None:
        """Commits what waits, lets what is read come to its end, then closes every connection.

        A read that takes longer than LAST_READS is interrupted: a program that ends has threads that nobody waits for,
        and a connection cannot be closed under one. The last one that closes the file copies the WAL into it, unless
        `checkpoint` says that they do not belong together any more.
        """
        self.writer.close(checkpoint=checkpoint)
        if not self._reads_end(LAST_READS, interrupted=False) and not self._reads_end(LAST_READS, interrupted=True):
            return  # it is stuck in the disk, and the process's end closes what it holds
        with self._lock:
            for connection, in_use in [*self._readers, (self._observer, threading.Lock())]:
                with in_use:
                    if not checkpoint:
                        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                    connection.close()
            self._readers.clear()

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            connection = connect(self._path, self._timeout)
            connection.execute("PRAGMA query_only=ON")
            connection.execute(f"PRAGMA cache_size=-{READER_CACHE}")
            reader = self._local.reader = (connection, threading.Lock())
            with self._lock:
                self._readers.append(reader)
        return reader


def _ready(path: Path, timeout: float) -> apsw.Connection:
    """A connection that has the WAL open, not only the database: SQLite opens it at the first look."""
    connection = connect(path, timeout)
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    return connection
