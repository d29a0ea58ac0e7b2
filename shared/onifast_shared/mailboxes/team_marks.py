"""What those who share a mailbox tell each other of a message: whose it is, that it is done, who is answering it now.

None of it shuts anybody out. That a message was seen is shared too: the mailbox has one state of it for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from onifast_shared.db.database import Connection

ANSWERING_LASTS = 1800
"""Seconds after which who has begun an answer is not shown to be at it any more."""


@dataclass(frozen=True)
class TeamMark:
    """The marks of a message; accounts, and epoch seconds. None: nobody, never."""

    email_id: int
    assigned_to: str | None = None
    done_by: str | None = None
    done_ts: int | None = None
    answering_by: str | None = None
    answering_ts: int | None = None
    sent_by: str | None = None


TeamKind = Literal["todo", "mine", "done"]
TEAM_KINDS: tuple[TeamKind, ...] = get_args(TeamKind)


class TeamFilter(NamedTuple):
    """Which messages of a list: those that are not done, those of them that are a member's task, or those done."""

    kind: TeamKind
    member: str


def of(tx: Connection, account: str, ids: Iterable[int], now: float) -> dict[int, TeamMark]:
    """The marks of messages of a mailbox, by their ids; for those that have none, empty ones."""
    rows: list[Any] = tx.execute(_SELECT, (int(now) - ANSWERING_LASTS, json.dumps(list(ids)), account)).fetchall()
    return {row[0]: TeamMark(*row) for row in rows}


def condition(wanted: TeamFilter) -> tuple[str, Sequence[str]]:
    """What holds for the messages `e` of a list, as SQL and what is bound."""
    match wanted.kind:
        case "todo":
            return f"NOT {_MARKED.format('t.done_by IS NOT NULL')}", ()
        case "mine":
            return _MARKED.format("t.assigned_to = ? AND t.done_by IS NULL"), (wanted.member,)
        case "done":
            return _MARKED.format("t.done_by IS NOT NULL"), ()


def assign(tx: Connection, account: str, email_id: int, member: str | None) -> bool:
    """Gives a message to somebody, or to nobody; False if the mailbox has none of that id."""
    return _set(tx, account, email_id, "assigned_to = ?", (member,))


def set_done(tx: Connection, account: str, email_id: int, member: str | None, now: float) -> bool:
    """Marks a message as done by somebody, or as not done; False if the mailbox has none of that id."""
    return _set(tx, account, email_id, "done_by = ?, done_ts = ?", (member, int(now) if member else None))


def begin_answer(tx: Connection, account: str, email_id: int, member: str, now: float) -> bool:
    """Somebody has begun an answer; who began before, and is at it, stays. False if there is no such message."""
    sql = """
        answering_ts = CASE WHEN coalesce(answering_ts, 0) > ?2 AND answering_by <> ?1 THEN answering_ts ELSE ?3 END,
        answering_by = CASE WHEN coalesce(answering_ts, 0) > ?2 AND answering_by <> ?1 THEN answering_by ELSE ?1 END
    """
    if not _ensure(tx, account, email_id):
        return False
    now_, old = int(now), int(now) - ANSWERING_LASTS
    # The expressions on the right see the row as it was, in whatever order they stand.
    tx.execute(f"UPDATE team_marks SET {sql} WHERE email_id = ?4", (member, old, now_, email_id))
    return True


def end_answers(tx: Connection, account: str, member: str) -> None:
    """Somebody has sent, or thrown away, what they were writing."""
    sql = """
        UPDATE team_marks SET answering_by = NULL, answering_ts = NULL
        WHERE answering_by = ? AND email_id IN (SELECT id FROM emails WHERE owner = ?)
    """
    tx.execute(sql, (member, account))


def note_sent(tx: Connection, account: str, email_id: int, member: str) -> None:
    """Somebody wrote a message that is in sent."""
    _set(tx, account, email_id, "sent_by = ?", (member,))


def writer_of(tx: Connection, email_id: int | None) -> str | None:
    """Who wrote a message of a shared mailbox that is, or was, in sent."""
    found = tx.execute("SELECT sent_by FROM team_marks WHERE email_id = ?", (email_id,)).get
    return str(found) if found else None


_SELECT = """
    SELECT e.id, assigned_to, done_by, done_ts, CASE WHEN answering_ts > ?1 THEN answering_by END,
           CASE WHEN answering_ts > ?1 THEN answering_ts END, sent_by
    FROM json_each(?2) wanted CROSS JOIN emails e ON e.id = wanted.value LEFT JOIN team_marks t ON t.email_id = e.id
    WHERE e.owner = ?3 ORDER BY wanted.key
"""
_MARKED = "EXISTS (SELECT 1 FROM team_marks t WHERE t.email_id = e.id AND {})"


def _ensure(tx: Connection, account: str, email_id: int) -> bool:
    if tx.execute("SELECT 1 FROM emails WHERE id = ? AND owner = ?", (email_id, account)).fetchone() is None:
        return False
    tx.execute("INSERT OR IGNORE INTO team_marks (email_id) VALUES (?)", (email_id,))
    return True


def _set(tx: Connection, account: str, email_id: int, assignments: str, values: tuple[Any, ...]) -> bool:
    if not _ensure(tx, account, email_id):
        return False
    tx.execute(f"UPDATE team_marks SET {assignments} WHERE email_id = ?", (*values, email_id))
    return True
