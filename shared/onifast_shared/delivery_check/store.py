"""Delivery checks: somebody asks what would become of mail to an address, and outbox, which would send it, answers.

The asker waits for the row's answer. It is outbox that knows: its resolver, its routes, its view of other servers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.values.address import Address

MOST_WAITING = 4
"""Delivery checks of one asker that may wait for an answer: each costs a dozen questions to the DNS."""

KEPT = 600
"""Seconds after which a delivery check is forgotten, answered or not."""

STALE = 60
"""Seconds after which nobody waits for an answer any more."""


class TooManyDeliveryChecks(Exception):
    """The asker has as many open questions as anybody may have."""


@dataclass(frozen=True)
class DeliveryCheck:
    """A question: mail from `sender` (None for the null reverse-path) to `recipient`; `owner` '' for administrators."""

    id: int
    owner: str
    sender: Address | None
    recipient: Address


def ask(tx: Connection, owner: str | None, sender: Address | None, recipient: Address, now: float) -> int:
    """Stores a question; returns its id. `owner` None stands for an administrator. Raises TooManyDeliveryChecks."""
    waiting = tx.execute(
        "SELECT count(*) FROM inquiries WHERE answer IS NULL AND owner = ? AND asked_ts > ?",
        (owner or "", int(now) - STALE),
    ).get
    if int(waiting) >= MOST_WAITING:
        raise TooManyDeliveryChecks
    tx.execute(
        "INSERT INTO inquiries (owner, sender, recipient, asked_ts) VALUES (?, ?, ?, ?)",
        (owner or "", "" if sender is None else str(sender), str(recipient), int(now)),
    )
    return tx.last_insert_rowid()


def any_waits(tx: Connection) -> bool:
    """Whether `unanswered` may find any; one seek."""
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM inquiries WHERE answer IS NULL)").get)


def unanswered(tx: Connection, now: float, limit: int = 10) -> list[DeliveryCheck]:
    """Questions that somebody still waits for, oldest first."""
    sql = """
        SELECT id, owner, sender, recipient FROM inquiries
        WHERE answer IS NULL AND asked_ts > ? ORDER BY id LIMIT ?
    """
    return [
        DeliveryCheck(row[0], row[1], Address.parse(row[2]) if row[2] else None, Address.parse(row[3]))
        for row in tx.execute(sql, (int(now) - STALE, limit))
    ]


def answer(tx: Connection, check_id: int, values: Mapping[str, Any]) -> None:
    """Stores the answer, which is JSON."""
    tx.execute("UPDATE inquiries SET answer = ? WHERE id = ?", (json.dumps(values), check_id))


def answer_to(tx: Connection, check_id: int) -> dict[str, Any] | None:
    """The answer, once there is one."""
    text = tx.execute("SELECT answer FROM inquiries WHERE id = ?", (check_id,)).get
    return None if text is None else dict(json.loads(text))


def sweep(tx: Connection, now: float) -> int:
    """Forgets old questions; returns how many."""
    tx.execute("DELETE FROM inquiries WHERE asked_ts <= ?", (int(now) - KEPT,))
    return tx.changes()
