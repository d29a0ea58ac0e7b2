"""The database: one WAL-mode SQLite file, read in snapshots and written by group commit.

Every process has one writer thread. Whatever waits while a commit runs goes into the next one, so twenty messages that
arrive together cost one fsync. `write` returns after COMMIT with `synchronous=FULL`: what it returned for survives a
power cut. Checkpoints run on a thread of their own, off that path.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from onifast_shared.db import identity, migrate
from onifast_shared.db.connections import DatabaseConnections, connect
from onifast_shared.db.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseError,
    DatabaseRefused,
    DatabaseUnavailable,
    translated,
)
from onifast_shared.db.files import file_size
from onifast_shared.db.keeper import Keeper
from onifast_shared.db.troubles import REFUSED, Troubles

Connection = apsw.Connection

SqlValue = int | float | str | bytes | None
"""What a column of the database holds."""

T = TypeVar("T")

FILE_MODE = 0o660
DIRECTORY_MODE = 0o2770
READER_THREADS = 8

# Debian's sqlite3 has no `.recover`; its `.dump` reads a table from both ends where there is damage in between.
_WAY_OUT = (
    "stop the programs and keep a copy; then put a backup in its place, or what can be read of it: "
    "(echo 'PRAGMA auto_vacuum=2;'; sqlite3 {0} .dump | sed 's/^ROLLBACK;.*/COMMIT;/') | sqlite3 {0}.new"
    " && mv {0}.new {0}"
)


class Database:
    """One process's handle on the shared database; safe to use from every thread, never across a fork.

    It may be without its file for a while, and then refuses everything: the keeper opens it anew.
    """

    def __init__(
        self, path: Path, timeout: float, connections: DatabaseConnections | None, reason: DatabaseError
    ) -> None:
        """For `open` alone. `reason` is what everything is refused with, where there are no connections."""
        self.path = path
        self.troubles = Troubles(path)
        self._timeout = timeout
        self._connections = connections
        self._reason = reason
        self._openings = 1
        self._pool = ThreadPoolExecutor(READER_THREADS, "db-read")
        self._keeper = Keeper(self)
        if connections is None:
            self._keeper.refused(reason)
        else:
            self.troubles.end(REFUSED)

    @classmethod
    def open(cls, path: Path, *, timeout: float = 30.0, patient: bool = False) -> Database:
        """Opens the database at `path`; makes and migrates it where that is needed.

        `timeout` is how long, in seconds, to wait for other writers. Raises SchemaTooNew for a database that this
        program is too old for, DatabaseRefused for another one than was there, DatabaseCorrupt for a damaged one,
        DatabaseUnavailable for one that cannot be opened. Who is `patient` gets a database all the same where there is
        one that is refused or damaged: it refuses everything until an administrator has put things right.
        """
        closed = DatabaseUnavailable(f"database {path} is closed")
        try:
            return cls(path, timeout, _opened(path, timeout), closed)
        except (DatabaseRefused, DatabaseCorrupt) as error:
            if not patient:
                raise
            return cls(path, timeout, None, error)

    def read(self, fn: Callable[[Connection], T]) -> T:
        """What `fn` reads from one consistent snapshot. Blocks; see `aread` for event loops."""
        with translated(self.path, self.troubles):
            return self._open().read(fn)

    def write(self, fn: Callable[[Connection], T], *, timeout: float | None = None, lasting: bool = True) -> T:
        """What `fn` returns, once what it wrote is on disk.

        `fn` shares a transaction with others that wait, in a savepoint of its own: its exception undoes its own changes
        only, and is raised here. It may be run a second time from the start, so it changes nothing but the database.
        Raises DatabaseBusy when its turn did not come within `timeout` seconds, DatabaseFull for a full disk and
        DatabaseUnavailable for other trouble; then nothing was written. What `lasting` means, `awrite` says.
        """
        with translated(self.path, self.troubles):
            job = self._open().writer.submit(fn, lasting=lasting)
            return job.wait(self._timeout if timeout is None else timeout)

    def shrink(self) -> None:
        """Gives back what is kept of the database in memory, for who has had nothing to do for a while."""
        with contextlib.suppress(DatabaseError), translated(self.path, self.troubles):
            self._open().shrink()

    async def aread(self, fn: Callable[[Connection], T]) -> T:
        """`read`, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read, fn)

    async def awrite(self, fn: Callable[[Connection], T], *, timeout: float | None = None, lasting: bool = True) -> T:
        """`write`, off the event loop.

        A write that is not `lasting` may be undone by a power cut, with all that depends on it, but by nothing else; it
        waits for no disk. For what a power cut ends in any case, such as claims.
        """
        with translated(self.path, self.troubles):
            job = self._open().writer.submit_from_loop(fn, lasting=lasting)
            return await job.wait(self._timeout if timeout is None else timeout)

    def data_version(self) -> int:
        """A number that changes when any other connection, of this process or another, has committed; see `peek`.

        It changes as well when the database was opened anew.
        """
        with translated(self.path, self.troubles):
            return self._openings << 32 | self._open().data_version()

    def peek(self, fn: Callable[[Connection], T]) -> T:
        """What `fn` reads, at once and on the caller's thread, which may be an event loop's; no snapshot.

        Only for what costs microseconds. Raises DatabaseBusy where it would have to wait.
        """
        with translated(self.path, self.troubles):
            return self._open().peek(fn)

    async def apeek(self, fn: Callable[[Connection], T]) -> T:
        """`peek`; where that would have to wait, `aread`: a hop to a thread and back costs more than a few seeks."""
        try:
            return self.peek(fn)
        except DatabaseBusy:
            return await self.aread(fn)

    def sizes(self) -> tuple[int, int]:
        """Bytes of the database's file and of its WAL; 0 for one that is not there."""
        return file_size(self.path), file_size(self.path.with_name(self.path.name + "-wal"))

    def close(self) -> None:
        """Ends the threads and closes every connection. What was submitted before is committed first."""
        self._keeper.close()
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()
        self._pool.shutdown()
        self.troubles.flush()

    # For the keeper

    @property
    def connections(self) -> DatabaseConnections | None:
        """What is open; None while nothing is."""
        return self._connections

    def lose(self, reason: DatabaseError) -> None:
        """From now on everything is refused with `reason`."""
        self._reason = reason
        self._connections = None

    def reopen(self) -> None:
        """Opens it anew. Raises DatabaseError."""
        connections = _opened(self.path, self._timeout, identity.UNKNOWN)
        self._openings += 1
        self._connections = connections

    def _open(self) -> DatabaseConnections:
        connections = self._connections
        if connections is None:
            raise type(self._reason)(str(self._reason))
        return connections


def _opened(path: Path, timeout: float, opened_before: identity.IdentityMark | None = None) -> DatabaseConnections:
    _let_group_in()
    try:
        with translated(path):
            identity.refuse_nothing(path, opened_before)
            _create(path)
            migrate.migrate(partial(connect, path, timeout), path)
            return DatabaseConnections(path, timeout)
    except DatabaseCorrupt as error:
        raise DatabaseCorrupt(f"{error}; {_WAY_OUT.format(path)}") from error


def _let_group_in() -> None:
    """Takes the group's bits out of the process's umask.

    SQLite makes the WAL anew at any time and mends its mode a moment later; in that moment a second Unix user would
    find a file that they cannot write, and fail with an I/O error.
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
