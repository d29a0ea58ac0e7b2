"""Keys that callers give with what they send, so that it is sent once however often they ask."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection

KEPT = 86400
"""Seconds for which a key is remembered."""

_SWEPT_AT_ONCE = 100


@dataclass(frozen=True)
class KeptAnswer:
    """What was answered to the first request with a key, and the hash of what that asked for."""

    request_hash: bytes
    answer: str


def find(tx: Connection, username: str, key: str, now: float) -> KeptAnswer | None:
    """What was answered to this user's request with a key; None for a key that is new, or forgotten."""
    row = tx.execute(
        "SELECT request_hash, answer FROM send_keys WHERE username = ? AND key = ? AND created_ts > ?",
        (username, key, int(now) - KEPT),
    ).fetchone()
    return None if row is None else KeptAnswer(bytes(row[0]), str(row[1]))


def keep(tx: Connection, username: str, key: str, kept: KeptAnswer, now: float) -> None:
    """Remembers an answer for a day, in the transaction that it tells of; forgets some that are older."""
    sql = "SELECT username, key FROM send_keys WHERE created_ts <= ? LIMIT ?"
    tx.execute(f"DELETE FROM send_keys WHERE (username, key) IN ({sql})", (int(now) - KEPT, _SWEPT_AT_ONCE))
    tx.execute(
        "INSERT OR REPLACE INTO send_keys (username, key, request_hash, answer, created_ts) VALUES (?, ?, ?, ?, ?)",
        (username, key, kept.request_hash, kept.answer, int(now)),
    )
