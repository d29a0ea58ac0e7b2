"""Commits the results of deliveries: what has gathered when a commit begins is one change of the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.queue import returns
from onifast_shared.queue import store as queue
from onifast_shared.queue.store import HistoryEntry
from onifast_shared.webhooks import store as webhooks

T = TypeVar("T")


class JointTransaction:
    """A transaction that several results are written in, and what it says to all of them.

    What goes into `history` and `sent` (the Message-ID of each message that another site took, by its number in
    `contents`) is written when all have been: each statement gives the interpreter away to the event loop.
    """

    def __init__(self, tx: Connection) -> None:
        self.tx = tx
        self.history: list[HistoryEntry] = []
        self.sent: dict[int, str] = {}

    @cached_property
    def has_webhooks(self) -> bool:
        """Whether anybody may want to be told of a delivery."""
        return webhooks.exist(self.tx)

    def carry_out(self, writes: Iterable[Callable[[JointTransaction], Any]]) -> list[Any]:
        """What each of these returns, once all that they wrote is in the transaction."""
        results = [write(self) for write in writes]
        queue.record_all(self.tx, self.history)
        returns.note_sent(self.tx, self.sent)
        return results


class _Entry(NamedTuple):
    write: Callable[[JointTransaction], Any]
    future: asyncio.Future[Any]


class JointCommits:
    """Each change of the database costs a savepoint, a task and a timer; results that come together share them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._gathered: list[_Entry] = []
        self._has_asked = False
        self._commits: set[asyncio.Task[None]] = set()

    async def write(self, write: Callable[[JointTransaction], T]) -> T:
        """What `write` returns, once what it wrote is on disk; see Database.write, whose errors it raises.

        A write that was handed over is committed even if its caller is cancelled; the caller then waits for it.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._gathered.append(_Entry(write, future))
            has_asked, self._has_asked = self._has_asked, True
        if not has_asked:
            task = asyncio.create_task(self._commit())
            self._commits.add(task)
            task.add_done_callback(self._commits.discard)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # Where the loop itself ends, its commits do, and nobody is left who could tell how this one went.
            while self._commits and not future.done():
                ends: set[asyncio.Future[Any]] = {future, *self._commits}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            raise

    async def _commit(self) -> None:
        taken: list[_Entry] = []

        def change(tx: Connection) -> list[Any]:
            self._take(taken)
            return JointTransaction(tx).carry_out([entry.write for entry in taken])

        try:
            results = await self._db.awrite(change)
        except asyncio.CancelledError:
            # The event loop ends: nobody is to wait for what it will not hear of any more.
            self._take(taken)
            for entry in taken:
                entry.future.cancel()
            raise
        except Exception as error:
            self._take(taken)
            await self._mend(taken, error)
            return
        for entry, result in zip(taken, results, strict=True):
            entry.future.set_result(result)

    def _take(self, taken: list[_Entry]) -> None:
        """Takes what has gathered for a commit, if it has not taken anything; what comes later asks for another one."""
        with self._lock:
            if not taken:
                taken += self._gathered
                self._gathered, self._has_asked = [], False

    async def _mend(self, entries: list[_Entry], error: Exception) -> None:
        """Nothing was written. One that spoils a commit fails alone."""
        if len(entries) > 1 and not isinstance(error, DatabaseError):
            await asyncio.gather(*(self._alone(entry) for entry in entries))
            return
        for entry in entries:
            entry.future.set_exception(error)

    async def _alone(self, entry: _Entry) -> None:
        try:
            (result,) = await self._db.awrite(lambda tx: JointTransaction(tx).carry_out([entry.write]))
            entry.future.set_result(result)
        except asyncio.CancelledError:
            entry.future.cancel()
            raise
        except Exception as error:
            entry.future.set_exception(error)
