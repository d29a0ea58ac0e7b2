"""The ready rows of the queue as claims look for them: by lane and domain, and by message, with one seek a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.queue.store import QUEUE_ROW_COLUMNS, SUBMISSION_COLUMNS, QueueRow, Submission, submission_of

SHORT = 16 * 1024
"""Octets up to which a message is read with its row, before it is known whether it can be claimed. At each statement
the writer's thread gives the interpreter away, which costs more than such a message."""


class ReadyRow(NamedTuple):
    """A ready row: its destination, what it may be claimed with, and what the claim needs."""

    domain: str
    sender: str | None
    submitted_by: str | None
    row: QueueRow
    submission: Submission

    @classmethod
    def of(cls, columns: Sequence[Any]) -> ReadyRow:
        """From the columns of _ROW."""
        domain, sender, submitted_by, *rest = columns
        count = len(QUEUE_ROW_COLUMNS)
        return cls(domain, sender, submitted_by, QueueRow(*rest[:count]), submission_of(rest[count:]))


class LaneHead(NamedTuple):
    """The oldest ready row of a lane and domain, with the bytes of its message if that is SHORT.

    It is `alone` where no other row of its message is ready.
    """

    first: ReadyRow
    content_id: int
    waits_for: str | None
    alone: bool
    size: int
    content: bytes | None

    @classmethod
    def of(cls, columns: Sequence[Any]) -> LaneHead:
        """From those of _NEXT_HEAD."""
        *row, content_id, waits_for, alone, size, content = columns
        return cls(ReadyRow.of(row), content_id, waits_for, bool(alone), size, content)


def next_lane(tx: Connection, after: str) -> str | None:
    """The lane after another one, the first behind the last; None where no row is ready."""
    lane = tx.execute(_NEXT_LANE, (after,)).get
    return None if lane is None else str(lane)


def next_head(tx: Connection, lane: str, after: str) -> LaneHead | None:
    """The oldest row of the lane's domain after another one, the first behind the last."""
    columns = tx.execute(_NEXT_HEAD, (lane, lane, after, lane)).fetchone()
    return None if columns is None else LaneHead.of(columns)


def next_domain(tx: Connection, content_id: int, after: str) -> str | None:
    """The domain after another one among those of a message's rows."""
    domain = tx.execute(_SIBLING_DOMAIN, (content_id, after)).get
    return None if domain is None else str(domain)


def siblings(tx: Connection, head: LaneHead, domain: str, limit: int) -> list[ReadyRow]:
    """The rows of a head's message and sender in a domain, the oldest first."""
    same = (head.content_id, head.first.sender, head.first.submitted_by)
    return [ReadyRow.of(columns) for columns in tx.execute(_SIBLINGS, (*same, domain, limit))]


def waiting(tx: Connection, lane: str, domain: str, limit: int) -> list[tuple[int, str | None, str | None, str | None]]:
    """Id, sender, submitter and `waits_for` of a lane's rows in a domain, the oldest first."""
    rows: list[tuple[Any, ...]] = tx.execute(_READY_OF, (lane, domain, limit)).fetchall()
    return [(row_id, sender, submitted_by, waits_for) for row_id, sender, submitted_by, waits_for in rows]


# The predicate of the indexes outbox_ready and outbox_siblings, word for word: that is how SQLite knows to use them.
_IS_READY = "ready = 1 AND status IN ('pending', 'deferred')"

# The lane or domain after the one that was served last; behind the last one, the first.
_NEXT_LANE = f"""
    SELECT coalesce(
        (SELECT lane FROM outbox INDEXED BY outbox_ready WHERE {_IS_READY} AND lane > ? ORDER BY lane LIMIT 1),
        (SELECT lane FROM outbox INDEXED BY outbox_ready WHERE {_IS_READY} AND lane >= '' ORDER BY lane LIMIT 1))
"""
_NEXT_DOMAIN = f"""
    SELECT coalesce(
        (SELECT domain FROM outbox INDEXED BY outbox_ready
         WHERE {_IS_READY} AND lane = ? AND domain > ? ORDER BY domain LIMIT 1),
        (SELECT domain FROM outbox INDEXED BY outbox_ready
         WHERE {_IS_READY} AND lane = ? AND domain >= '' ORDER BY domain LIMIT 1))
"""

_KEY = ("o.domain", "o.sender", "o.submitted_by")
_ROW = ", ".join((*_KEY, *QUEUE_ROW_COLUMNS.values(), *SUBMISSION_COLUMNS.values()))
_NEXT_HEAD = f"""
    SELECT {_ROW}, o.content_id, o.waits_for,
           NOT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_siblings
                       WHERE {_IS_READY} AND content_id = o.content_id AND id <> o.id),
           coalesce(c.size, 0), CASE WHEN c.size <= {SHORT} THEN c.data END
    FROM outbox o INDEXED BY outbox_ready LEFT JOIN contents c ON c.id = o.content_id
    WHERE {_IS_READY} AND lane = ? AND domain = ({_NEXT_DOMAIN}) ORDER BY o.id LIMIT 1
"""

_SIBLING_DOMAIN = f"""
    SELECT domain FROM outbox INDEXED BY outbox_siblings
    WHERE {_IS_READY} AND content_id = ? AND domain > ? ORDER BY domain LIMIT 1
"""
_SIBLINGS = f"""
    SELECT {_ROW} FROM outbox o INDEXED BY outbox_siblings
    WHERE {_IS_READY} AND content_id = ? AND sender IS ? AND submitted_by IS ? AND domain = ? ORDER BY id LIMIT ?
"""
_READY_OF = f"""
    SELECT id, sender, submitted_by, waits_for FROM outbox INDEXED BY outbox_ready
    WHERE {_IS_READY} AND lane = ? AND domain = ? ORDER BY id LIMIT ?
"""
