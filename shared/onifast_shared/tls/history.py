"""Domains whose mail servers once proved who they are: what tells that somebody has come in between since."""

from __future__ import annotations

from dataclasses import dataclass, fields

from onifast_shared.db.database import Connection

DAY = 86_400

FORGOTTEN_DAYS = 400
"""Days without a good connection after which a domain is forgotten, downgrades and all."""

_MOST_TEXT = 500


@dataclass(frozen=True)
class TlsMemory:
    """What is remembered of a domain. Times are epoch seconds; `downgraded_ts` None means never.

    `good_ts` is when it was last good, to the day; `downgrades` counts connections with less since then.
    """

    domain: str
    level: str
    host: str
    good_ts: int
    downgrades: int
    downgraded_ts: int | None
    downgraded_level: str
    downgraded_host: str
    downgraded_why: str

    @property
    def is_downgraded(self) -> bool:
        """Whether less was had since it was last good."""
        return self.downgrades > 0


def note_good(tx: Connection, domain: str, level: str, host: str, now: float) -> bool:
    """Remembers a server that proved who it is; True where that ends a downgrade."""
    ended = tx.execute("SELECT 1 FROM tls_memory WHERE domain = ? AND downgrades > 0", (domain,)).fetchone()
    tx.execute(
        """
        INSERT INTO tls_memory (domain, level, host, good_ts) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (domain) DO UPDATE SET level = ?2, host = ?3, good_ts = ?4, downgrades = 0
        WHERE downgrades > 0 OR level <> ?2 OR good_ts <= ?4 - ?5
        """,
        (domain, level, host, int(now), DAY),
    )
    return ended is not None


def note_less(tx: Connection, domain: str, *, level: str, host: str, why: str, times: int, now: float) -> str:
    """Records that less was had, if more was before; the level that it had been, where this is the first such time."""
    found = tx.execute("SELECT level, downgrades FROM tls_memory WHERE domain = ?", (domain,)).fetchone()
    if found is None:
        return ""
    tx.execute(
        """
        UPDATE tls_memory SET downgrades = downgrades + ?, downgraded_ts = ?, downgraded_level = ?, downgraded_host = ?,
                              downgraded_why = ?
        WHERE domain = ?
        """,
        (times, int(now), level, host, why[:_MOST_TEXT], domain),
    )
    return "" if found[1] else str(found[0])


def forget(tx: Connection, domain: str) -> bool:
    """A person has looked: the domain begins anew. False where nothing is remembered of it."""
    tx.execute("DELETE FROM tls_memory WHERE domain = ?", (domain,))
    return tx.changes() > 0


def sweep(tx: Connection, now: float) -> None:
    """Forgets domains that were not seen with good TLS for long."""
    tx.execute("DELETE FROM tls_memory WHERE good_ts < ?", (int(now) - FORGOTTEN_DAYS * DAY,))


def get(tx: Connection, domain: str) -> TlsMemory | None:
    """What is remembered of a domain."""
    row = tx.execute(f"{_SELECT} WHERE domain = ?", (domain,)).fetchone()
    return TlsMemory(*row) if row else None


def list_all(tx: Connection, *, downgraded: bool = False, limit: int = 500) -> list[TlsMemory]:
    """Domains that are remembered, those with downgrades first, the newest of these at the top."""
    where = "WHERE downgrades > 0" if downgraded else ""
    sql = f"{_SELECT} {where} ORDER BY downgrades > 0 DESC, downgraded_ts DESC, domain LIMIT ?"
    return [TlsMemory(*row) for row in tx.execute(sql, (limit,))]


# The table has columns of the fields' names.
_SELECT = f"SELECT {', '.join(field.name for field in fields(TlsMemory))} FROM tls_memory"
