"""DNS look-ups that fail and stand between a message and a refusal: which, and since when, for all processes.

A look-up has a clock of its own, so that nobody's broken names start anybody else's. It begins anew after an answer,
or where nobody has asked for long: of a name that fails now and then, nothing is known but that it fails now. The table
says how long there is trouble, never that there is any: to fill it makes nobody's mail wait. Where it is full, no new
clock starts, and the mail in question is put off until its sender gives up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from onifast_shared.db.database import Connection

BREAK = 28_800
"""Seconds without a failure after which a clock begins anew.

On their first day senders try again every six hours at the least (Exim; RFC 5321 section 4.5.4.1 asks for more). Were
it longer, two short outages with nobody asking between them would look like one long one.
"""

MOST = 10_000
"""Rows in all."""

MOST_EACH = 50
"""Rows of one author's organization: whoever makes up names of their own takes no room from others."""


def since(tx: Connection, lookups: Collection[str], now: float) -> dict[str, int]:
    """Since when (epoch seconds) those of the look-ups fail that have a clock."""
    rows = tx.execute(
        f"SELECT lookup, first_ts FROM dns_failures WHERE last_ts >= ? AND lookup IN ({_marks(lookups)})",
        (int(now) - BREAK, *lookups),
    )
    return {str(lookup): int(first) for lookup, first in rows}


def note(tx: Connection, lookups: Iterable[str], organization: str, now: float) -> None:
    """Notes that look-ups failed just now; `organization` is the one whose mail they are about."""
    for lookup in lookups:
        tx.execute(
            "UPDATE dns_failures SET last_ts = ?2, first_ts = CASE WHEN last_ts < ?2 - ?3 THEN ?2 ELSE first_ts END"
            " WHERE lookup = ?1",
            (lookup, int(now), BREAK),
        )
        if not tx.changes():
            _begin(tx, lookup, organization, int(now))


def forget(tx: Connection, lookups: Collection[str]) -> None:
    """Stops the clocks of look-ups that were answered."""
    tx.execute(f"DELETE FROM dns_failures WHERE lookup IN ({_marks(lookups)})", tuple(lookups))


def known(tx: Connection) -> frozenset[str]:
    """The look-ups that have a clock."""
    return frozenset(str(lookup) for (lookup,) in tx.execute("SELECT lookup FROM dns_failures"))


def sweep(tx: Connection, now: float) -> None:
    """Forgets those that nobody has asked for long."""
    tx.execute("DELETE FROM dns_failures WHERE last_ts < ?", (int(now) - BREAK,))


def _begin(tx: Connection, lookup: str, organization: str, now: int) -> None:
    tx.execute(
        "INSERT INTO dns_failures (lookup, organization, first_ts, last_ts) SELECT ?1, ?2, ?3, ?3"
        " WHERE (SELECT count(*) FROM dns_failures) < ?4"
        " AND (SELECT count(*) FROM dns_failures WHERE organization = ?2) < ?5",
        (lookup, organization, now, MOST, MOST_EACH),
    )


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
