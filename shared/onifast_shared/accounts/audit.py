"""The audit trail: who did what to whose things, and from where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.values.paging import Page, below, cut

MOST_DETAILS = 4096
"""Characters of details as JSON; longer ones are left out, since they can be a stranger's words."""


@dataclass(frozen=True)
class Actor:
    """Who acts: `user:NAME`, `panel` or `unix:NAME`. `token` is what they act with, `ip` where from; "" for neither."""

    name: str
    token: str = ""
    ip: str = ""


@dataclass(frozen=True)
class AuditEvent:
    """A line of the trail. `owner` is whose the object is, None for nobody's; `object` is `KIND:ID`."""

    id: int
    ts: int
    actor: Actor
    action: str
    owner: str | None
    object: str
    details: Mapping[str, Any] = field(default_factory=dict)


def record(
    tx: Connection,
    actor: Actor,
    action: str,
    *,
    owner: str | None,
    object: str = "",
    details: Mapping[str, Any] | None = None,
    now: float,
) -> None:
    """Writes a line, in the transaction of what it tells of: neither is there without the other."""
    text = json.dumps(dict(details or {}), ensure_ascii=False)
    tx.execute(
        "INSERT INTO audit_events (ts, actor, token, action, owner, object, details, ip)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            int(now),
            actor.name,
            actor.token,
            action,
            owner,
            object,
            text if len(text) <= MOST_DETAILS else '{"left_out": true}',
            actor.ip,
        ),
    )


@dataclass(frozen=True)
class AuditFilter:
    """Which lines: by who acted, between two times (epoch seconds, None for no bound), and what they hold anywhere."""

    actor: str = ""
    q: str = ""
    since: float | None = None
    until: float | None = None


EVERY_LINE = AuditFilter()


def list_page(
    tx: Connection,
    owner: str | None = None,
    *,
    action: str = "",
    wanted: AuditFilter = EVERY_LINE,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[AuditEvent]:
    """The newest lines about an owner's things, or everybody's; `action` is one, or `mail.` for all about mail."""
    where, bind = ["id < ?"], list[Any]([below(cursor)])
    for condition, value in _conditions(wanted):
        where.append(condition)
        bind.append(value)
    if owner is not None:
        where.append("owner = ?")
        bind.append(owner)
    if action.endswith("."):
        where.append("substr(action, 1, ?) = ?")
        bind += [len(action), action]
    elif action:
        where.append("action = ?")
        bind.append(action)
    sql = (
        "SELECT id, ts, actor, token, ip, action, owner, object, details FROM audit_events"
        f" WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    )
    rows, next_cursor = cut(tx.execute(sql, (*bind, limit + 1)).fetchall(), limit)
    return Page([_event(row) for row in rows], next_cursor)


def _conditions(wanted: AuditFilter) -> list[tuple[str, Any]]:
    text = "action || ' ' || actor || ' ' || object || ' ' || coalesce(owner, '') || ' ' || ip || ' ' || details"
    conditions = [
        ("ts >= ?", wanted.since),
        ("ts < ?", wanted.until),
        ("actor = ?", wanted.actor or None),
        (f"instr(lower({text}), lower(?)) > 0", wanted.q or None),
    ]
    return [(condition, value) for condition, value in conditions if value is not None]


def expire(tx: Connection, before: float, limit: int = 500) -> int:
    """Forgets some of the oldest lines from before then; how many."""
    sql = "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE ts < ? ORDER BY ts LIMIT ?)"
    tx.execute(sql, (int(before), limit))
    return int(tx.changes())


def _event(row: tuple[Any, ...]) -> AuditEvent:
    event_id, ts, name, token, ip, action, owner, object_, details = row
    return AuditEvent(event_id, ts, Actor(name, token, ip), action, owner, object_, json.loads(details))
