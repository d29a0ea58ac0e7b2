"""The deferred_writes: small records that nobody waits for, written in batches and swept now and then.

What is noted here may be lost in a crash; what a client was told is never noted here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from onifast_shared.accounts import login_places
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.limits import store as sending_limits
from onifast_shared.refused import dmarc_reports, dns_failures, greylist, refusals

from onifast_smtpd import maillog

MOST_WAITING = 1000  # notes that wait to be written; in a flood the rest is dropped
SWEEP_INTERVAL = 3600.0  # seconds

Note = Callable[[Connection], None]


class DeferredWrites:
    """Takes notes from the event loop, and writes them in transactions of its own."""

    def __init__(self, database: Database, kept: float) -> None:
        self._database = database
        self._kept = kept
        self._waiting: list[Note] = []
        self._writing: asyncio.Task[None] | None = None
        self._next_sweep = 0.0

    def jot(self, note: Note) -> None:
        """Takes a note; returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.append(note)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def settled(self) -> None:
        """Returns when all notes so far are written."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while self._waiting:
            notes, self._waiting = self._waiting, []
            now = time.time()
            before = None
            if now >= self._next_sweep:
                self._next_sweep, before = now + SWEEP_INTERVAL, now - self._kept
            try:
                await self._database.awrite(partial(_write, notes=notes, now=now, before=before))
            except DatabaseError as error:
                maillog.database_trouble("deferred_writes", error)


def _write(tx: Connection, notes: list[Note], now: float, before: float | None) -> None:
    if before is not None:
        refusals.sweep(tx, before)
        dmarc_reports.sweep(tx, now)
        greylist.sweep(tx, now)
        dns_failures.sweep(tx, now)
        login_places.sweep(tx, now)
        sending_limits.sweep(tx, now, before)
    for note in notes:
        note(tx)
