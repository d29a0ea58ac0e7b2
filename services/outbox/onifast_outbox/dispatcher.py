"""The deliverer's loop: waits for work, claims as much as there is room for, and hands it to couriers."""

from __future__ import annotations

import asyncio
import time

from onifast_shared import queue_claims, queue_due, queue_scripts
from onifast_shared.config import Settings
from onifast_shared.db import Connection, Database, DatabaseError
from onifast_shared.next_hops import NextHops
from onifast_shared.queue import Claim
from onifast_shared.queue_claims import Openings, Round, Turns

from onifast_outbox import maillog, script_rows
from onifast_outbox.courier import Courier
from onifast_outbox.leases import Leases
from onifast_outbox.poller import Wakeup


class Dispatcher:
    """Keeps claims in work. One claim is one message with up to a hundred of its recipients, for one destination."""

    def __init__(self, db: Database, settings: Settings, courier: Courier, leases: Leases, wakeup: Wakeup) -> None:
        self._db = db
        self._settings = settings
        self._courier = courier
        self._leases = leases
        self._wakeup = wakeup
        self._turns = Turns()
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
            seen = await self._db.aread(queue_due.glance)
            if seen.unprepared:
                await self._prepare()
                continue
            wait = None if seen.due_ts is None else seen.due_ts - time.time()
            is_due = seen.ready or seen.unplaced or (wait is not None and wait <= 0)
            if not is_due or len(self._tasks) >= self._settings.outbox_concurrency or not await self._claim():
                return wait if wait is None or wait > 0 else None

    async def _prepare(self) -> None:
        rows = await self._db.aread(queue_scripts.unprepared)
        await script_rows.prepare(self._db, rows, self._settings.hostname)

    async def _claim(self) -> bool:
        """Claim what there is room for and start it; False where nothing was changed, so that it is of no use to ask
        again before something happens.
        """
        openings = Openings(self._settings.outbox_concurrency - len(self._tasks), turns=self._turns)
        # Not to be cancelled half-way: rows that were claimed for nobody would wait for their lease to end.
        claiming = asyncio.ensure_future(self._db.awrite(lambda tx: self._take(tx, openings)))
        try:
            changed, found = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            for claim in (await claiming)[1].claims:
                self._start(claim)
            raise
        self._turns = found.turns
        for claim in found.claims:
            self._start(claim)
        return bool(changed or found.claims or found.put_off or found.more)

    def _take(self, tx: Connection, openings: Openings) -> tuple[int, Round]:
        """Make ready what is due, and claim, in one transaction; how many rows were made ready, and the claims."""
        now = time.time()
        changed = queue_due.place(tx) + queue_due.promote(tx, now)
        hops = NextHops(tx, self._settings)
        return changed, queue_claims.claim(tx, hops, self._leases.new(), openings, now)

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
