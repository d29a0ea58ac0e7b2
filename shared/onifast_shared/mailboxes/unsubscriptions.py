"""Unsubscriptions: what users asked mailing lists, so as to get no more of their mail, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection

STALE = 3600
"""Seconds after which a request that nobody has made is not made any more."""

_COLUMNS = "id, owner, list, method, target, asked_ts, answered_ts, problem"


@dataclass(frozen=True)
class Unsubscription:
    """A request to a list. `answered_ts` is None until it was made; `problem` says why it was not taken, "" if it was.

    `list` is the List-Id, or else the sender's address; `method` is `one-click` or `mail`; times are epoch seconds.
    """

    id: int
    owner: str
    list: str
    method: str
    target: str
    asked_ts: int
    answered_ts: int | None
    problem: str


def find(tx: Connection, owner: str, name: str) -> Unsubscription | None:
    """The last request of an owner's to a list."""
    sql = f"SELECT {_COLUMNS} FROM unsubscriptions WHERE owner = ? AND list = ?"
    row = tx.execute(sql, (owner, name)).fetchone()
    return None if row is None else Unsubscription(*row)


def ask(tx: Connection, owner: str, name: str, now: float, *, method: str, target: str, is_made: bool = False) -> None:
    """Wants a list asked, in the place of an earlier request; `is_made` for one that has been made already."""
    tx.execute("DELETE FROM unsubscriptions WHERE owner = ? AND list = ?", (owner, name))
    tx.execute(
        "INSERT INTO unsubscriptions (owner, list, method, target, asked_ts, answered_ts) VALUES (?, ?, ?, ?, ?, ?)",
        (owner, name, method, target, int(now), int(now) if is_made else None),
    )


def waiting(tx: Connection, now: float, limit: int) -> list[Unsubscription]:
    """Requests that are to be made."""
    sql = f"""
        SELECT {_COLUMNS} FROM unsubscriptions INDEXED BY unsubscriptions_waiting
        WHERE answered_ts IS NULL AND asked_ts > ? ORDER BY id LIMIT ?
    """
    return [Unsubscription(*row) for row in tx.execute(sql, (int(now) - STALE, limit))]


def answer(tx: Connection, request: Unsubscription, problem: str, now: float) -> None:
    """Notes that a request was made, or why it could not be."""
    tx.execute(
        "UPDATE unsubscriptions SET answered_ts = ?, problem = ? WHERE id = ?", (int(now), problem[:500], request.id)
    )
