"""MTA-STS policies that were fetched (RFC 8461), kept for as long as they say."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection, SqlValue

DAY = 86_400

UNUSED_DAYS = 90
"""Days after which a policy goes that no mail has asked for."""


@dataclass(frozen=True)
class StoredPolicy:
    """A policy's text, and the id that the DNS gave with it. Times are epoch seconds."""

    domain: str
    policy_id: str
    mode: str
    body: bytes
    fetched_ts: int
    expires_ts: int
    used_ts: int


def get(tx: Connection, domain: str, now: float) -> StoredPolicy | None:
    """The policy of `domain`, unless it has expired."""
    return _first(tx, f"{_SELECT} WHERE domain = ? AND expires_ts > ?", (domain, int(now)))


def put(tx: Connection, domain: str, policy_id: str, mode: str, body: bytes, *, max_age: int, now: float) -> None:
    """Keeps a policy that was fetched now; `max_age` is in seconds."""
    tx.execute(
        """
        INSERT INTO sts_policies (domain, policy_id, mode, body, fetched_ts, expires_ts, used_ts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5)
        ON CONFLICT (domain) DO UPDATE SET policy_id = ?2, mode = ?3, body = ?4, fetched_ts = ?5, expires_ts = ?6
        """,
        (domain, policy_id, mode, body, int(now), int(now) + max_age),
    )


def note_use(tx: Connection, domain: str, now: float) -> None:
    """Mail has asked for it: keep it fresh from now on."""
    tx.execute("UPDATE sts_policies SET used_ts = ? WHERE domain = ?", (int(now), domain))


def due(tx: Connection, now: float, after: str = "", limit: int = 20) -> list[StoredPolicy]:
    """Policies not confirmed for a day, or for half their life, by domain, those after `after`."""
    sql = f"""
        {_SELECT} WHERE domain > ?2 AND expires_ts > ?1
                  AND fetched_ts <= ?1 - min({DAY}, (expires_ts - fetched_ts) / 2)
        ORDER BY domain LIMIT ?3
    """
    return [StoredPolicy(*row) for row in tx.execute(sql, (int(now), after, limit))]


def sweep(tx: Connection, now: float) -> None:
    """Forgets what has expired, or is not used."""
    sql = "DELETE FROM sts_policies WHERE expires_ts <= ? OR used_ts < ?"
    tx.execute(sql, (int(now), int(now) - UNUSED_DAYS * DAY))


def list_all(tx: Connection, limit: int = 500) -> list[StoredPolicy]:
    """The policies that are kept, by domain."""
    return [StoredPolicy(*row) for row in tx.execute(f"{_SELECT} ORDER BY domain LIMIT ?", (limit,))]


_SELECT = "SELECT domain, policy_id, mode, body, fetched_ts, expires_ts, used_ts FROM sts_policies"


def _first(tx: Connection, sql: str, bind: tuple[SqlValue, ...]) -> StoredPolicy | None:
    row = tx.execute(sql, bind).fetchone()
    return StoredPolicy(*row) if row else None
