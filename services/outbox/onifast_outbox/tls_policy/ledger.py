"""Notes what came of each connection's TLS, for the reports and for the memory of good TLS, and writes it now and then.

A connection must not wait for a commit that mail does not need: what a crash takes away is at most the statistics of
some seconds, never a message.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from onifast_shared.db.database import Connection, Database
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import results as tls_results
from onifast_shared.tls.results import SessionResult

from onifast_outbox import maillog
from onifast_outbox.tls_policy.requirement import Assurance

# Kinds of session that wait to be written; more than that between two writes are not told apart, but dropped.
_MOST_WAITING = 20_000
# Kinds of session that one transaction writes, so that none is long.
_MOST_AT_ONCE = 500


@dataclass(frozen=True)
class _Had:
    """What a domain's server had to offer, as the memory keeps it."""

    domain: str
    good: bool
    level: str
    host: str
    why: str = ""


class TlsLedger:
    """One for a process. Sessions are counted only `for_reports`; `now` gives epoch seconds."""

    def __init__(self, db: Database, *, for_reports: bool = True, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._for_reports = for_reports
        self._now = now
        self._sessions: Counter[SessionResult] = Counter()
        self._had: Counter[_Had] = Counter()

    def count(self, *results: SessionResult) -> None:
        """What a connection came to."""
        if self._for_reports and len(self._sessions) < _MOST_WAITING:
            self._sessions.update(results)

    def note_protection(self, domain: str, host: str, had: Assurance) -> None:
        """Mail can go over a connection that is so well protected."""
        why = had.trouble.text if had.trouble else ""
        if len(self._had) < _MOST_WAITING:
            self._had[_Had(domain, had.level.is_good, had.level.value, host, "" if had.level.is_good else why)] += 1

    async def sweep(self) -> None:
        """Forgets what is too old. Raises DatabaseError."""
        now = self._now()

        def forget(tx: Connection) -> None:
            tls_results.sweep(tx, now)
            tls_history.sweep(tx, now)

        await self._db.awrite(forget)

    async def flush(self) -> None:
        """Writes what was noted since the last time. Raises DatabaseError, and then keeps it."""
        while self._sessions or self._had:
            await self._flush_some()

    async def _flush_some(self) -> None:
        """As much as one short transaction holds."""
        sessions = Counter(dict(islice(self._sessions.items(), _MOST_AT_ONCE)))
        had = Counter(dict(islice(self._had.items(), _MOST_AT_ONCE)))
        now = self._now()

        def write(tx: Connection) -> list[tuple[_Had, str]]:
            tls_results.count(tx, sessions, now)
            return [(each, before) for each, times in had.items() if (before := _remember(tx, each, times, now))]

        downgraded = await self._db.awrite(write)
        self._sessions -= sessions
        self._had -= had
        for each, before in downgraded:
            maillog.tls_downgraded(each.domain, each.host, each.level, before, each.why)


def _remember(tx: Connection, had: _Had, times: int, now: float) -> str:
    """The level that a domain had before, if this is its first downgrade."""
    if had.good:
        tls_history.note_good(tx, had.domain, had.level, had.host, now)
        return ""
    return tls_history.note_less(tx, had.domain, level=had.level, host=had.host, why=had.why, times=times, now=now)
