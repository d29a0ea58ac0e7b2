"""make bench-queue - what claiming and settling cost, with ten rows in the queue and with a million.

    .venv/bin/python -m bench.queue [--rows N …] [--rounds N] [--directory DIR]

Fills a queue of its own: of ten rows four are ready, from 100 senders to 50 domains, three wait for a later attempt,
two are put off because their destination is dead, and one was sent. Then it does what a deliverer does for each
message: a look, one transaction that makes ready what is due and claims one message with its bytes, and one that
settles it. The figures are medians and 99th percentiles in milliseconds of wall clock, commits included.

The directory is /dev/shm unless given, so that the disk does not hide what the queue costs. Needs no rights.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import store as queue
from onifast_shared.queue.claims import ClaimCapacity, LaneTurns
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.store import Claim, DeliveryAttempt, Lease

T = TypeVar("T")

ROWS = (10, 10_000, 1_000_000)
ROUNDS = 500
LEASE = Lease("bench", 0, 60_000)

_CONTENTS = """
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?)
    INSERT INTO contents (size, data, created_ts) SELECT 100, zeroblob(100), 0 FROM counted
"""
_ROWS = """
    INSERT INTO outbox (sender, recipient, subject, body, status, attempts, last_error, created_at, content_id, owner,
                        origin, queued_ts, next_attempt_ts, domain, lane, ready, waits_for)
    SELECT 'user@sender' || id % 100 || '.test', 'x@d' || id % 50 || '.test', 'bench', '',
           CASE WHEN id % 10 < 4 THEN 'pending' WHEN id % 10 < 9 THEN 'deferred' ELSE 'sent' END,
           0, '', CURRENT_TIMESTAMP, id, NULL, 'smtp', :now, CASE WHEN id % 10 < 4 THEN 0 ELSE :now + 3000 + id END,
           'd' || id % 50 || '.test', 'sender' || id % 100, id % 10 < 4,
           CASE WHEN id % 10 IN (7, 8) THEN 'd' || id % 50 || '.test' END
    FROM contents
"""


@dataclass
class Times:
    """Milliseconds of each step, one for each message."""

    look: list[float] = field(default_factory=list)
    claim: list[float] = field(default_factory=list)
    settle: list[float] = field(default_factory=list)


class Deliverer:
    """Claims and settles, one message at a time."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._turns = LaneTurns()

    def round(self, times: Times) -> bool:
        """One message; False if none was ready."""
        now = time.time()
        _timed(times.look, lambda: self._db.peek(queue_due.glance))
        claims = _timed(times.claim, lambda: self._db.write(lambda tx: self._claim(tx, now)))
        if claims:
            _timed(times.settle, lambda: self._db.write(lambda tx: _settle(tx, claims[0], now)))
        return bool(claims)

    def _claim(self, tx: Connection, now: float) -> list[Claim]:
        queue_due.place(tx)
        queue_due.promote(tx, now)
        wanted = ClaimCapacity(1, turns=self._turns)
        found = queue_claims.claim(tx, NextHops(tx, self._settings), LEASE, wanted, now)
        self._turns = found.turns
        return found.claims


def _settle(tx: Connection, claim: Claim, now: float) -> None:
    for row in claim.rows:
        queue.settle(tx, claim.token, row.id, "sent", attempt=DeliveryAttempt(int(now), 1, "delivered"))


def _timed(into: list[float], work: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = work()
    into.append((time.perf_counter() - began) * 1000)
    return result


def measure(rows: int, rounds: int, directory: Path) -> Times:
    """Fills a queue with so many rows, and works it off for some rounds."""
    settings = Settings(root=directory, hostname="bench.test")
    db = Database.open(settings.database)
    try:
        db.write(lambda tx: tx.execute(_CONTENTS, (rows,)))
        db.write(lambda tx: tx.execute(_ROWS, {"now": int(time.time())}))
        times, deliverer = Times(), Deliverer(db, settings)
        for _ in range(rounds):
            if not deliverer.round(times):
                db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'pending', ready = 1 WHERE status = 'sent'"))
        return times
    finally:
        db.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures each size and shows one line for it."""
    parser = argparse.ArgumentParser(description="Measure what the queue costs.")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"))
    asked = parser.parse_args(arguments)
    print(f"{'rows':>9}  {'look':>15}  {'claim':>15}  {'settle':>15}   ms: median, 99th percentile")
    for rows in asked.rows:
        with tempfile.TemporaryDirectory(dir=asked.directory) as name:
            times = measure(rows, asked.rounds, Path(name))
        print(f"{rows:>9}  " + "  ".join(f"{_shown(each):>15}" for each in (times.look, times.claim, times.settle)))
    return 0


def _shown(values: list[float]) -> str:
    last = statistics.quantiles(values, n=100)[-1] if len(values) > 1 else values[0]
    return f"{statistics.median(values):.3f} {last:.3f}"


if __name__ == "__main__":
    sys.exit(main())
