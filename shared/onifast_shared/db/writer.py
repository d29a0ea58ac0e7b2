"""The writer: one thread that commits what others hand it, many at a time (group commit)."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import apsw

from onifast_shared.db.checkpointer import Checkpointer
from onifast_shared.db.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from onifast_shared.db.files import Files
from onifast_shared.db.turn import Turn
from onifast_shared.machine import counting

T = TypeVar("T")

LOOK_SECONDS = 0.002
"""Between two looks at whose files lie in the database's place: less than another program takes to write to others."""

GROUP_LIMIT = 256
"""Jobs in one commit: enough to share an fsync, few enough that the lock is not held for long."""


class Job(Generic[T]):
    """A change that waits for its commit, handed over by a thread or by an event loop.

    One that is not `lasting` may be undone by a power cut, and by nothing else: its commit alone costs no fsync.
    """

    def __init__(self, fn: Callable[[apsw.Connection], T], *, lasting: bool = True) -> None:
        self.fn = fn
        self.lasting = lasting
        # Whoever takes the ticket first has decided: the writer, that it runs; who waits, that it never does.
        self._ticket = [True]

    def take(self) -> bool:
        """Takes the ticket; False where somebody has it already. For any thread."""
        try:
            return self._ticket.pop()
        except IndexError:
            return False


class ThreadJob(Job[T]):
    """A change that a thread waits for."""

    def __init__(self, fn: Callable[[apsw.Connection], T], *, lasting: bool = True) -> None:
        super().__init__(fn, lasting=lasting)
        self.future: Future[T] = Future()

    def wait(self, timeout: float) -> T:
        """The result after COMMIT. DatabaseBusy if the job had not begun after `timeout` seconds."""
        try:
            return self.future.result(timeout)
        except TimeoutError:
            if self.take():
                raise DatabaseBusy(_NOTHING_WRITTEN) from None
        # It runs: its outcome is decided by the disk now, and only the disk knows it.
        return self.future.result()


class LoopJob(Job[T]):
    """A change that an event loop waits for."""

    def __init__(
        self, fn: Callable[[apsw.Connection], T], loop: asyncio.AbstractEventLoop, *, lasting: bool = True
    ) -> None:
        super().__init__(fn, lasting=lasting)
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()

    async def wait(self, timeout: float) -> T:
        """`ThreadJob.wait` for event loops. A cancelled caller's job is withdrawn if it has not begun."""
        timer = self.loop.call_later(timeout, self._give_up)
        try:
            return await self.future
        except asyncio.CancelledError:
            self.take()
            raise
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        if not self.future.done() and self.take():
            self.future.set_exception(DatabaseBusy(_NOTHING_WRITTEN))


class Outcome(NamedTuple):
    """How a job ended: with a value, or with an error."""

    job: Job[Any]
    value: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Tells whoever waits; in the waiter's own thread if that is an event loop's."""
        future = self.job.future if isinstance(self.job, ThreadJob | LoopJob) else None
        if future is None or future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.value)


_NOTHING_WRITTEN = "the database is busy; nothing was written"


class DatabaseWriter:
    """Owns the connection that writes, and the thread that uses it."""

    def __init__(self, connect: Callable[[], apsw.Connection], path: Path) -> None:
        self._connect = connect
        self._path = path
        self._files: Files | None = None
        self._next_look = 0.0
        self._turn = Turn(path)
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._closing = False
        self._failing: DatabaseError | None = None
        self._connection = connect()
        # Each job's savepoint keeps the pages that it changes as they were: of 16 of them, SQLite makes a file.
        self._connection.execute("PRAGMA temp_store=MEMORY")
        self._is_syncing = True
        self.checkpointer = Checkpointer(connect, path)
        self._connection.set_wal_hook(self.checkpointer.on_commit)
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[[apsw.Connection], T], *, lasting: bool = True) -> ThreadJob[T]:
        """Queues a thread's change for the next commit."""
        job = ThreadJob(fn, lasting=lasting)
        self._queue(job)
        return job

    def submit_from_loop(self, fn: Callable[[apsw.Connection], T], *, lasting: bool = True) -> LoopJob[T]:
        """Queues the change of the running event loop for the next commit."""
        job = LoopJob(fn, asyncio.get_running_loop(), lasting=lasting)
        self._queue(job)
        return job

    def _queue(self, job: Job[Any]) -> None:
        if self._closing:
            raise DatabaseUnavailable("the database is closed")
        self._jobs.put(job)

    def expect(self, files: Files) -> None:
        """Commits nothing any more where other files than these lie in the database's place."""
        self._files = files

    def fail(self, reason: DatabaseError) -> None:
        """Commits nothing any more: what waits, and what is handed over, fails with `reason`."""
        self._failing = reason

    def close(self, *, checkpoint: bool = True) -> None:
        """Commits what waits, then ends the thread; for `checkpoint` see Connections.close."""
        if self._closing:
            return
        self._closing = True
        self._jobs.put(None)
        self._thread.join()
        self.checkpointer.close(checkpoint=checkpoint)
        if not checkpoint:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()
        self._turn.close()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [first]
            running: list[Job[Any]] = []
            try:
                outcomes = self._commit(batch, running)
            except BaseException as error:
                outcomes = [Outcome(job, error=error) for job in batch if job in running or job.take()]
            _tell_all(outcomes)
            del batch, first, running, outcomes

    def _commit(self, batch: list[Job[Any]], running: list[Job[Any]]) -> list[Outcome]:
        """One transaction for all that has gathered by the time that it is our turn."""
        began = time.monotonic()
        with self._turn.taken():
            self._gather(batch)
            self._sync(any(job.lasting for job in batch))
            self._refuse_others()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self._is_syncing:
                    self._gather(batch)
                running += [job for job in batch if job.take()]
                outcomes = self._apply_all(running)
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        counting.observe("database_commit_seconds", time.monotonic() - began, quietly=True)
        return outcomes

    def _refuse_others(self) -> None:
        """Raises DatabaseUnavailable where nobody would see the commit again; the keeper will mend that."""
        if self._failing is not None:
            raise self._failing
        now = time.monotonic()
        if self._files is None or now < self._next_look:
            return
        with contextlib.suppress(OSError):
            if Files.at(self._path) != self._files:
                raise DatabaseUnavailable(f"database {self._path}: other files lie in the place of those that are open")
        self._next_look = now + LOOK_SECONDS

    def _sync(self, wanted: bool) -> None:
        """Whether the next commit waits for the disk. The next one that does takes those before it along."""
        if wanted != self._is_syncing:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if wanted else 'NORMAL'}")
            self._is_syncing = wanted

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

    def _apply_all(self, jobs: list[Job[Any]]) -> list[Outcome]:
        """Runs each job in a savepoint, so that its failure is its own; the only one of a transaction needs none."""
        if len(jobs) == 1:
            return [self._apply(jobs[0], "ROLLBACK")]
        outcomes = []
        for job in jobs:
            self._connection.execute("SAVEPOINT job")
            outcomes.append(self._apply(job, "ROLLBACK TO job"))
            self._connection.execute("RELEASE job")
        return outcomes

    def _apply(self, job: Job[Any], undo: str) -> Outcome:
        """Runs a job; its failure undoes its own changes, trouble with the disk fails the whole commit."""
        try:
            return Outcome(job, job.fn(self._connection))
        except (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.InterruptError):
            raise
        except Exception as error:
            if not self._connection.in_transaction:
                raise
            self._connection.execute(undo)
            return Outcome(job, error=error)


def _tell_all(outcomes: list[Outcome]) -> None:
    """Tells everybody who waits; an event loop is woken once, however many of its jobs a commit held."""
    of_loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        if isinstance(outcome.job, LoopJob):
            of_loops.setdefault(outcome.job.loop, []).append(outcome)
        else:
            outcome.tell()
    for loop, of_loop in of_loops.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed, so nobody waits any more
            loop.call_soon_threadsafe(_tell, of_loop)


def _tell(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()
