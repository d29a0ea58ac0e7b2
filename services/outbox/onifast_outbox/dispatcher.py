"""The deliverer's loop: waits for work, claims as much as there is room for, and hands it to couriers."""

from __future__ import annotations

import asyncio
import time

from onifast_shared import queue, queue_scripts
from onifast_shared.db import Connection, Database, DatabaseError
from onifast_shared.queue import Claim
from onifast_shared.queue_scripts import ScriptRow

from onifast_outbox import maillog, script_rows
from onifast_outbox.courier import Courier
from onifast_outbox.leases import Leases
from onifast_outbox.poller import Wakeup


class Dispatcher:
    """Keeps at most `room` claims in work. One claim is one message with up to a hundred of its recipients."""

    def __init__(
        self, db: Database, courier: Courier, leases: Leases, wakeup: Wakeup, *, room: int, hostname: str
    ) -> None:
        self._db = db
        self._courier = courier
        self._leases = leases
        self._wakeup = wakeup
        self._room = room
        self._hostname = hostname
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; `finish` then deals with what is in flight."""
        while True:
            pause: float | None = 1.0
            try:
                pause = await self.drain()
            except DatabaseError as error:
                maillog.trouble("claiming", error)
            except Exception:
                maillog.unforeseen("claiming")
            await self._wakeup.wait(pause)

    async def drain(self) -> float | None:
        """Start whatever is due; seconds until more is, or None where only an event brings more."""
        while True:
            unprepared, due = await self._db.aread(_waiting)
            if unprepared:
                await script_rows.prepare(self._db, unprepared, self._hostname)
                continue
            if due is None or len(self._tasks) >= self._room:
                return None
            wait = due - time.time()
            if wait > 0:
                return wait
            await self._claim()

    async def _claim(self) -> None:
        limit = self._room - len(self._tasks)
        # Not to be cancelled half-way: rows that were claimed for nobody would wait for their lease to end.
        claiming = asyncio.ensure_future(
            self._db.awrite(lambda tx: queue.claim(tx, self._leases.new(), time.time(), limit))
        )
        try:
            claims = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            for claim in await claiming:
                self._start(claim)
            raise
        for claim in claims:
            self._start(claim)

    def _start(self, claim: Claim) -> None:
        self._leases.keep(claim.token)
        task = asyncio.create_task(self._courier.deliver(claim))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(done, claim))

    def _end(self, task: asyncio.Task[None], claim: Claim) -> None:
        self._tasks.discard(task)
        self._leases.drop(claim.token)
        self._wakeup.wake()

    async def finish(self, limit: float) -> int:
        """Wait at most `limit` seconds for what is in flight, then give the rest back; how many were given back."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks, timeout=limit)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=limit)
        return len(late)


def _waiting(tx: Connection) -> tuple[list[ScriptRow], int | None]:
    """In one snapshot: rows that are no messages yet, and when the next message is due."""
    return queue_scripts.unprepared(tx), queue.next_due(tx)
