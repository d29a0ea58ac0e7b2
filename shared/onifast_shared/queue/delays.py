"""Delayed mail: queue rows that have waited long enough for their senders to be told, once for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.queue.store import QueueRow, Submission
from onifast_shared.values.reply import Reply, ReplyError

MOST_ROWS = 1000
"""Recipients that one notice speaks of."""


@dataclass(frozen=True)
class DelayedRow(QueueRow):
    """A recipient that waits. `host` and `said` are of the last attempt (`tried_ts`), if there was one."""

    queue_id: str
    last_error: str
    tried_ts: int | None
    host: str
    said: Reply | None


@dataclass(frozen=True)
class Delayed:
    """A message's recipients that have waited too long. Of the submission only what a notice needs is filled in."""

    content_id: int
    submission: Submission
    rows: tuple[DelayedRow, ...]


def oldest(tx: Connection, before: float) -> Delayed | None:
    """The longest delayed message among those queued before that time which nobody has thought of; None if none is."""
    head = tx.execute(
        """
        SELECT content_id, sender, submitted_by, origin, requiretls, dsn_envid, coalesce(queue_id, '')
        FROM outbox INDEXED BY outbox_delayed
        WHERE (status = 'deferred' OR status = 'pending' AND waits_for IS NOT NULL) AND delay_noted = 0
              AND content_id IS NOT NULL AND queued_ts <= ?
        ORDER BY queued_ts LIMIT 1
        """,
        (int(before),),
    ).fetchone()
    if head is None:
        return None
    content_id, sender, submitted_by, origin, requiretls, envid, queue_id = head
    rows: list[tuple[Any, ...]] = tx.execute(
        f"""
        {_SELECT}
        WHERE o.content_id = ? AND o.sender IS ? AND o.submitted_by IS ? AND o.queued_ts <= ? AND {_WAITS}
        ORDER BY o.id LIMIT ?
        """,
        (content_id, sender, submitted_by, int(before), MOST_ROWS),
    ).fetchall()
    submission = Submission(
        sender or "",
        origin,
        submitted_by=submitted_by,
        requiretls=bool(requiretls),
        envid=envid,
        queue_id=queue_id,
    )
    return Delayed(content_id, submission, tuple(_row(row) for row in rows))


def alike(tx: Connection, submission: Submission, before: float, limit: int = MOST_ROWS) -> list[DelayedRow]:
    """The longest delayed recipients of all messages of a sender, of one origin, which nobody has thought of."""
    rows: list[tuple[Any, ...]] = tx.execute(
        f"""
        {_SELECT}
        WHERE o.id IN (
            SELECT id FROM outbox INDEXED BY outbox_delayed
            WHERE (status = 'deferred' OR status = 'pending' AND waits_for IS NOT NULL) AND delay_noted = 0
                  AND content_id IS NOT NULL AND queued_ts <= ?
                  AND coalesce(sender, '') = ? AND origin IS ? AND requiretls IS ?
            ORDER BY queued_ts LIMIT ?)
        ORDER BY o.queued_ts
        """,
        (int(before), submission.sender, submission.origin, int(submission.requiretls), limit),
    ).fetchall()
    return [_row(row) for row in rows]


def note(tx: Connection, row_ids: Sequence[int]) -> bool:
    """Marks rows as thought of. False, and nothing marked, if one of them waits no more or is marked already."""
    if not all(tx.execute(f"SELECT 1 FROM outbox WHERE id = ? AND {_WAITS}", (row_id,)).get for row_id in row_ids):
        return False
    for row_id in row_ids:
        tx.execute("UPDATE outbox SET delay_noted = 1 WHERE id = ?", (row_id,))
    return True


def note_waiting(tx: Connection, row_ids: Sequence[int]) -> int:
    """Marks those of the rows as thought of that still wait; returns how many."""
    marked = 0
    for row_id in row_ids:
        tx.execute(f"UPDATE outbox SET delay_noted = 1 WHERE id = ? AND {_WAITS}", (row_id,))
        marked += tx.changes()
    return marked


_COLUMNS = {
    "id": "o.id",
    "recipient": "coalesce(o.recipient, '')",
    "attempts": "coalesce(o.attempts, 0)",
    "queued_ts": "coalesce(o.queued_ts, 0)",
    "notify": "o.dsn_notify",
    "orcpt": "o.dsn_orcpt",
    "queue_id": "coalesce(o.queue_id, '')",
    "last_error": "coalesce(o.last_error, '')",
    "tried_ts": "a.started_ts",
    "host": "coalesce(a.host, '')",
    "code": "a.code",
    "enhanced": "coalesce(a.enhanced, '')",
    "text": "coalesce(a.reply, '')",
}
_SELECT = f"""
    SELECT {", ".join(_COLUMNS.values())}
    FROM outbox o LEFT JOIN delivery_attempts a
         ON a.id = (SELECT max(id) FROM delivery_attempts WHERE outbox_id = o.id)
"""
_WAITS = """
    delay_noted = 0
    AND (status = 'deferred' OR status = 'pending' AND waits_for IS NOT NULL OR status = 'sending' AND attempts > 0)
"""


def _row(columns: tuple[Any, ...]) -> DelayedRow:
    row = dict(zip(_COLUMNS, columns, strict=True))
    said = _reply(row.pop("code"), row.pop("enhanced"), row.pop("text"))
    return DelayedRow(**row, said=said)


def _reply(code: int | None, enhanced: str, text: str) -> Reply | None:
    try:
        return None if code is None else Reply(code, enhanced, text)
    except ReplyError:
        return None
