"""Counts what a process does, in its memory, until somebody takes the numbers away to add them up.

To count costs a microsecond and waits for nothing. As with logging, there is one tally for a process: what is counted
lies in all its parts, and none of them has to be handed anything.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping

Key = tuple[str, str]
"""A name, and its labels as `labels_of` writes them."""

BOUNDS = (
    *(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0),
    *(300.0, 900.0, 3600.0, 14400.0, 86400.0, 432000.0),
)
"""Seconds up to which durations are counted together: from one commit to the life of a message in the queue."""

BUCKET, SUM = "_bucket", "_sum"

_Labels = tuple[tuple[str, str], ...]
_Counted = tuple[str, _Labels]
_Measured = tuple[str, int, _Labels]
"""A duration's name, the place of its bound among BOUNDS, and its labels."""


class Tally:
    """The numbers of one process; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[_Counted, float] = {}
        self._durations: dict[_Measured, tuple[int, float]] = {}
        self._given_back: dict[Key, float] = {}
        self._is_filled = False
        self.filled = threading.Event()
        """Set while there is something that somebody should take away."""

    def add(self, name: str, number: float = 1, **labels: str) -> None:
        """Counts something."""
        self.add_all(((name, number),), **labels)

    def add_all(self, numbers: Iterable[tuple[str, float]], **labels: str) -> None:
        """Counts several things with the same labels."""
        given = tuple(labels.items())
        with self._lock:
            counts = self._counts
            for name, number in numbers:
                key = (name, given)
                counts[key] = counts.get(key, 0) + number
        if not self._is_filled:
            self._fill()

    def observe(self, name: str, seconds: float, *, quietly: bool = False, **labels: str) -> None:
        """Counts a duration among those that are about as long.

        Quietly: nobody takes numbers away for its sake alone. Taking them away is a commit, which is measured too.
        """
        key = (name, bisect_left(BOUNDS, seconds), tuple(labels.items()))
        with self._lock:
            times, total = self._durations.get(key, (0, 0.0))
            self._durations[key] = (times + 1, total + max(0.0, seconds))
        if not quietly and not self._is_filled:
            self._fill()

    def _fill(self) -> None:
        self._is_filled = True
        self.filled.set()

    def take(self) -> dict[Key, float]:
        """All numbers; from now on they are counted from zero."""
        with self._lock:
            taken, self._given_back = self._given_back, {}
            counts, self._counts = self._counts, {}
            durations, self._durations = self._durations, {}
            self._is_filled = False
            self.filled.clear()
        # Names and labels are put together here, and not each time that something is counted.
        for (name, labels), number in counts.items():
            _add(taken, name, dict(labels), number)
        for (name, place, labels), (times, total) in durations.items():
            bound = f"{BOUNDS[place]:g}" if place < len(BOUNDS) else "+Inf"
            _add(taken, name + BUCKET, dict(labels) | {"le": bound}, times)
            _add(taken, name + SUM, dict(labels), total)
        return taken

    def give_back(self, numbers: Mapping[Key, float]) -> None:
        """Adds what was taken and could not be kept; nobody is woken for it."""
        with self._lock:
            for key, number in numbers.items():
                self._given_back[key] = self._given_back.get(key, 0) + number


def _add(numbers: dict[Key, float], name: str, labels: Mapping[str, str], number: float) -> None:
    key = (name, labels_of(labels))
    numbers[key] = numbers.get(key, 0) + number


def labels_of(labels: Mapping[str, str]) -> str:
    """Labels as a key has them: `result=failed,way=remote`, by name."""
    if len(labels) < 2:
        return "".join([f"{name}={value}" for name, value in labels.items()])
    return ",".join([f"{name}={labels[name]}" for name in sorted(labels)])


TALLY = Tally()
"""This process's."""

count = TALLY.add
count_all = TALLY.add_all
observe = TALLY.observe
