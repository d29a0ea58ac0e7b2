"""The keeper: looks each second whether the database's files are still those that are open, and opens it anew.

A file that was removed, exchanged or overwritten under a running program stays open, and takes commits that nobody
will see again. The keeper notices, has everything refused that would be written, saves what was committed, lets go, and
tries until the same database is back.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import apsw

from onifast_shared.db import rescue, troubles
from onifast_shared.db.checkpointer import WAL_LIMIT
from onifast_shared.db.connections import DatabaseConnections
from onifast_shared.db.errors import DatabaseCorrupt, DatabaseError, DatabaseUnavailable
from onifast_shared.db.files import Files
from onifast_shared.db.long_readers import LongReaders
from onifast_shared.db.troubles import Troubles
from onifast_shared.machine import log

LOOK_SECONDS = 0.9
ALONE_SECONDS = 0.1
CORRUPT_SECONDS = 5.0
STOP_SECONDS = 5.0

_LOGGER = log.get("database")

T = TypeVar("T")


class KeptDatabase(Protocol):
    """What the keeper keeps: a program's database, which may be open or not."""

    path: Path
    troubles: Troubles

    @property
    def connections(self) -> DatabaseConnections | None:
        """What is open; None while nothing is."""

    def lose(self, reason: DatabaseError) -> None:
        """From now on everything is refused with `reason`."""

    def reopen(self) -> None:
        """Opens it; raises DatabaseError."""


class Keeper:
    """A thread that looks after one program's database."""

    def __init__(self, database: KeptDatabase) -> None:
        self._database = database
        self._path = database.path
        self._readers = LongReaders(database.troubles)
        self._written_at = 0
        self._told = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="db-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:
                _LOGGER.exception("unforeseen what=keeping the database")
            self._database.troubles.flush()

    def _look(self) -> None:
        connections = self._database.connections
        if connections is None:
            self._reopen()
            return
        try:
            files = Files.at(self._path)
            is_ours = files.database != connections.files.database or self._is_ours(connections)
        except OSError:
            return  # not to be told now; the files are open all the same
        if files.database != connections.files.database:
            self._lose(connections, "was removed or exchanged while it was open", self._leave_moved)
        elif not is_ours:
            self._lose(connections, "was overwritten while it was open", self._leave_overwritten)
        elif files != connections.files:
            self._lose(connections, "has lost its -wal or -shm file while it was open", self._leave_without_wal)
        else:
            self._watch_wal(connections)

    def _is_ours(self, connections: DatabaseConnections) -> bool:
        """Whether the file holds what it held. Only where somebody has written to it is it looked into."""
        found = self._path.stat()
        if found.st_size == 0:
            return False
        if found.st_mtime_ns == self._written_at:
            return True
        try:
            is_ours = connections.peek(rescue.id_in_open_file) == connections.id
        except (apsw.CorruptError, apsw.NotADBError):
            return False
        except apsw.Error:
            return True  # busy, or an I/O error: the next look will tell
        self._written_at = found.st_mtime_ns
        return is_ours

    def _watch_wal(self, connections: DatabaseConnections) -> None:
        with contextlib.suppress(OSError):
            size = self._path.with_name(self._path.name + "-wal").stat().st_size
            if size > WAL_LIMIT:
                connections.writer.checkpointer.ask()
            self._readers.look(size, connections)

    # Losing it

    def _lose(self, connections: DatabaseConnections, what: str, leave: Callable[[DatabaseConnections], None]) -> None:
        reason = DatabaseUnavailable(f"database {self._path} {what}; nothing is written until it is opened anew")
        self._database.lose(reason)
        log.event(_LOGGER, "database-lost", logging.ERROR, reason=reason)
        while not connections.stop(reason, STOP_SECONDS):
            if self._closing.is_set():
                break
        leave(connections)
        self._written_at = 0

    def _leave_without_wal(self, connections: DatabaseConnections) -> None:
        self._save(lambda: rescue.put_away(connections, self._path))
        connections.close()
        while not self._closing.wait(ALONE_SECONDS):
            with contextlib.suppress(apsw.Error, OSError):
                if rescue.renewed(self._path, connections.reopenings):
                    return

    def _leave_moved(self, connections: DatabaseConnections) -> None:
        had_more = self._save(lambda: rescue.put_away(connections, self._path))
        if rescue.is_deleted(connections.files) and not self._is_put_back(connections):
            self._save(lambda: self._copy(connections, again=bool(had_more)))
        self._save(lambda: rescue.take_away_wal(connections.files, self._path, keep=False))
        connections.close()

    def _leave_overwritten(self, connections: DatabaseConnections) -> None:
        connections.close(checkpoint=False)
        self._save(lambda: rescue.take_away_wal(connections.files, self._path, keep=True))

    def _is_put_back(self, connections: DatabaseConnections) -> bool:
        """Whether an administrator has put another copy of the same database in its place."""
        try:
            return self._path.stat().st_size > 0 and rescue.id_in(self._path) == connections.id
        except (apsw.Error, OSError):
            return False

    def _copy(self, connections: DatabaseConnections, *, again: bool) -> None:
        if target := rescue.copy(connections, self._path, again=again):
            way = f"mv {target} {self._path}"
            log.event(_LOGGER, "database-rescued", logging.WARNING, copy=target, to_put_it_back=way)

    def _save(self, saving: Callable[[], T]) -> T | None:
        """Saves what is gone once the files are closed; again and again while that fails, for they are open still.

        None where the program ends before that.
        """
        said = ""
        while True:
            try:
                return saving()
            except (apsw.Error, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    log.event(_LOGGER, "database-not-saved", logging.ERROR, reason=error)
            if self._closing.wait(LOOK_SECONDS):
                return None

    # Opening it anew

    def _reopen(self) -> None:
        try:
            self._database.reopen()
        except DatabaseError as error:
            self._database.lose(error)
            self.refused(error)
            if isinstance(error, DatabaseCorrupt):
                self._closing.wait(CORRUPT_SECONDS)
            return
        self._told = ""
        self._database.troubles.end(troubles.REFUSED)
        log.event(_LOGGER, "database-opened", logging.WARNING, path=self._path)

    def refused(self, error: DatabaseError) -> None:
        """Says why the database cannot be opened; once for each reason."""
        if str(error) != self._told:
            self._told = str(error)
            log.event(_LOGGER, "database-refused", logging.ERROR, reason=error)
            self._database.troubles.note(troubles.REFUSED, str(error))
