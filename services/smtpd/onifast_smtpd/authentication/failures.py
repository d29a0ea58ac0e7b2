"""The patience with DNS look-ups that stand between a message and a refusal: a day for each, over all processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from onifast_shared.db.database import Database
from onifast_shared.refused import dns_failures

from onifast_smtpd.authentication.lookup import LookupHistory
from onifast_smtpd.records.deferred_writes import DeferredWrites

PATIENCE = 86_400.0  # seconds that mail waits for a look-up; then it counts as one that finds nothing
REREAD = 60.0  # seconds after which what other processes noted is read again


class Failures:
    """The clocks of failing look-ups; one for a process. `clock` gives epoch seconds."""

    def __init__(self, database: Database, deferred_writes: DeferredWrites, clock: Callable[[], float]) -> None:
        self._database = database
        self._deferred_writes = deferred_writes
        self._clock = clock
        self._known: frozenset[str] = frozenset()
        self._reread_at = float("-inf")

    async def history(self) -> LookupHistory:
        """The history for one message: where a clock runs, an answer is to be noticed. Raises DatabaseError."""
        now = time.monotonic()
        if now >= self._reread_at:
            self._reread_at = now + REREAD
            self._known = await self._database.aread(dns_failures.known)
        return LookupHistory(watched=self._known)

    async def overdue(self, lookups: Collection[str]) -> frozenset[str]:
        """Those that have failed for longer than mail waits. Raises DatabaseError."""
        if not lookups:
            return frozenset()
        now = self._clock()
        since = await self._database.aread(lambda tx: dns_failures.since(tx, lookups, now))
        return frozenset(lookup for lookup, first in since.items() if now - first >= PATIENCE)

    def failed(self, lookups: Collection[str], organization: str) -> None:
        """Notes that mail of an author of that organization waits for look-ups, or did so for too long."""
        if lookups:
            now = self._clock()
            if len(self._known) < dns_failures.MOST:
                self._known |= frozenset(lookups)
            self._deferred_writes.jot(lambda tx: dns_failures.note(tx, lookups, organization, now))

    def answered(self, lookups: Collection[str]) -> None:
        """Notes that look-ups have an answer again."""
        if lookups:
            self._known -= frozenset(lookups)
            self._deferred_writes.jot(lambda tx: dns_failures.forget(tx, lookups))
