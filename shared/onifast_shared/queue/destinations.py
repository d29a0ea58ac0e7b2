"""Destinations of outgoing mail: the limits that some have of their own, and how the deliverers last found them.

A destination is named as its mail is queued: by the recipients' domain, or by a smart host's name and port. The limits
count within seconds. The states are for people to see, and for a deliverer that starts: nobody else acts on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.values.address import AddressError, parse_domain

STALE_AFTER = 180
"""Seconds after which a state that was not written again counts no more: its deliverer has ended."""

MOST_CONCURRENCY, MOST_A_MINUTE = 1000, 1_000_000


@dataclass(frozen=True)
class OwnLimits:
    """Deliveries at one time, and messages a minute (0 for no limit); None means the settings'."""

    destination: str
    concurrency: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True)
class StoredState:
    """How one deliverer (`process`) finds a destination. `dead_since_ts` is None where it can be reached."""

    destination: str
    process: str
    in_flight: int
    concurrency: int
    dead_since_ts: int | None
    next_probe_ts: int | None
    last_error: str


def checked_name(text: str) -> str:
    """A destination's name in the one form it is stored in: a domain, or HOST:PORT. Raises ValueError."""
    text = text.strip().lower()
    host, colon, port = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        host, colon = text, ""
    if colon and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("the port is a number from 1 to 65535")
    try:
        return f"{_host(host)}:{int(port)}" if colon else parse_domain(text)
    except AddressError as error:
        raise ValueError(str(error)) from None


def _host(text: str) -> str:
    # A smart host that is an address stands without brackets in its name.
    return text if ":" in text or text.replace(".", "").isdecimal() else parse_domain(text)


def list_limits(tx: Connection) -> list[OwnLimits]:
    """Every destination that has limits of its own, by name."""
    return [OwnLimits(*row) for row in _rows(tx, f"{_LIMITS} ORDER BY destination")]


def set_limits(tx: Connection, limits: OwnLimits) -> None:
    """From now on these limits count; both None gives the destination back to the settings."""
    tx.execute("DELETE FROM destination_limits WHERE destination = ?", (limits.destination,))
    if limits != OwnLimits(limits.destination):
        tx.execute(
            "INSERT INTO destination_limits (destination, concurrency, per_minute) VALUES (?, ?, ?)",
            (limits.destination, limits.concurrency, limits.per_minute),
        )


def clear_limits(tx: Connection, destination: str) -> bool:
    """Gives a destination back to the settings; False if it had no limits of its own."""
    tx.execute("DELETE FROM destination_limits WHERE destination = ?", (destination,))
    return tx.changes() > 0


def publish(tx: Connection, process: str, states: Iterable[StoredState], now: float) -> None:
    """Replaces a deliverer's states of destinations, and removes those of ended deliverers."""
    tx.execute("DELETE FROM destination_states WHERE process = ?", (process,))
    # What is dead outlives its deliverer by a day: the next one need not find out anew.
    tx.execute("DELETE FROM destination_states WHERE updated_ts < ?", (int(now) - 86400,))
    tx.execute(
        "DELETE FROM destination_states WHERE updated_ts < ? AND dead_since_ts IS NULL", (int(now) - STALE_AFTER,)
    )
    tx.executemany(
        """
        INSERT INTO destination_states (destination, process, in_flight, concurrency, dead_since_ts, next_probe_ts,
                                        last_error, updated_ts)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (
                each.destination, each.process, each.in_flight, each.concurrency, each.dead_since_ts,
                each.next_probe_ts, each.last_error, int(now),
            )
            for each in states
        ],
    )  # fmt: skip


def list_states(tx: Connection, now: float) -> list[StoredState]:
    """The running deliverers' states of destinations, the unreachable ones first."""
    order = "ORDER BY dead_since_ts IS NULL, destination, process"
    return [
        StoredState(*row) for row in _rows(tx, f"{_STATES} WHERE updated_ts >= ? {order}", (int(now) - STALE_AFTER,))
    ]


def known_dead(tx: Connection) -> list[StoredState]:
    """Destinations that some deliverer, running or not, found dead within the last day."""
    return [StoredState(*row) for row in _rows(tx, f"{_STATES} WHERE dead_since_ts IS NOT NULL")]


_LIMITS = "SELECT destination, concurrency, per_minute FROM destination_limits"
_STATES = """
    SELECT destination, process, in_flight, concurrency, dead_since_ts, next_probe_ts, last_error
    FROM destination_states
"""


def _rows(tx: Connection, sql: str, bind: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return tx.execute(sql, bind).fetchall()
