"""What the processes of web count together, so that a limit holds for all: connections, large bodies, guesses.

Sessions, CSRF tokens, failures and what waits lie in the database; these counts change too often for it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass

from onifast_shared.machine import shared_windows
from onifast_shared.machine.config import Settings
from onifast_shared.machine.shared_counts import SharedCounter, SharedTally
from onifast_shared.machine.shared_windows import SharedWindows
from onifast_shared.programs.pulse import nothing

from onifast_web.access.one_at_a_time import OneAtATime

MOST_BY_DEFAULT = 2
_COUNTERS, _TALLIES = 2, 4


def how_many(settings: Settings) -> int:
    """Processes to answer requests with, at the most."""
    return settings.http_processes or min(len(os.sched_getaffinity(0)), MOST_BY_DEFAULT)


def at_the_least(settings: Settings) -> int:
    """Processes that there are always."""
    return settings.http_processes or 1


@dataclass(frozen=True)
class WebPlace:
    """One process's part of the counts."""

    taken: memoryview
    """A 1 for each place that has a process."""
    connections: SharedCounter
    large_bodies: SharedCounter
    connections_of: SharedTally
    """Of each client."""
    requests_of: SharedTally
    large_bodies_of: SharedTally
    guesses_of: SharedTally
    turn: OneAtATime
    """Of who works with a large message."""
    calls: SharedWindows
    """Of the API, by user and token."""
    serving: Callable[[], None]
    """To be called once connections are accepted."""
    beat: Callable[[], None]
    """To be called as the loop comes round."""
    lifeline: int | None = None
    """A descriptor that shows an end of file when the parent is dead."""

    @property
    def processes(self) -> int:
        """How many there are now."""
        return sum(self.taken)

    def part_of(self, number: int) -> int:
        """This process's part of a number of threads or the like, one at the least."""
        return max(1, -(-number // self.processes))


class WebPlaces:
    """The counts of all processes, in memory that they share."""

    def __init__(self, count: int) -> None:
        self._turn = OneAtATime()
        self._taken = memoryview(mmap.mmap(-1, count))
        counters = memoryview(mmap.mmap(-1, 8 * _COUNTERS * count)).cast("q")
        self._counters = [counters[at * count : (at + 1) * count] for at in range(_COUNTERS)]
        size = SharedTally.BUCKETS * count
        self._windows = shared_windows.memory(count)
        self._tallies = [memoryview(mmap.mmap(-1, 2 * size)).cast("H") for _ in range(_TALLIES)]

    def place(
        self,
        number: int,
        serving: Callable[[], None],
        lifeline: int | None = None,
        beat: Callable[[], None] = nothing,
    ) -> WebPlace:
        """The place of that number, which is taken from now on."""
        self._taken[number] = 1
        connections, large = (SharedCounter(numbers, number, self._taken) for numbers in self._counters)
        tallies = (SharedTally(numbers, number) for numbers in self._tallies)
        return WebPlace(
            self._taken,
            connections,
            large,
            connections_of=next(tallies),
            requests_of=next(tallies),
            large_bodies_of=next(tallies),
            guesses_of=next(tallies),
            turn=self._turn,
            calls=SharedWindows(self._windows, number),
            serving=serving,
            beat=beat,
            lifeline=lifeline,
        )

    def clear(self, number: int) -> None:
        """Takes back what a dead process held."""
        self._taken[number] = 0
        for numbers in self._counters:
            numbers[number] = 0
        begin = number * SharedTally.BUCKETS
        for numbers in self._tallies:
            numbers[begin : begin + SharedTally.BUCKETS] = memoryview(bytes(2 * SharedTally.BUCKETS)).cast("H")

    def may_end(self, number: int) -> bool:  # noqa: ARG002
        """Always: a connection may be closed between two requests, and clients expect that (RFC 9112 section 9.5)."""
        return True


def alone(serving: Callable[[], None] = nothing, beat: Callable[[], None] = nothing) -> WebPlace:
    """The place of a process that has no others beside it."""
    return WebPlaces(1).place(0, serving, beat=beat)
