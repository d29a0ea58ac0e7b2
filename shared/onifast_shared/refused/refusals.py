"""Refused mail: a short-lived record of each transaction that was turned away, for those who ask why mail is missing.

It holds no content of a message. `owner` None stands for an administrator, who sees every row but those that are set
aside (`departed`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.values import paging
from onifast_shared.values.paging import Page
from onifast_shared.values.set_aside import LIVE

MOST_ROWS = 100_000
"""Rows that are kept at the most, however many a flood of refusals makes."""

_MOST_TEXT = 1000


@dataclass(frozen=True)
class Refusal:
    """What was refused, and why. `stage` is the SMTP command, `owner` whose recipient or sender it was."""

    client: str
    helo: str
    submitted_by: str
    sender: str
    recipient: str
    owner: str | None
    stage: str
    code: int
    enhanced: str
    reason: str
    authentication: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class RefusalRow:
    """A kept refusal."""

    id: int
    refused_ts: int
    refusal: Refusal


def add(tx: Connection, refusal: Refusal, now: float) -> None:
    """Keeps a record."""
    item = refusal
    texts = (item.client, item.helo, item.submitted_by, item.sender, item.recipient)
    tx.execute(
        """
        INSERT INTO refusals (refused_ts, client, helo, submitted_by, sender, recipient, owner, stage, code, enhanced,
                              reason, authentication)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            int(now), *(text[:_MOST_TEXT] for text in texts), item.owner, item.stage, item.code, item.enhanced,
            item.reason[:_MOST_TEXT], json.dumps(dict(item.authentication)) if item.authentication else None,
        ),
    )  # fmt: skip


def sweep(tx: Connection, before: float) -> None:
    """Forgets what is older than `before`, and the oldest of what is too much."""
    tx.execute("DELETE FROM refusals WHERE refused_ts < ?", (int(before),))
    tx.execute("DELETE FROM refusals WHERE id <= (SELECT max(id) FROM refusals) - ?", (MOST_ROWS,))


def list_page(
    tx: Connection, owner: str | None, *, since: float = 0, limit: int = 50, cursor: str | None = None
) -> Page[RefusalRow]:
    """Refusals after `since`, newest first. Raises CursorError."""
    where, bind = ["refused_ts >= ?", "id < ?"], list[Any]([int(since), paging.below(cursor)])
    if owner is None:
        where.append(LIVE)
    else:
        where.append("owner = ?")
        bind.append(owner)
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    rows, next_cursor = paging.cut(tx.execute(sql, (*bind, limit + 1)).fetchall(), limit)
    return Page([_row(row) for row in rows], next_cursor)


_COLUMNS = {
    "client": "client",
    "helo": "coalesce(helo, '')",
    "submitted_by": "coalesce(submitted_by, '')",
    "sender": "coalesce(sender, '')",
    "recipient": "coalesce(recipient, '')",
    "owner": "owner",
    "stage": "stage",
    "code": "code",
    "enhanced": "enhanced",
    "reason": "reason",
    "authentication": "authentication",
}
_SELECT = f"SELECT id, refused_ts, {', '.join(_COLUMNS.values())} FROM refusals"


def _row(columns: Any) -> RefusalRow:
    row_id, refused_ts, *others = columns
    row = dict(zip(_COLUMNS, others, strict=True))
    row["authentication"] = json.loads(row["authentication"]) if row["authentication"] else None
    return RefusalRow(row_id, refused_ts, Refusal(**row))
