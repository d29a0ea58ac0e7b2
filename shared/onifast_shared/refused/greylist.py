"""What greylisting remembers: who tried to send to whom, since when, and whether they came back."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection

UNPROVEN_KEPT = 2 * 86400
"""Seconds that a client is remembered who did not come back."""

PROVEN_KEPT = 36 * 86400
"""Seconds after its last message that a client is remembered who did: monthly mail is not delayed each time."""

MOST = 100_000
"""Keys that are remembered after a sweep."""


@dataclass(frozen=True)
class GreylistEntry:
    """One key's history: first and last attempt (epoch seconds), and whether an attempt after the wait was seen."""

    first_ts: int
    last_ts: int
    passed: bool = False


def get(tx: Connection, key: str) -> GreylistEntry | None:
    """The history of a key, if there is one."""
    row = tx.execute("SELECT first_ts, last_ts, passed FROM greylist WHERE key = ?", (key,)).fetchone()
    return None if row is None else GreylistEntry(int(row[0]), int(row[1]), bool(row[2]))


def put(tx: Connection, key: str, entry: GreylistEntry) -> None:
    """Keeps the history of a key."""
    tx.execute(
        "INSERT INTO greylist (key, first_ts, last_ts, passed) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (key) DO UPDATE SET first_ts = ?2, last_ts = ?3, passed = ?4",
        (key, entry.first_ts, entry.last_ts, int(entry.passed)),
    )


def sweep(tx: Connection, now: float) -> None:
    """Forgets keys that are unused for long, and if there are still too many, the least useful.

    Those go first that did not come back, the oldest before the others: in a flood they are the flood's.
    """
    tx.execute(
        "DELETE FROM greylist WHERE last_ts < ? OR (passed = 0 AND last_ts < ?)",
        (int(now) - PROVEN_KEPT, int(now) - UNPROVEN_KEPT),
    )
    tx.execute(
        "DELETE FROM greylist WHERE key IN (SELECT key FROM greylist ORDER BY passed, last_ts"
        " LIMIT max(0, (SELECT count(*) FROM greylist) - ?))",
        (MOST,),
    )
