"""Makes rows ready: those whose time has come, those whose destination lives again, and those of other programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.queue.store import domain_of, lane_of

MOST_AT_ONCE = 500
"""Rows that one step changes, so that no transaction is long."""


@dataclass(frozen=True)
class Glance:
    """What the queue asks for at this moment. `due_ts` is when the next waiting row is due; None if none waits."""

    unprepared: bool
    unplaced: bool
    ready: bool
    due_ts: int | None


def glance(tx: Connection) -> Glance:
    """Four seeks, whatever the size of the queue."""
    row: tuple[Any, ...] = tx.execute(_GLANCE).fetchall()[0]
    return Glance(bool(row[0]), bool(row[1]), bool(row[2]), None if row[3] is None else int(row[3]))


def oldest_due(tx: Connection, now: float) -> float | None:
    """Since when, in epoch seconds, rows that are due should have been tried; None where none is.

    Of those that are ready it looks at the first MOST_AT_ONCE, whose age is that of all where nobody claims any.
    """
    found = [since for (since,) in tx.execute(_READY_SINCE)]
    found += [since for (since,) in tx.execute(_NEXT_DUE) if since is not None and since <= now]
    return min(map(float, found), default=None)


def promote(tx: Connection, now: float, limit: int = MOST_AT_ONCE) -> int:
    """Makes rows ready that are due, the longest waiting first; returns how many."""
    tx.execute(_PROMOTE, (int(now), limit))
    return tx.changes()


def wake(tx: Connection, destination: str, now: float, limit: int = MOST_AT_ONCE) -> int:
    """Makes rows ready that were put off because their destination could not be reached; returns how many."""
    tx.execute(_WAKE, (int(now), destination, limit))
    return tx.changes()


class DuePosition(NamedTuple):
    """Where a walk over the waiting rows goes on: after this row."""

    next_attempt_ts: float
    row_id: int


def recall(
    tx: Connection, latest: float, now: float, after: DuePosition | None = None, limit: int = MOST_AT_ONCE
) -> DuePosition | None:
    """Has rows tried now whose next attempt lies after `latest`, which no wait of ours does.

    A clock that was set back leaves them. What its sender wants to go later is left alone: there may be any number of
    that, so this looks at the next `limit` rows only, and gives where to go on; None at the end.
    """
    begin = max(DuePosition(int(latest), _LAST_ID), after) if after else DuePosition(int(latest), _LAST_ID)
    rows: list[tuple[Any, ...]] = tx.execute(_LATEST, (*begin, limit)).fetchall()
    tx.executemany(_TRY_AT, [(int(now), row_id) for _, row_id, is_wait_of_ours in rows if is_wait_of_ours])
    return DuePosition(*rows[-1][:2]) if len(rows) == limit else None


def place(tx: Connection, limit: int = MOST_AT_ONCE) -> int:
    """Gives rows that other programs wrote or readdressed, and earlier ones left, lane and domain; returns how many."""
    rows: list[tuple[Any, ...]] = tx.execute(_UNPLACED, (limit,)).fetchall()
    for row_id, recipient, sender, owner, submitted_by in rows:
        tx.execute(_PLACE, (domain_of(recipient), lane_of(sender, owner, submitted_by), row_id))
    return len(rows)


_IS_WAITING = "ready = 0 AND status IN ('pending', 'deferred') AND domain IS NOT NULL"
_IS_UNPLACED = "domain IS NULL AND content_id IS NOT NULL AND status IN ('pending', 'deferred')"

_NEXT_DUE = f"SELECT min(next_attempt_ts) FROM outbox INDEXED BY outbox_waiting WHERE {_IS_WAITING}"
_GLANCE = f"""
    SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_unprepared
                   WHERE content_id IS NULL AND status = 'pending' AND id > 0),
           EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_unplaced WHERE {_IS_UNPLACED} AND id > 0),
           EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_ready
                   WHERE ready = 1 AND status IN ('pending', 'deferred') AND lane >= ''),
           ({_NEXT_DUE})
"""
_READY_SINCE = f"""
    SELECT max(next_attempt_ts, queued_ts) FROM outbox INDEXED BY outbox_ready
    WHERE ready = 1 AND status IN ('pending', 'deferred') AND lane >= '' LIMIT {MOST_AT_ONCE}
"""
_PROMOTE = f"""
    UPDATE outbox SET ready = 1
    WHERE id IN (SELECT id FROM outbox INDEXED BY outbox_waiting
                 WHERE {_IS_WAITING} AND next_attempt_ts <= ? ORDER BY next_attempt_ts LIMIT ?)
"""
_WAKE = """
    UPDATE outbox SET ready = 1, waits_for = NULL, next_attempt_ts = ?
    WHERE id IN (SELECT id FROM outbox INDEXED BY outbox_put_off
                 WHERE waits_for = ? AND ready = 0 AND status IN ('pending', 'deferred') ORDER BY id LIMIT ?)
"""
_LATEST = f"""
    SELECT next_attempt_ts, id, status = 'deferred' OR waits_for IS NOT NULL FROM outbox INDEXED BY outbox_waiting
    WHERE {_IS_WAITING} AND (next_attempt_ts, id) > (?, ?) ORDER BY next_attempt_ts, id LIMIT ?
"""
_LAST_ID = 2**63 - 1
_TRY_AT = "UPDATE outbox SET next_attempt_ts = ? WHERE id = ?"
_UNPLACED = f"""
    SELECT id, coalesce(recipient, ''), coalesce(sender, ''), owner, submitted_by
    FROM outbox INDEXED BY outbox_unplaced WHERE {_IS_UNPLACED} AND id > 0 ORDER BY id LIMIT ?
"""
_PLACE = "UPDATE outbox SET domain = ?, lane = ? WHERE id = ?"
