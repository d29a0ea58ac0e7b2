"""The checkpointer: copies the WAL back into the database when it has grown, on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from onifast_shared.db.turn import Turn

CHECKPOINT_PAGES = 1000
"""WAL pages (4 KiB each) after which a checkpoint is worth its fsyncs; SQLite's own default."""

FULL_CHECKPOINT_PAGES = 4 * CHECKPOINT_PAGES
"""WAL pages after which writers have to wait for the end of a checkpoint, so that the WAL begins anew."""

WAL_LIMIT = 64 * 1024 * 1024
"""Bytes of a WAL file beyond which it is cut once nobody needs it."""

READER_REST = 1.0
"""Seconds until writers are kept waiting again, where a reader was in the way of a checkpoint."""

READERS_PATIENCE_MS = 100
"""For how long writers wait for readers to end, so that a large WAL can be cut."""


class Checkpointer:
    """Runs checkpoints regularly, cuts a WAL that grew too large, and knows since when a reader has been in the way.

    While others write, a checkpoint rarely reaches the WAL's end, and only then does the WAL begin anew. So a WAL that
    has grown for long has the little that is left copied under the writers' turn.
    """

    def __init__(self, connect: Callable[[], apsw.Connection], path: Path) -> None:
        self._connection = connect()
        self._connection.set_busy_timeout(READERS_PATIENCE_MS)
        self._turn = Turn(path)
        self._wal = path.with_name(path.name + "-wal")
        self._due = threading.Event()
        self._closing = False
        self._next_full = 0.0
        self._copied = 0
        self._stuck_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="db-checkpoint", daemon=True)
        self._thread.start()

    def on_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """The WAL hook: `pages` is the WAL's length after a commit."""
        if pages >= CHECKPOINT_PAGES:
            self._due.set()
        return apsw.SQLITE_OK

    def ask(self) -> None:
        """Has a checkpoint made soon."""
        self._due.set()

    def stuck_for(self) -> float:
        """For how many seconds checkpoints have got no further, since a reader still needs what is in the WAL."""
        since = self._stuck_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self, *, checkpoint: bool = True) -> None:
        """Ends the thread; without `checkpoint`, what is in the WAL stays there even if nobody else has it open."""
        self._closing = True
        self._due.set()
        self._thread.join()
        if not checkpoint:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()
        self._turn.close()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closing:
                return
            try:
                self._checkpoint()
            except (apsw.Error, OSError):
                # Another process's checkpoint, or a full disk: the WAL stays valid and the next commit asks again.
                continue

    def _checkpoint(self) -> None:
        if self._copy() < FULL_CHECKPOINT_PAGES or time.monotonic() < self._next_full:
            return
        with self._turn.taken():
            self._copy()
            if self._stuck_since is None and self._wal.stat().st_size > WAL_LIMIT:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        if self._stuck_since is not None:
            self._next_full = time.monotonic() + READER_REST

    def _copy(self) -> int:
        """Copies what no reader needs in the WAL any more; returns the WAL's length in pages."""
        pages, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if copied >= pages:
            self._stuck_since = None
        elif self._stuck_since is None or copied != self._copied:
            self._stuck_since = time.monotonic()
        self._copied = copied
        return pages
