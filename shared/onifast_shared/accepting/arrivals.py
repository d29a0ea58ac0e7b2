"""Arrivals: mail from outside that went straight into mailboxes, whose sender asked to be told (RFC 3461 section 4.1).

smtpd writes them in the transaction that takes the message; outbox tells the sender, and removes them as it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.queue.store import QueuedRecipient


@dataclass(frozen=True)
class Arrival:
    """A message, and those of its recipients whose sender is to be told; `sender` is its reverse-path, never ''."""

    content_id: int
    sender: str
    envid: str | None
    arrived_ts: int
    recipients: tuple[QueuedRecipient, ...]
    queue_id: str = ""


def add(tx: Connection, arrival: Arrival) -> None:
    """Remembers an arrival until its sender is told."""
    sql = "INSERT INTO arrivals (content_id, sender, recipient, orcpt, envid, arrived_ts) VALUES (?, ?, ?, ?, ?, ?)"
    for each in arrival.recipients:
        row = (arrival.content_id, arrival.sender, each.address, each.orcpt, arrival.envid, arrival.arrived_ts)
        tx.execute(sql, row)


def oldest(tx: Connection) -> Arrival | None:
    """The message that arrived first; None if no sender waits to be told."""
    first = tx.execute("SELECT content_id FROM arrivals ORDER BY id LIMIT 1").get
    if first is None:
        return None
    sql = "SELECT sender, envid, arrived_ts, recipient, orcpt FROM arrivals WHERE content_id = ? ORDER BY id"
    rows: list[tuple[Any, ...]] = tx.execute(sql, (first,)).fetchall()
    sender, envid, arrived_ts, *_ = rows[0]
    recipients = tuple(QueuedRecipient(recipient, orcpt=orcpt) for *_, recipient, orcpt in rows)
    queue_id = tx.execute("SELECT queue_id FROM emails WHERE content_id = ? LIMIT 1", (first,)).get
    return Arrival(int(first), sender, envid, arrived_ts, recipients, queue_id or "")


def remove(tx: Connection, arrival: Arrival) -> bool:
    """Forgets an arrival; False if somebody else did, who has told the sender."""
    tx.execute("DELETE FROM arrivals WHERE content_id = ?", (arrival.content_id,))
    return tx.changes() > 0
