"""The store of acts: what each is, how far it has come, and how its messages were before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.sender_choices import SenderChoice

ACTIONS = ("move", "read", "unread", "star", "unstar", "label", "delete", "snooze", "accepted", "blocked")
"""What can be done. `move` goes to a place's key, `label` gives and takes labels, `snooze` lasts until a time.

Who wrote messages is `accepted` or `blocked`, with a `SenderDecision`.
"""

ActState = Literal["working", "done", "undoing", "undone"]

DELETED_FOR = 10
"""Seconds for which what was deleted can be had back."""

UNDONE_FOR = 3600
"""Seconds for which anything else can be undone."""


@dataclass(frozen=True)
class SenderDecision:
    """Where messages go whose senders were accepted or blocked, and what had been chosen about these before."""

    folder: str
    before: Mapping[str, SenderChoice | None]

    def to_json(self) -> str:
        """The `target` of an act."""
        return json.dumps({"folder": self.folder, "before": dict(self.before)})

    @classmethod
    def of(cls, act: ListAct) -> SenderDecision:
        """That of an act which accepted or blocked."""
        return cls(**json.loads(act.target))


@dataclass(frozen=True)
class AskedAct:
    """What an owner asks for: one of `ACTIONS`, with what or whither, in the place with the key `came`."""

    owner: str
    action: str
    target: str
    came: str


@dataclass(frozen=True)
class ListAct:
    """One act. `done` of `total` messages are done, or undone; an id of 0 stands for one that nothing was done in."""

    id: int
    owner: str
    action: str
    target: str
    came: str
    wanted: str
    cursor: str | None
    newest_id: int
    state: ActState
    total: int
    done: int
    ends_ts: int

    @property
    def is_working(self) -> bool:
        """Whether there is more to do."""
        return self.state in ("working", "undoing")


def begin(tx: Connection, asked: AskedAct, now: float, *, wanted: str = "", total: int = 0) -> ListAct:
    """Notes an act that is about to be done; one about all that is `wanted` is worked on from now on."""
    newest = int(tx.execute("SELECT coalesce(max(id), 0) FROM emails").get) if wanted else 0
    state: ActState = "working" if wanted else "done"
    sql = """
        INSERT INTO list_acts (owner, action, target, came, wanted, newest_id, state, total, created_ts, ends_ts)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """
    known = (asked.owner, asked.action, asked.target, asked.came, wanted)
    ends = ends_of(asked.action, now)
    tx.execute(sql, (*known, newest, state, total, int(now), ends))
    return ListAct(tx.last_insert_rowid(), *known, None, newest, state, total, 0, ends)


def ends_of(action: str, now: float) -> int:
    """Until when an act can be undone that is done now."""
    return int(now) + (DELETED_FOR if action == "delete" else UNDONE_FOR)


def get(tx: Connection, owner: str | None, act_id: int) -> ListAct | None:
    """An act; None for one that is gone, or somebody else's."""
    row = tx.execute(f"{_SELECT} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)", (act_id, owner)).fetchone()
    return None if row is None else ListAct(*row)


def waiting(tx: Connection) -> list[ListAct]:
    """Acts that there is more to do in, the oldest first."""
    sql = f"{_SELECT} WHERE state IN ('working', 'undoing') ORDER BY id LIMIT 20"
    return [ListAct(*row) for row in tx.execute(sql)]


def over(tx: Connection, now: float) -> list[ListAct]:
    """Some acts that cannot be undone any more."""
    sql = f"{_SELECT} WHERE ends_ts <= ? AND state NOT IN ('working', 'undoing') ORDER BY ends_ts LIMIT 20"
    return [ListAct(*row) for row in tx.execute(sql, (int(now),))]


def has_work(tx: Connection, now: float) -> bool:
    """Whether `waiting` or `over` would find any; a few seeks."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM list_acts WHERE state IN ('working', 'undoing'))
            OR EXISTS (SELECT 1 FROM list_acts WHERE ends_ts <= ? AND state NOT IN ('working', 'undoing'))
    """
    return bool(tx.execute(sql, (int(now),)).get)


def advance(tx: Connection, act: ListAct, *, done: int, cursor: str | None, state: ActState, ends_ts: int) -> ListAct:
    """Notes how far an act has come."""
    total = max(act.total, done)
    sql = "UPDATE list_acts SET done = ?, total = ?, cursor = ?, state = ?, ends_ts = ? WHERE id = ?"
    tx.execute(sql, (done, total, cursor, state, ends_ts, act.id))
    changed = {"done": done, "total": total, "cursor": cursor, "state": state, "ends_ts": ends_ts}
    return ListAct(**{**act.__dict__, **changed})


def forget(tx: Connection, act: ListAct) -> None:
    """Removes an act; nothing of it can be undone any more."""
    tx.execute("DELETE FROM list_acts WHERE id = ?", (act.id,))


def remember(tx: Connection, act: ListAct, email_id: int, was: Mapping[str, Any]) -> bool:
    """Notes how a message was before; False where the act has been done to it already."""
    sql = "INSERT OR IGNORE INTO list_act_messages (act_id, email_id, was) VALUES (?, ?, ?)"
    tx.execute(sql, (act.id, email_id, json.dumps(dict(was))))
    return tx.changes() > 0


def remembered(tx: Connection, act: ListAct, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """Some messages of an act, with how they were."""
    sql = "SELECT email_id, was FROM list_act_messages WHERE act_id = ? ORDER BY email_id LIMIT ?"
    return [(int(str(row[0])), json.loads(str(row[1]))) for row in tx.execute(sql, (act.id, limit))]


def drop(tx: Connection, act: ListAct, email_id: int) -> None:
    """Forgets how a message was."""
    tx.execute("DELETE FROM list_act_messages WHERE act_id = ? AND email_id = ?", (act.id, email_id))


_SELECT = """
    SELECT id, owner, action, target, came, wanted, cursor, newest_id, state, total, done, ends_ts FROM list_acts
"""
