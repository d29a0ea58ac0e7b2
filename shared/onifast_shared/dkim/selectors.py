"""The store of selectors: which name each of a domain's keys has in DNS, and how far its rotation is.

The file `dkim_private.pem` decides which key signs; a row here tells only what that key is called. So whatever order a
crash, the panel or two programs at once do things in, nothing is ever signed under another key's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from typing import cast

from onifast_shared.db.database import Connection
from onifast_shared.dkim.keys import Algorithm, SigningKey, dns_value

PUBLISHING, ACTIVE, RETIRING, RETIRED, REMOVED, ABORTED = STATES = (
    "publishing", "active", "retiring", "retired", "removed", "aborted",
)  # fmt: skip

TRANSITIONS: dict[str, dict[str, str]] = {
    PUBLISHING: {ACTIVE: "switch", ABORTED: "abort", REMOVED: "another key got its name"},
    ACTIVE: {RETIRING: "switch", REMOVED: "another key got its name"},
    RETIRING: {
        RETIRED: "retire",
        ACTIVE: "the key's file was put back",
        REMOVED: "another key got its name",
    },
    RETIRED: {REMOVED: "the record has left DNS, or another key got its name", ACTIVE: "the key's file was put back"},
    REMOVED: {ACTIVE: "the key's file was put back"},
    ABORTED: {ACTIVE: "the key's file was put in place", REMOVED: "another key got its name"},
}
"""For each state, the states that follow and what makes the step."""


@dataclass(frozen=True)
class Selector:
    """A key's name. `value` is its TXT record's; `published_ts` since when DNS has shown it without a break.

    `retire_ts` is until when its record is needed, `look_ts` when DNS is asked next, `problem` what that found last.
    """

    domain: str
    selector: str
    algorithm: Algorithm
    fingerprint: str
    value: str
    state: str
    created_ts: int
    published_ts: int | None = None
    switched_ts: int | None = None
    retire_ts: int | None = None
    look_ts: int = 0
    problem: str = ""

    @classmethod
    def of(cls, key: SigningKey, state: str, now: float) -> Selector:
        """A row for a key that has none yet."""
        return cls(key.domain, key.selector, key.algorithm, key.fingerprint, dns_value(key), state, int(now))


def list_for(tx: Connection, domain: str) -> list[Selector]:
    """A domain's selectors, the newest first."""
    sql = f"SELECT {_COLUMNS} FROM dkim_selectors WHERE domain = ? ORDER BY created_ts DESC, selector"
    return [Selector(*row) for row in tx.execute(sql, (domain,))]


def named(tx: Connection, keys: Iterable[SigningKey]) -> list[SigningKey]:
    """The keys under the selectors that they are known by; one without a row keeps its own."""
    return [replace(key, selector=_name(tx, key) or key.selector) for key in keys]


def put(tx: Connection, row: Selector) -> None:
    """Writes a row, in place of what has its name or its key."""
    marks = ", ".join("?" * len(astuple(row)))
    tx.execute(f"INSERT OR REPLACE INTO dkim_selectors ({_COLUMNS}) VALUES ({marks})", astuple(row))


def put_all(tx: Connection, rows: Iterable[Selector]) -> None:
    """Writes several rows."""
    for row in rows:
        put(tx, row)


def due(tx: Connection, now: float, again_ts: int, limit: int = 20) -> list[str]:
    """Domains with a selector that is due for a look; nobody else gets them before `again_ts`."""
    rows = tx.execute(
        "SELECT DISTINCT domain FROM dkim_selectors"
        " WHERE state IN ('publishing', 'retiring', 'retired') AND look_ts <= ? LIMIT ?",
        (int(now), limit),
    )
    domains = [cast(str, row[0]) for row in rows]
    for domain in domains:
        tx.execute("UPDATE dkim_selectors SET look_ts = ? WHERE domain = ? AND look_ts <= ?", (again_ts, domain, now))
    return domains


def anything_due(tx: Connection, now: float) -> bool:
    """Whether `due` would give any."""
    sql = "SELECT 1 FROM dkim_selectors WHERE state IN ('publishing', 'retiring', 'retired') AND look_ts <= ? LIMIT 1"
    return tx.execute(sql, (int(now),)).fetchone() is not None


_COLUMNS = ", ".join(field.name for field in fields(Selector))
"""The table has columns of the same names."""


def _name(tx: Connection, key: SigningKey) -> str | None:
    sql = "SELECT selector FROM dkim_selectors WHERE domain = ? AND fingerprint = ?"
    row = tx.execute(sql, (key.domain, key.fingerprint)).fetchone()
    return str(row[0]) if row else None
