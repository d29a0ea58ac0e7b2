"""What DNS said of each domain when somebody looked last: the store of `domain_checks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.domain_dns.records import RecordState

DomainStanding = Literal["good", "wrong", "unknown"]
"""Of all records that are needed: `unknown` where nothing is known to be wrong, but DNS gave no answer about one."""


@dataclass(frozen=True)
class DomainCheck:
    """A look at a domain's DNS, in epoch seconds. `problems` are the records that are needed and missing or wrong."""

    checked_ts: int
    standing: DomainStanding
    problems: int


def judged(found: Sequence[RecordState], now: float) -> DomainCheck:
    """What a look comes to."""
    needed = [record.state for record in found if record.is_needed]
    problems = sum(state in {"missing", "wrong"} for state in needed)
    standing: DomainStanding = "wrong" if problems else "unknown" if "unknown" in needed else "good"
    return DomainCheck(int(now), standing, problems)


def remember(tx: Connection, domain: str, check: DomainCheck) -> None:
    """Keeps a look at a domain of this server in the place of the one before."""
    tx.execute(
        "INSERT OR REPLACE INTO domain_checks (domain, checked_ts, standing, problems) SELECT domain, ?, ?, ?"
        " FROM domains WHERE domain = ?",
        (check.checked_ts, check.standing, check.problems, domain),
    )


def last(tx: Connection, domain: str) -> DomainCheck | None:
    """The last look at a domain; None where nobody looked yet."""
    sql = "SELECT checked_ts, standing, problems FROM domain_checks WHERE domain = ?"
    row = tx.execute(sql, (domain,)).fetchone()
    return None if row is None else DomainCheck(*row)
