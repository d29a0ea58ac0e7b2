"""Composers: what each page of the webmail is writing, by the key that it has from its beginning until it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection

_SWEPT_AT_ONCE = 100


@dataclass(frozen=True)
class Composer:
    """Something that is being written. `draft_id` is the message in drafts that holds it, `writer` the page that saved
    it last, `words` what was typed since that message was written (JSON, or "")."""

    key: str
    draft_id: int
    writer: str
    words: str = ""


def find(tx: Connection, owner: str, key: str) -> Composer | None:
    """What a user writes under a key; None where nothing of it lies in drafts any more."""
    return _one(tx, "owner = ? AND key = ?", (owner, key))


def of_draft(tx: Connection, owner: str, draft_id: int) -> Composer | None:
    """The composer that a draft belongs to."""
    return _one(tx, "owner = ? AND draft_id = ?", (owner, draft_id))


def put(tx: Connection, owner: str, composer: Composer, now: float) -> None:
    """Notes what was saved; forgets some of those whose draft is gone."""
    gone = "SELECT owner, key FROM composers WHERE owner = ?1 AND draft_id NOT IN (SELECT id FROM emails) LIMIT ?2"
    tx.execute(f"DELETE FROM composers WHERE (owner, key) IN ({gone})", (owner, _SWEPT_AT_ONCE))
    tx.execute(
        "INSERT OR REPLACE INTO composers (owner, key, draft_id, writer, words, saved_ts) VALUES (?, ?, ?, ?, ?, ?)",
        (owner, composer.key, composer.draft_id, composer.writer, composer.words, int(now)),
    )


def end(tx: Connection, owner: str, key: str) -> None:
    """Forgets a composer: what it wrote was sent, or thrown away."""
    tx.execute("DELETE FROM composers WHERE owner = ? AND key = ?", (owner, key))


def _one(tx: Connection, condition: str, values: tuple[str, str | int]) -> Composer | None:
    sql = f"SELECT key, draft_id, writer, words, owner FROM composers WHERE {condition}"
    row = tx.execute(sql, values).fetchone()
    if row is None:
        return None
    is_there = tx.execute(
        "SELECT 1 FROM emails WHERE id = ? AND owner = ? AND folder = 'drafts'", (row[1], row[4])
    ).fetchone()
    return Composer(*row[:4]) if is_there else None
