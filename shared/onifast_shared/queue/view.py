"""The queue as people see it: lists with history, searches, and what may be done to a waiting message.

`owner` None stands for an administrator, who sees every row but those that are set aside (`departed`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.queue import held
from onifast_shared.values import paging, stored_forms, times
from onifast_shared.values.paging import Page
from onifast_shared.values.reply import STAGES
from onifast_shared.values.set_aside import LIVE

ACTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "retry": ("pending", ("deferred", "failed", "held", "pending")),
    "cancel": ("cancelled", ("pending", "deferred", "held")),
    "hold": ("held", ("pending", "deferred")),
    "release": ("pending", ("held",)),
}
"""For each action the state it leads to and the states that it may start from."""


@dataclass(frozen=True)
class AttemptRow:
    """One server that an attempt at delivery came to, as stored.

    `outcome` is `delivered`, `deferred`, `failed`, `sandboxed`, or `passed_over` where the attempt went on to the next
    server, or what a notification told later (returns.OUTCOMES). `stages` are milliseconds by stage, in order
    (reply.STAGES); `tls_level` is one of reply.TLS_LEVELS or "".
    """

    started_ts: int
    duration_ms: int
    outcome: str
    host: str
    address: str
    tls: str
    code: int | None
    enhanced: str
    reply: str
    tls_level: str = ""
    stages: Mapping[str, int] = field(default_factory=dict)
    explanation: str = ""


@dataclass(frozen=True)
class OutboxRow:
    """A queue row. `next_attempt_ts` is None where no further attempt will be made.

    `release_ts` is the time that its sender chose, or 0; `undo` says that it waits only so that it can be called back.
    `sandbox_domain` is whose sandbox captured it, "" for the installation's; `original_recipient` who it was for before
    it was redirected, or "". `queue_id` is the message's one name, "" for one from before there were any.
    """

    id: int
    owner: str | None
    sender: str
    recipient: str
    subject: str
    status: str
    attempts: int
    last_error: str
    created_ts: int
    next_attempt_ts: int | None
    origin: str
    submitted_by: str
    email_id: int | None
    content_id: int | None
    history: tuple[AttemptRow, ...]
    release_ts: int = 0
    undo: bool = False
    sandbox_domain: str = ""
    original_recipient: str = ""
    queue_id: str = ""


class Search(NamedTuple):
    """What rows are looked for: of one status or of all (None), and with a text, in any case, in one of their words:
    sender, recipient, subject, who submitted them, or their message's queue id.
    """

    status: str | None = None
    text: str = ""


EVERYTHING = Search()


class Count(NamedTuple):
    """How many rows have a status, and since when the one that was queued first has waited, epoch seconds."""

    status: str
    rows: int
    oldest_ts: int


class RecipientState(NamedTuple):
    """How a recipient of a message stands, in short."""

    status: str
    release_ts: int
    undo: int


def list_page(
    tx: Connection, owner: str | None, search: Search = EVERYTHING, *, limit: int = 50, cursor: str | None = None
) -> Page[OutboxRow]:
    """Queue rows that a search finds, newest first. Raises CursorError."""
    where, bind = _conditions(owner, search)
    sql = f"{_SELECT} WHERE id < ?{where} ORDER BY id DESC LIMIT ?"
    found = tx.execute(sql, (paging.below(cursor), *bind, limit + 1)).fetchall()
    rows, next_cursor = paging.cut(found, limit)
    return Page([_row(tx, row) for row in rows], next_cursor)


def ids_after(
    tx: Connection, owner: str | None, search: Search, *, statuses: Sequence[str], after: int, limit: int
) -> list[int]:
    """Ids beyond `after`, in order, of rows that a search finds and that have one of these statuses."""
    where, bind = _conditions(owner, search)
    marks = ", ".join("?" * len(statuses))
    sql = f"SELECT id FROM outbox WHERE id > ?{where} AND status IN ({marks}) ORDER BY id LIMIT ?"
    return [row_id for (row_id,) in tx.execute(sql, (after, *bind, *statuses, limit))]


def _conditions(owner: str | None, search: Search) -> tuple[str, list[Any]]:
    """What stands behind the first condition of WHERE, and what it binds."""
    where, bind = f" AND {LIVE}", list[Any]()
    if owner is not None:
        where, bind = " AND owner = ?", [owner]
    if search.status:
        where += " AND status = ?"
        bind.append(search.status)
    if search.text:
        forms = stored_forms.searched(search.text)
        where += f" AND ({' OR '.join(f'instr(lower({column}), lower(?))' for column in _SEARCHED for _ in forms)})"
        bind += forms * len(_SEARCHED)
    return where, bind


def get(tx: Connection, owner: str | None, row_id: int) -> OutboxRow | None:
    """A queue row; None where it does not exist or is somebody else's."""
    row = tx.execute(f"{_SELECT} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2) AND {LIVE}", (row_id, owner)).fetchone()
    return None if row is None else _row(tx, row)


def for_email(tx: Connection, email_id: int) -> list[OutboxRow]:
    """The fate of each recipient of a message in sent."""
    return [_row(tx, row) for row in tx.execute(f"{_SELECT} WHERE email_id = ? ORDER BY id", (email_id,)).fetchall()]


def states_of(tx: Connection, email_ids: Iterable[int]) -> dict[int, list[RecipientState]]:
    """How the recipients of messages in sent stand; those that went through no queue are left out."""
    sql = "SELECT status, release_ts, undo FROM outbox WHERE email_id = ?"
    found = {each: [RecipientState(*row) for row in tx.execute(sql, (each,))] for each in email_ids}
    return {each: states for each, states in found.items() if states}


def counts(tx: Connection) -> list[Count]:
    """How many rows of each status there are, of those that have any; reads through all of them."""
    sql = """
        SELECT status, count(*), min(coalesce(nullif(queued_ts, 0), unixepoch(created_at), 0)) FROM outbox
        GROUP BY status ORDER BY status
    """
    return [Count(*row) for row in tx.execute(sql)]


def act(tx: Connection, owner: str | None, ids: Iterable[int], action: str, now: float) -> list[int]:
    """Does what ACTIONS allows; returns the ids of the rows that it changed.

    What a rule holds is let go by administrators alone: it may be there because of its owner. What waits for the time
    that its sender chose goes on waiting for it, whatever is done here: see waiting.put_off.
    """
    target, sources = ACTIONS[action]
    marks = ", ".join("?" * len(sources))
    let_go = " AND (status <> 'held' OR hold_rule IS NULL)" if target == "pending" else ""
    sql = (
        "UPDATE outbox SET status = ?, next_attempt_ts = 0, queued_ts = CASE ? WHEN 'pending' THEN ? ELSE queued_ts END"
        f" WHERE id = ? AND (? IS NULL OR owner = ?{let_go}) AND {LIVE} AND status IN ({marks})"
        " AND (? <> 'retry' OR status <> 'pending' OR release_ts <= ?)"
    )
    changed = []
    for row_id in ids:
        tx.execute(sql, (target, target, int(now), row_id, owner, owner, *sources, action, now))
        if tx.changes():
            changed.append(row_id)
    if target == "pending":
        _keep_waiting(tx, changed, now)
    if target == "held":
        held.tell(tx, changed, now)
    return changed


def _keep_waiting(tx: Connection, ids: Iterable[int], now: float) -> None:
    """A message that was held before its sender's time has come goes on waiting for it."""
    sql = "UPDATE outbox SET next_attempt_ts = release_ts, queued_ts = release_ts WHERE id = ? AND release_ts > ?"
    tx.executemany(sql, ((row_id, now) for row_id in ids))


_SEARCHED = ("sender", "recipient", "subject", "submitted_by", "coalesce(queue_id, '')")

_COLUMNS = {
    "id": "id",
    "owner": "owner",
    "sender": "coalesce(sender, '')",
    "recipient": "coalesce(recipient, '')",
    "subject": "coalesce(subject, '')",
    "status": "status",
    "attempts": "coalesce(attempts, 0)",
    "last_error": "coalesce(last_error, '')",
    "created_at": "created_at",
    "next_attempt_ts": "next_attempt_ts",
    "origin": "origin",
    "submitted_by": "coalesce(submitted_by, '')",
    "email_id": "(SELECT e.id FROM emails e WHERE e.id = outbox.email_id)",
    "content_id": "content_id",
    "queued_ts": "coalesce(queued_ts, 0)",
    "release_ts": "release_ts",
    "undo": "undo",
    "sandbox_domain": "coalesce(sandbox_domain, '')",
    "original_recipient": "coalesce(original_recipient, '')",
    "queue_id": "coalesce(queue_id, '')",
}
_SELECT = f"SELECT {', '.join(_COLUMNS.values())} FROM outbox"


def _row(tx: Connection, columns: tuple[Any, ...]) -> OutboxRow:
    row = dict(zip(_COLUMNS, columns, strict=True))
    created_ts, queued_ts = times.parse(row.pop("created_at")), int(row.pop("queued_ts"))
    waits = row["status"] in ("pending", "deferred")
    # Other programs write into these, and SQLite keeps whatever type they wrote.
    texts = {name: str(row[name]) for name in ("sender", "recipient", "subject", "last_error", "queue_id")}
    row |= texts | {"attempts": int(row["attempts"]), "release_ts": int(row["release_ts"]), "undo": bool(row["undo"])}
    row["next_attempt_ts"] = (int(row["next_attempt_ts"]) or queued_ts) if waits else None
    return OutboxRow(**row, created_ts=queued_ts if created_ts is None else created_ts, history=_history(tx, row["id"]))


_ATTEMPT = {
    "started_ts": "started_ts",
    "duration_ms": "duration_ms",
    "outcome": "outcome",
    "host": "coalesce(host, '')",
    "address": "coalesce(address, '')",
    "tls": "coalesce(tls, '')",
    "code": "code",
    "enhanced": "coalesce(enhanced, '')",
    "reply": "coalesce(reply, '')",
    "tls_level": "tls_level",
    "stages": "stages",
    "explanation": "explanation",
}


def _history(tx: Connection, row_id: int) -> tuple[AttemptRow, ...]:
    sql = f"SELECT {', '.join(_ATTEMPT.values())} FROM delivery_attempts WHERE outbox_id = ? ORDER BY id"
    return tuple(_attempt(columns) for columns in tx.execute(sql, (row_id,)))


def _attempt(columns: tuple[Any, ...]) -> AttemptRow:
    row = dict(zip(_ATTEMPT, columns, strict=True))
    return AttemptRow(**row | {"stages": _milliseconds(row["stages"])})


def _milliseconds(stages: str) -> dict[str, int]:
    """The durations by stage; none where other programs wrote what is no such thing."""
    try:
        found = json.loads(stages)
    except ValueError:
        return {}
    return {name: found[name] for name in STAGES if type(found.get(name)) is int} if isinstance(found, dict) else {}
