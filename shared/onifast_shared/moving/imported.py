"""Which messages were imported, and what is the same as what is here."""

from __future__ import annotations

from onifast_shared.db.database import Connection

_MOST_ALIKE = 20


def find(tx: Connection, owner: str, key: bytes) -> int | None:
    """The message of an owner's that was imported under a key."""
    row = tx.execute("SELECT email_id FROM imported_messages WHERE owner = ? AND key = ?", (owner, key)).fetchone()
    return None if row is None else int(row[0])


def is_imported(tx: Connection, email_id: int) -> bool:
    """Whether a message came by an import."""
    return tx.execute("SELECT 1 FROM imported_messages WHERE email_id = ? LIMIT 1", (email_id,)).get is not None


def note(tx: Connection, owner: str, key: bytes, email_id: int) -> None:
    """Remembers that a message was imported."""
    tx.execute("INSERT INTO imported_messages (owner, key, email_id) VALUES (?, ?, ?)", (owner, key, email_id))


def mark(tx: Connection, email_id: int, *, is_answered: bool, is_forwarded: bool) -> None:
    """Notes what had been done with it."""
    if is_answered or is_forwarded:
        sql = "UPDATE emails SET is_answered = ?, is_forwarded = ? WHERE id = ?"
        tx.execute(sql, (int(is_answered), int(is_forwarded), email_id))


def alike(tx: Connection, owner: str, key: bytes, message_id: str, *, is_sent: bool) -> list[int]:
    """Messages with that Message-ID, whose hash as conversations have it is `key`; sent ones, or any others."""
    sql = """
        SELECT e.id FROM conversation_keys k CROSS JOIN emails e INDEXED BY emails_conversation
            ON e.conversation_id = k.conversation_id
        WHERE k.owner = ?1 AND k.key = ?2 AND e.owner = ?1 AND e.message_id = ?3 AND (e.folder = 'sent') = ?4
        LIMIT ?5
    """
    return [int(row[0]) for row in tx.execute(sql, (owner, key, message_id, int(is_sent), _MOST_ALIKE))]
