"""What is over: rows of `outbox` whose fate is known, kept for people, and forgotten after a while if asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from onifast_shared.db.database import Connection

FINISHED = ("sent", "failed", "cancelled", "sandboxed")
STEP = 500
"""Rows that one look goes over."""


def finished(tx: Connection, before: float, after: int) -> tuple[list[int], int | None]:
    """The rows, of the next STEP after the id `after`, that were final before a time (epoch seconds).

    And the id to go on behind; None at the end.
    """
    rows: list[tuple[Any, ...]] = tx.execute(
        """
        SELECT id, status, max(coalesce(queued_ts, 0), release_ts,
                               coalesce((SELECT max(started_ts) FROM delivery_attempts WHERE outbox_id = outbox.id), 0))
        FROM outbox WHERE id > ? ORDER BY id LIMIT ?
        """,
        (after, STEP),
    ).fetchall()
    over = [int(row_id) for row_id, status, last_ts in rows if status in FINISHED and last_ts < before]
    return over, int(rows[-1][0]) if len(rows) == STEP else None


def forget(tx: Connection, ids: Iterable[int]) -> int:
    """Removes those of the rows that are over still, with their history; returns how many."""
    marks = ", ".join("?" * len(FINISHED))
    removed = 0
    for row_id in ids:
        tx.execute(f"DELETE FROM outbox WHERE id = ? AND status IN ({marks})", (row_id, *FINISHED))
        removed += tx.changes()
    return removed
