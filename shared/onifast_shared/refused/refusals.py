"""Refused mail: a short-lived record of each transaction that was turned away, for those who ask why mail is missing.

It holds no content of a message: what is kept of that lies elsewhere (`kept`). `owner` None stands for an
administrator, who sees every row but those that are set aside (`departed`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.refused import kept
from onifast_shared.refused.kept import KeptMessage
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
    """A kept refusal, and what is kept of the message, if anything is; `rescued_ts` is when that was fetched back."""

    id: int
    refused_ts: int
    refusal: Refusal
    kept: KeptMessage | None = None
    rescued_ts: int | None = None


def add(tx: Connection, refusal: Refusal, now: float, kept_id: int | None = None) -> None:
    """Keeps a record; `kept_id` is the message's number, where that is kept too."""
    item = refusal
    texts = (item.client, item.helo, item.submitted_by, item.sender, item.recipient)
    tx.execute(
        """
        INSERT INTO refusals (refused_ts, client, helo, submitted_by, sender, recipient, owner, stage, code, enhanced,
                              reason, authentication, kept_id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            int(now), *(text[:_MOST_TEXT] for text in texts), item.owner, item.stage, item.code, item.enhanced,
            item.reason[:_MOST_TEXT], json.dumps(dict(item.authentication)) if item.authentication else None, kept_id,
        ),
    )  # fmt: skip


def sweep(tx: Connection, before: float) -> None:
    """Forgets what is older than `before`, and the oldest of what is too much."""
    tx.execute("DELETE FROM refusals WHERE refused_ts < ?", (int(before),))
    tx.execute("DELETE FROM refusals WHERE id <= (SELECT max(id) FROM refusals) - ?", (MOST_ROWS,))


def list_page(
    tx: Connection,
    owner: str | None,
    *,
    since: float = 0,
    limit: int = 50,
    cursor: str | None = None,
    only_missing: bool = False,
) -> Page[RefusalRow]:
    """Refusals from `since` on, newest first; `only_missing`: those that `count_missing` counts. Raises CursorError."""
    where, bind = ["refused_ts >= ?", "id < ?"], list[Any]([int(since), paging.below(cursor)])
    if owner is None:
        where.append(LIVE)
    else:
        where.append("owner = ?")
        bind.append(owner)
    where += [_MISSING] if only_missing else []
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    rows, next_cursor = paging.cut(
        tx.execute(f"{_WITH_KEPT} FROM ({sql}) r {_JOIN}", (*bind, limit + 1)).fetchall(), limit
    )
    return Page([_row(row) for row in rows], next_cursor)


def get(tx: Connection, owner: str | None, refusal_id: int) -> RefusalRow | None:
    """A refusal; None where it does not exist or is somebody else's."""
    sql = f"{_SELECT} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2) AND {LIVE}"
    row = tx.execute(f"{_WITH_KEPT} FROM ({sql}) r {_JOIN}", (refusal_id, owner)).fetchone()
    return None if row is None else _row(row)


def set_rescued(tx: Connection, owner: str, kept_id: int, now: float) -> None:
    """A message was fetched back: its records, one for each recipient that is the same mailbox, say so."""
    sql = "UPDATE refusals SET rescued_ts = ?, kept_id = NULL WHERE owner = ? AND kept_id = ?"
    tx.execute(sql, (int(now), owner, kept_id))


def count_missing(tx: Connection, owner: str, since: float) -> int:
    """How much was refused after `since` that others sent to a user, and that they have not fetched back."""
    sql = f"SELECT count(*) FROM refusals WHERE owner = ? AND refused_ts > ? AND {_MISSING}"
    return int(tx.execute(sql, (owner, int(since))).get)


_MISSING = "coalesce(submitted_by, '') = '' AND rescued_ts IS NULL"
_COLUMNS = {
    "client": "client",
    "helo": "coalesce(helo, '') AS helo",
    "submitted_by": "coalesce(submitted_by, '') AS submitted_by",
    "sender": "coalesce(sender, '') AS sender",
    "recipient": "coalesce(recipient, '') AS recipient",
    "owner": "owner",
    "stage": "stage",
    "code": "code",
    "enhanced": "enhanced",
    "reason": "reason",
    "authentication": "authentication",
}
_SELECT = f"SELECT id, refused_ts, {', '.join(_COLUMNS.values())}, kept_id, rescued_ts FROM refusals"
_WITH_KEPT = f"SELECT r.*, {kept.COLUMNS}"
_JOIN = "LEFT JOIN refused_messages k ON k.id = r.kept_id AND k.owner = r.owner ORDER BY r.id DESC"


def _row(columns: Any) -> RefusalRow:
    row_id, refused_ts, *others = columns
    width = len(_COLUMNS)
    row = dict(zip(_COLUMNS, others[:width], strict=True))
    row["authentication"] = json.loads(row["authentication"]) if row["authentication"] else None
    return RefusalRow(row_id, refused_ts, Refusal(**row), kept.of_row(others[width + 2 :]), others[width + 1])
