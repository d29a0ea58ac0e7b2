"""Senders whom a user accepted or blocked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection

MOST = 5000
"""Choices of one user that are kept: the latest."""

SenderChoice = Literal["accepted", "blocked"]


@dataclass(frozen=True)
class ChosenSender:
    """What a user chose about a sender: an address, `@` and a domain, or `list:` and the id of a mailing list."""

    sender: str
    choice: SenderChoice
    chosen_ts: int


def list_all(tx: Connection, owner: str) -> list[ChosenSender]:
    """What a user chose, in the order of the senders."""
    sql = "SELECT sender, choice, chosen_ts FROM sender_choices WHERE username = ? ORDER BY sender"
    return [ChosenSender(*row) for row in tx.execute(sql, (owner,))]


def choose(tx: Connection, owner: str, sender: str, choice: SenderChoice, now: float) -> None:
    """Remembers what a user chose about a sender: an Address's key, `@` and a domain, or `list:` and a list's id."""
    sql = (
        "INSERT INTO sender_choices (username, sender, choice, chosen_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET choice = excluded.choice, chosen_ts = excluded.chosen_ts"
    )
    tx.execute(sql, (owner, sender, choice, int(now)))
    tx.execute(
        "DELETE FROM sender_choices WHERE username = ?1 AND sender IN ("
        " SELECT sender FROM sender_choices WHERE username = ?1 ORDER BY chosen_ts DESC, sender LIMIT -1 OFFSET ?2)",
        (owner, MOST),
    )


def forget(tx: Connection, owner: str, sender: str) -> bool:
    """Forgets a choice; False where there was none."""
    tx.execute("DELETE FROM sender_choices WHERE username = ? AND sender = ?", (owner, sender))
    return tx.changes() > 0


def of(tx: Connection, owner: str, senders: Iterable[str]) -> dict[str, ChosenSender | None]:
    """What was chosen about each of these; None for nothing."""
    sql = "SELECT sender, choice, chosen_ts FROM sender_choices WHERE username = ? AND sender = ?"
    rows = {sender: tx.execute(sql, (owner, sender)).fetchone() for sender in senders}
    return {sender: None if row is None else ChosenSender(*row) for sender, row in rows.items()}


def take_back(tx: Connection, owner: str, made: SenderChoice, before: Mapping[str, SenderChoice | None]) -> None:
    """Puts back what was chosen before, where what was `made` then has not been changed since."""
    for sender, chosen in of(tx, owner, before).items():
        if chosen is None or chosen.choice != made:
            continue
        was = before[sender]
        if was is None:
            forget(tx, owner, sender)
        else:
            choose(tx, owner, sender, was, chosen.chosen_ts)
