"""The store of past calls: what each event's last attempt came to, for people to see and to have told again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.values.paging import Page, below, cut
from onifast_shared.webhooks import store
from onifast_shared.webhooks.store import WaitingEvent, Webhook

CallState = Literal["told", "failing", "dropped"]
"""`failing` is tried again; `dropped` is not."""

MOST_KEPT = 10_000
"""Calls kept of one webhook: beyond them the oldest go."""

LONGEST_EXCERPT = 500
"""Characters of what a receiver answered."""

_CUT_EVERY = 200


@dataclass(frozen=True)
class CallResult:
    """One attempt. `status` is None where there was no answer; `problem` "" for success."""

    status: int | None
    milliseconds: int
    response: str = ""
    problem: str = ""


@dataclass(frozen=True)
class PastCall:
    """An event and its last attempt. Times are epoch seconds; `next_ts` None where none follows."""

    id: int
    webhook_id: int
    message_id: str
    payload: str
    state: CallState
    attempts: int
    called_ts: int
    status: int | None
    milliseconds: int
    response: str
    problem: str
    next_ts: int | None


class WaitsAlready(ValueError):
    """So much waits for a webhook that nothing more can be told again."""


def excerpt(body: bytes) -> str:
    """The beginning of an answer, in one line."""
    text = " ".join(body[: 4 * LONGEST_EXCERPT].decode("utf-8", "replace").split())
    return "".join(each for each in text if each.isprintable())[:LONGEST_EXCERPT]


def record(
    tx: Connection, event: WaitingEvent, webhook_id: int, result: CallResult, *, next_ts: int | None, now: float
) -> None:
    """Writes down an attempt, in the transaction that settles it; `next_ts` is that of the next, None for none."""
    state: CallState = "told" if not result.problem else "dropped" if next_ts is None else "failing"
    tx.execute(
        """
        INSERT INTO webhook_calls (webhook_id, message_id, payload, state, called_ts, status, milliseconds, response,
                                   problem, next_ts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (webhook_id, message_id) DO UPDATE SET state = ?4, attempts = attempts + 1, called_ts = ?5,
            status = ?6, milliseconds = ?7, response = ?8, problem = ?9, next_ts = ?10
        """,
        (
            *(webhook_id, event.message_id, event.payload, state, int(now), result.status, result.milliseconds),
            *(result.response, result.problem, next_ts),
        ),
    )
    if not event.id % _CUT_EVERY:
        _cut(tx, webhook_id)


def list_page(
    tx: Connection, webhook_id: int, *, state: str = "", limit: int = 50, cursor: str | None = None
) -> Page[PastCall]:
    """A webhook's calls, newest first by their first attempt; raises CursorError."""
    where, bind = "webhook_id = ? AND id < ?", list[Any]([webhook_id, below(cursor)])
    if state:
        where += " AND state = ?"
        bind.append(state)
    rows = tx.execute(f"{_SELECT} WHERE {where} ORDER BY id DESC LIMIT ?", (*bind, limit + 1)).fetchall()
    shown, next_cursor = cut(rows, limit)
    return Page([PastCall(*row) for row in shown], next_cursor)


def replay(tx: Connection, webhook: Webhook, ids: Iterable[int], now: float) -> list[int]:
    """Has events told again, with the ids that they had; what waits for another attempt gets it now.

    Gives the calls that there are. Raises WaitsAlready.
    """
    found = [row for each in ids if (row := _find(tx, webhook.id, each))]
    for row in found:
        tx.execute(
            "UPDATE webhook_events SET next_ts = ? WHERE webhook_id = ? AND message_id = ?",
            (int(now), webhook.id, row.message_id),
        )
        if not tx.changes() and not store.add_event(tx, webhook.id, row.payload, now, message_id=row.message_id):
            raise WaitsAlready(f"{store.MOST_WAITING:,} events wait for this webhook already")
        tx.execute("UPDATE webhook_calls SET state = 'failing', next_ts = ? WHERE id = ?", (int(now), row.id))
    return [row.id for row in found]


def expire(tx: Connection, before: float, limit: int = 500) -> int:
    """Forgets some calls whose last attempt was before then and that none follows; how many."""
    tx.execute(
        "DELETE FROM webhook_calls WHERE id IN (SELECT id FROM webhook_calls WHERE called_ts < ? AND next_ts IS NULL"
        " ORDER BY called_ts LIMIT ?)",
        (int(before), limit),
    )
    return int(tx.changes())


_SELECT = (
    "SELECT id, webhook_id, message_id, payload, state, attempts, called_ts, status, milliseconds, response, problem,"
    " next_ts FROM webhook_calls"
)


def _find(tx: Connection, webhook_id: int, call_id: int) -> PastCall | None:
    row = tx.execute(f"{_SELECT} WHERE id = ? AND webhook_id = ?", (call_id, webhook_id)).fetchone()
    return None if row is None else PastCall(*row)


def _cut(tx: Connection, webhook_id: int) -> None:
    tx.execute(
        "DELETE FROM webhook_calls WHERE webhook_id = ?1 AND id <="
        " (SELECT id FROM webhook_calls WHERE webhook_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (webhook_id, MOST_KEPT),
    )
