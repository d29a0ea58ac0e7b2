"""Puts right what crashes and other programs leave behind: dead leases, unknown states, bytes that nobody refers to.

And what a clock leaves behind that was set back: waits that are longer than any of ours. And forwards of addresses that
scripts gave to somebody else.
"""

from __future__ import annotations

from typing import Literal

from onifast_shared.accounts import audit
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, put_away
from onifast_shared.metrics import store as metrics
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import history as queue_history
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue import suppressions
from onifast_shared.queue.due import DuePosition
from onifast_shared.recipients import forwards
from onifast_shared.refused import kept
from onifast_shared.webhooks import calls as webhook_calls

from onifast_outbox import maillog
from onifast_outbox.claiming.dispatcher import LONGEST_PUT_OFF
from onifast_outbox.claiming.leases import Leases

SWEEP_INTERVAL = 3600


class Janitor:
    """`tidy` is called every few seconds; it sweeps the stored bytes once an hour."""

    def __init__(self, db: Database, leases: Leases, settings: Settings) -> None:
        self._db = db
        self._leases = leases
        self._longest_wait = max(settings.retry_max * 1.1, LONGEST_PUT_OFF) + 60
        self._history = settings.queue_history
        self._refused_kept = min(settings.refused_kept_whole, settings.refusals_kept)
        self._audit_kept = settings.audit_kept
        self._webhook_calls_kept = settings.webhook_calls_kept
        self._metrics_kept = settings.metrics_kept
        self._put_away_kept: tuple[tuple[Literal["trash", "junk"], float], ...] = (
            ("trash", settings.trash_kept),
            ("junk", settings.junk_kept),
        )
        self._next_sweep = 0.0
        self._looked: DuePosition | None = None

    async def tidy(self, now: float) -> None:
        """One round. Raises DatabaseError."""
        released, held, self._looked = await self._db.awrite(lambda tx: self._mend(tx, now))
        if released or held:
            maillog.mended(released, held)
        if now >= self._next_sweep:
            await self._sweep(now)
            self._next_sweep = now + SWEEP_INTERVAL

    def _mend(self, tx: Connection, now: float) -> tuple[int, int, DuePosition | None]:
        forwards.end_of_earlier_owners(tx)
        looked = queue_due.recall(tx, now + self._longest_wait, now, self._looked)
        return self._leases.release_dead(tx), queue_scripts.hold_unknown(tx), looked

    async def _sweep(self, now: float) -> None:
        """In small steps, so that no writer waits for it."""
        await self._db.awrite(lambda tx: suppressions.sweep(tx, now))
        if self._history:
            await self._forget(now - self._history)
        while await self._db.awrite(lambda tx: kept.expire(tx, now - self._refused_kept)):
            pass
        while await self._db.awrite(lambda tx: audit.expire(tx, now - self._audit_kept)):
            pass
        while await self._db.awrite(lambda tx: webhook_calls.expire(tx, now - self._webhook_calls_kept)):
            pass
        while await self._db.awrite(lambda tx: metrics.sweep(tx, now, self._metrics_kept)):
            pass
        for folder, kept_for in self._put_away_kept:
            while kept_for and await self._db.awrite(
                lambda tx, folder=folder, before=now - kept_for: put_away.expire(tx, folder, before)  # type: ignore[misc]
            ):
                pass
        after: int | None = 0
        while after is not None:
            start = after
            unused, after = await self._db.aread(lambda tx, start=start: contents.orphans(tx, now, start))  # type: ignore[misc]
            for content_id in unused:
                await self._db.awrite(lambda tx, one=content_id: contents.remove_unused(tx, [one]))  # type: ignore[misc]

    async def _forget(self, before: float) -> None:
        """What was over before then leaves the queue; its bytes go with the sweep, unless a mailbox has them."""
        after: int | None = 0
        while after is not None:
            start = after
            over, after = await self._db.aread(lambda tx, start=start: queue_history.finished(tx, before, start))  # type: ignore[misc]
            if over:
                await self._db.awrite(lambda tx, over=over: queue_history.forget(tx, over))  # type: ignore[misc]
