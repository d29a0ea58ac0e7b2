"""The writer: one thread that commits what others hand it, many at a time (group commit)."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, Generic, TypeVar

import apsw

from onifast_shared.db_errors import DatabaseBusy, DatabaseUnavailable
from onifast_shared.turn import Turn

T = TypeVar("T")

GROUP_LIMIT = 256
"""Jobs in one commit: enough to share an fsync, few enough that the lock is not held for long."""

CHECKPOINT_PAGES = 1000
"""WAL pages (4 KiB each) after which a checkpoint is worth its fsyncs; SQLite's own default."""


class Job(Generic[T]):
    """A change that waits for its commit."""

    def __init__(self, fn: Callable[[apsw.Connection], T]) -> None:
        self.fn = fn
        self.future: Future[T] = Future()

    def wait(self, timeout: float) -> T:
        """The result after COMMIT. DatabaseBusy if the job had not begun after `timeout` seconds."""
        try:
            return self.future.result(timeout)
        except TimeoutError:
            if self.future.cancel():
                raise DatabaseBusy("the database is busy; nothing was written") from None
        # It runs: its outcome is decided by the disk now, and only the disk knows it.
        return self.future.result()

    async def wait_async(self, timeout: float) -> T:
        """`wait` for event loops. A cancelled caller's job is withdrawn if it has not begun."""
        wrapped = asyncio.wrap_future(self.future)
        done, _ = await asyncio.wait({wrapped}, timeout=timeout)
        if not done and self.future.cancel():
            raise DatabaseBusy("the database is busy; nothing was written")
        return await wrapped


FULL_CHECKPOINT_PAGES = 4 * CHECKPOINT_PAGES
"""WAL pages after which writers have to wait for the end of a checkpoint, so that the WAL begins anew."""


class Writer:
    """Owns the connection that writes, and the thread that uses it."""

    def __init__(self, connect: Callable[[], apsw.Connection], path: Path) -> None:
        self._connect = connect
        self._turn = Turn(path)
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._closing = False
        self._connection = connect()
        self._checkpointer = Checkpointer(connect, path)
        self._connection.set_wal_hook(self._checkpointer.on_commit)
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[[apsw.Connection], T]) -> Job[T]:
        """Queues a change for the next commit."""
        if self._closing:
            raise DatabaseUnavailable("the database is closed")
        job = Job(fn)
        self._jobs.put(job)
        return job

    def close(self) -> None:
        """Commits what waits, then ends the thread."""
        if self._closing:
            return
        self._closing = True
        self._jobs.put(None)
        self._thread.join()
        self._checkpointer.close()
        self._connection.close()
        self._turn.close()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [first]
            try:
                self._commit(batch)
            except BaseException as error:
                _fail(batch, error)
            del batch, first

    def _commit(self, batch: list[Job[Any]]) -> None:
        """One transaction for all that has gathered by the time that it is our turn."""
        with self._turn.taken():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._gather(batch)
                results = [self._apply(job) for job in batch if job.future.set_running_or_notify_cancel()]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        for job, value, error in results:
            job.future.set_exception(error) if error is not None else job.future.set_result(value)

    def _gather(self, batch: list[Job[Any]]) -> None:
        while len(batch) < GROUP_LIMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._jobs.put(None)
                return
            batch.append(job)

    def _apply(self, job: Job[Any]) -> tuple[Job[Any], Any, BaseException | None]:
        """Runs a job in a savepoint, so that its failure is its own; trouble with the disk fails the whole commit."""
        self._connection.execute("SAVEPOINT job")
        try:
            value = job.fn(self._connection)
        except (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.InterruptError):
            raise
        except Exception as error:
            if not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            return job, None, error
        self._connection.execute("RELEASE job")
        return job, value, None


def _fail(batch: list[Job[Any]], error: BaseException) -> None:
    for job in batch:
        if job.future.cancelled() or job.future.done():
            continue
        try:
            if job.future.running() or job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)
        except CancelledError:
            continue


class Checkpointer:
    """Copies the WAL back into the database when it has grown, on a thread of its own.

    While others write, a checkpoint rarely reaches the WAL's end, and only then does the WAL begin anew. So a WAL that
    has grown for long has the little that is left copied under the writers' turn.
    """

    def __init__(self, connect: Callable[[], apsw.Connection], path: Path) -> None:
        self._connection = connect()
        self._turn = Turn(path)
        self._due = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="db-checkpoint", daemon=True)
        self._thread.start()

    def on_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """The WAL hook: `pages` is the WAL's length after a commit."""
        if pages >= CHECKPOINT_PAGES:
            self._due.set()
        return apsw.SQLITE_OK

    def close(self) -> None:
        self._closing = True
        self._due.set()
        self._thread.join()
        self._connection.close()
        self._turn.close()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closing:
                return
            try:
                if self._copy() >= FULL_CHECKPOINT_PAGES:
                    with self._turn.taken():
                        self._copy()
            except apsw.Error:
                # Another process's checkpoint, or a full disk: the WAL stays valid and the next commit asks again.
                continue

    def _copy(self) -> int:
        """Copies what no reader needs in the WAL any more; gives the WAL's length in pages."""
        pages, _copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return pages
