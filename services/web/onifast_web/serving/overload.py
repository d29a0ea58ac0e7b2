"""Too many connections: how many one peer may have, how long each may take, and which are hung up on first.

Pure judgement; serve.py hangs up. A client that does nothing, or as little as it can, must not keep others out.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Protocol, TypeVar

from onifast_shared.machine.shared_counts import KeyedCounts, SharedTally

IDLE_SECONDS, IDLE_PRESSED = 60.0, 5.0  # from the end of an answer to the end of the next request's header
NEWCOMER_SECONDS = 1.0  # in which a connection has only just come
STALL_SECONDS, STALL_PRESSED = 60.0, 10.0  # without one octet of a body, or of an answer that the client takes
TRANSFER_SECONDS = 60.0  # for a body or an answer, and besides …
SLOWEST = 1024  # … so many octets a second


class Phase(enum.IntEnum):
    """What a connection is at. The earlier ones are hung up on before the later ones; WORKING is ours, not its."""

    IDLE = 0
    HEADER = 1
    BODY = 2
    ANSWER = 3
    WORKING = 4


class SharedConnection(Protocol):
    """What is judged. Times are seconds of one clock."""

    @property
    def phase(self) -> Phase:
        """What it is at now."""
        ...

    @property
    def places(self) -> tuple[str, ...]:
        """The keys of the client's shares, the narrowest first; () for who has no share, a proxy."""
        ...

    @property
    def since(self) -> float:
        """When it was accepted, its last answer ended, its request's body began, or its answer did."""
        ...

    @property
    def progressed(self) -> float:
        """When the last octet came or went."""
        ...

    @property
    def octets(self) -> int:
        """How many came or went since then."""
        ...


Some = TypeVar("Some", bound=SharedConnection)


class Shares:
    """How much each client has of something that all share; a wider network may have more than a narrow one.

    Safe to use from any thread.
    """

    def __init__(self, each: int = 8, tally: SharedTally | None = None) -> None:
        self.each = each
        self._taken = KeyedCounts(tally)

    def take(self, places: tuple[str, ...]) -> None:
        """One more for this client."""
        self._taken.take(places)

    def give(self, places: tuple[str, ...]) -> None:
        """One less."""
        self._taken.give(places)

    def load(self, places: tuple[str, ...]) -> float:
        """What part of its share a client has: 1.0 is all of it."""
        return max((self._part(place, width) for width, place in enumerate(places)), default=0.0)

    def crowded(self, places: tuple[str, ...]) -> set[str]:
        """Those of a client's places that have more than their share."""
        return {place for width, place in enumerate(places) if self._part(place, width) > 1.0}

    def _part(self, place: str, width: int) -> float:
        return self._taken.of(place) / (self.each << width)


def is_overdue(connection: SharedConnection, now: float, *, pressed: bool) -> bool:
    """Whether a connection has had its time; `pressed` shortens it where connections run short."""
    phase = connection.phase
    if phase is Phase.WORKING:
        return False
    if phase <= Phase.HEADER:
        return now - connection.since > (IDLE_PRESSED if pressed else IDLE_SECONDS)
    stalled = now - connection.progressed > (STALL_PRESSED if pressed else STALL_SECONDS)
    return stalled or now - connection.since > TRANSFER_SECONDS + connection.octets / SLOWEST


def to_close(connections: Iterable[Some], shares: Shares, now: float, count: int) -> list[Some]:
    """Up to `count` connections to hang up on, so that others have room.

    First those that idle or have not finished a header, but `count` who have only just come are left alone; they have
    had no time to ask for anything. Then, one at a time, the slowest body or answer. Among them, first who has most of
    their share, then who has been at it longest. Never one that waits for us.
    """
    closable = [connection for connection in connections if connection.phase is not Phase.WORKING]
    waiting = [connection for connection in closable if connection.phase <= Phase.HEADER]
    waiting.sort(key=lambda one: (-shares.load(one.places), one.since))
    stale = [connection for connection in waiting if now - connection.since > NEWCOMER_SECONDS]
    if stale or len(waiting) > count:
        return (stale or waiting)[:count]
    under_way = [connection for connection in closable if connection.phase > Phase.HEADER]
    under_way.sort(key=lambda one: (-shares.load(one.places), one.octets / max(1.0, now - one.since)))
    return under_way[:1] or waiting[:1]
