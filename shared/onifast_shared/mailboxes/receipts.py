"""Read receipts: what became of the wish of senders to be told that a message is read."""

from __future__ import annotations

from onifast_shared.db.database import Connection


def answer(tx: Connection, email_id: int) -> str:
    """What became of its sender's wish to be told that a message is read: "sent", "declined", or "" for nothing yet."""
    return str(tx.execute("SELECT receipt_answer FROM emails WHERE id = ?", (email_id,)).get or "")


def note(tx: Connection, owner: str, email_id: int, given: str) -> bool:
    """Notes that answer; False for a message that is not there, or was answered."""
    sql = "UPDATE emails SET receipt_answer = ? WHERE id = ? AND owner = ? AND receipt_answer IS NULL"
    tx.execute(sql, (given, email_id, owner))
    return tx.changes() > 0
