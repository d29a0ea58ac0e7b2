"""The database: one WAL-mode SQLite file, read in snapshots and written by group commit.

Every process has one writer thread. Whatever waits while a commit runs goes into the next one, so twenty messages that
arrive together cost one fsync. `write` returns after COMMIT with `synchronous=FULL`: what it returned for survives a
power cut. Checkpoints run on a thread of their own, off that path.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from onifast_shared.db import migrate
from onifast_shared.db.errors import DatabaseBusy, translated
from onifast_shared.db.writer import Writer

Connection = apsw.Connection
T = TypeVar("T")

FILE_MODE = 0o660
DIRECTORY_MODE = 0o2770
READER_THREADS = 8


class Database:
    """One process's handle on the shared database; safe to use from every thread, never across a fork."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self._timeout = timeout
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(READER_THREADS, "db-read")
        self._writer = Writer(partial(connect, path, timeout), path)
        self._observer = connect(path, timeout)
        self._observer.execute("PRAGMA query_only=ON")
        # A look that would have to wait is no look for an event loop.
        self._observer.set_busy_timeout(0)

    @classmethod
    def open(cls, path: Path, *, timeout: float = 30.0) -> Database:
        """Opens the database at `path`; makes and migrates it where that is needed.

        `timeout` is how long, in seconds, to wait for other writers. Raises SchemaTooNew for a database that this
        program is too old for, DatabaseUnavailable for one that cannot be opened.
        """
        _let_group_in()
        with translated(path):
            _create(path)
            migrate.migrate(partial(connect, path, timeout), path)
            return cls(path, timeout)

    def read(self, fn: Callable[[Connection], T]) -> T:
        """What `fn` reads from one consistent snapshot. Blocks; see `aread` for event loops."""
        with translated(self.path):
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                return fn(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def write(self, fn: Callable[[Connection], T], *, timeout: float | None = None) -> T:
        """What `fn` returns, once what it wrote is on disk.

        `fn` shares a transaction with others that wait, in a savepoint of its own: its exception undoes its own changes
        only, and is raised here. It may be run a second time from the start, so it changes nothing but the database.
        Raises DatabaseBusy when its turn did not come within `timeout` seconds, DatabaseFull for a full disk and
        DatabaseUnavailable for other trouble; then nothing was written.
        """
        with translated(self.path):
            return self._writer.submit(fn).wait(self._timeout if timeout is None else timeout)

    async def aread(self, fn: Callable[[Connection], T]) -> T:
        """`read`, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read, fn)

    async def awrite(self, fn: Callable[[Connection], T], *, timeout: float | None = None, lasting: bool = True) -> T:
        """`write`, off the event loop.

        What is not `lasting` may be undone by a power cut, with what depends on it, but by nothing else; it waits for
        no disk. For what a power cut ends in any case, such as claims.
        """
        with translated(self.path):
            job = self._writer.submit_from_loop(fn, lasting=lasting)
            return await job.wait(self._timeout if timeout is None else timeout)

    def data_version(self) -> int:
        """A number that changes when any other connection, of this process or another, has committed; see `peek`."""
        return self.peek(lambda connection: int(connection.execute("PRAGMA data_version").get))

    def peek(self, fn: Callable[[Connection], T]) -> T:
        """What `fn` reads, at once and on the caller's thread, which may be an event loop's; no snapshot.

        Only for what costs microseconds. Raises DatabaseBusy where it would have to wait.
        """
        with translated(self.path), self._lock:
            return fn(self._observer)

    async def apeek(self, fn: Callable[[Connection], T]) -> T:
        """`peek`; where that would have to wait, `aread`: a hop to a thread and back costs more than a few seeks."""
        try:
            return self.peek(fn)
        except DatabaseBusy:
            return await self.aread(fn)

    def close(self) -> None:
        """Ends the threads and closes every connection. What was submitted before is committed first."""
        self._writer.close()
        self._pool.shutdown()
        with self._lock:
            for connection in [*self._readers, self._observer]:
                connection.close()
            self._readers.clear()

    def _reader(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self.path, self._timeout)
            connection.execute("PRAGMA query_only=ON")
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection


def connect(path: Path, timeout: float) -> apsw.Connection:
    """A connection to an existing file, set up as every connection of ours is."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(int(timeout * 1000))
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA cache_size=-16000")
    return connection


def _let_group_in() -> None:
    """Takes the group's bits out of the process's umask.

    SQLite makes the WAL anew at any time and mends its mode a moment later; in that moment a second Unix user would
    find a file that he cannot write, and fail with an I/O error.
    """
    old = os.umask(0o077)
    os.umask(old & ~0o070)


def _create(path: Path) -> None:
    """Makes an empty file that the whole group can open, in a directory that hands its group on.

    The umask alone would give 0640 and lock the second Unix user out; SQLite gives the WAL the same mode as the file.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(DIRECTORY_MODE)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        return
    os.fchmod(fd, FILE_MODE)
    os.close(fd)
