"""Rows of `outbox` that other programs INSERTed or changed: completed here before the deliverer can claim them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.contents import ContentRef, attach
from onifast_shared.queue.store import STATES
from onifast_shared.values import queue_ids


@dataclass(frozen=True)
class ScriptRow:
    """A row with no message yet. All are the columns' text, '' for NULL."""

    id: int
    sender: str
    recipient: str
    subject: str
    body: str


def unprepared(tx: Connection, limit: int = 50) -> list[ScriptRow]:
    """Pending rows that only have the contract's columns: the oldest, and as many of the newest.

    So a script that writes thousands of rows does not delay one that writes a single one after it.
    """
    found: dict[int, ScriptRow] = {}
    for order in ("", "DESC"):
        rows: list[tuple[Any, ...]] = tx.execute(f"{_UNPREPARED} ORDER BY id {order} LIMIT ?", (limit // 2,)).fetchall()
        found |= {row[0]: ScriptRow(row[0], *map(str, row[1:])) for row in rows}
    return list(found.values())


@dataclass(frozen=True)
class PreparedRow:
    """What a row becomes: the message, its envelope, and its name."""

    ref: ContentRef
    sender: str
    recipients: list[str]
    queue_id: str = field(default_factory=queue_ids.new)


def prepare(tx: Connection, row: ScriptRow, made: PreparedRow) -> list[int]:
    """Gives a row its message; further recipients get rows of their own. Gives the ids; none if the row has changed."""
    content_id = attach(tx, made.ref)
    sql = f"UPDATE outbox SET content_id = ?, queue_id = ?, sender = ?, recipient = ? WHERE {_STILL_UNPREPARED}"
    tx.execute(sql, (content_id, made.queue_id, made.sender, made.recipients[0], row.id))
    if not tx.changes():
        return []
    return [row.id, *(_sibling(tx, row.id, recipient) for recipient in made.recipients[1:])]


def refuse(tx: Connection, row: ScriptRow, error: str) -> None:
    """A row that cannot become a message: `error` tells the script's author what to write instead."""
    tx.execute(
        f"UPDATE outbox SET status = 'failed', last_error = ? WHERE {_STILL_UNPREPARED}",
        (error, row.id),
    )


def unknown(tx: Connection) -> list[tuple[int, str]]:
    """The ids of rows with an unknown status, and that."""
    return [(int(row[0]), str(row[1])) for row in tx.execute(f"SELECT id, status FROM outbox WHERE {_IS_UNKNOWN}")]


def hold_unknown(tx: Connection) -> int:
    """Holds rows with an unknown status, so that nothing is lost or sent by mistake; returns how many."""
    tx.execute(_HOLD_UNKNOWN)
    return tx.changes()


# The states are spelt out as the index outbox_unknown does it, so that SQLite uses that.
_IS_UNKNOWN = f"""status NOT IN ({", ".join(f"'{state}'" for state in STATES)})"""
_HOLD_UNKNOWN = f"""
    UPDATE outbox SET last_error = 'status was ' || quote(status), status = 'held'
    WHERE {_IS_UNKNOWN}
"""
_UNPREPARED = """
    SELECT id, coalesce(sender, ''), coalesce(recipient, ''), coalesce(subject, ''), coalesce(body, '')
    FROM outbox WHERE content_id IS NULL AND status = 'pending'
"""
_STILL_UNPREPARED = "id = ? AND content_id IS NULL AND status = 'pending'"


def _sibling(tx: Connection, row_id: int, recipient: str) -> int:
    tx.execute(
        """
        INSERT INTO outbox (sender, recipient, subject, body, status, attempts, last_error, created_at, content_id,
                            queue_id, owner, origin, submitted_by, queued_ts)
        SELECT sender, ?, subject, body, status, attempts, last_error, created_at, content_id, queue_id, owner, origin,
               submitted_by, queued_ts
        FROM outbox WHERE id = ?
        """,
        (recipient, row_id),
    )
    return tx.last_insert_rowid()
