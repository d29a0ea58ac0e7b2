"""Counts what a process does, in its memory, until somebody takes the numbers away to add them up.

To count costs a microsecond and waits for nothing. As with logging, there is one tally for a process: what is counted
lies in all its parts, and none of them has to be handed anything.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping

Key = tuple[str, str]
"""A name, and its labels as `labels_of` writes them."""

BOUNDS = (
    *(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0),
    *(300.0, 900.0, 3600.0, 14400.0, 86400.0, 432000.0),
)
"""Seconds up to which durations are counted together: from one commit to the life of a message in the queue."""

BUCKET, SUM = "_bucket", "_sum"


class Tally:
    """The numbers of one process; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Key, float] = {}
        self.filled = threading.Event()
        """Set while there is something that somebody should take away."""

    def add(self, name: str, number: float = 1, **labels: str) -> None:
        """Counts something."""
        key = (name, labels_of(labels))
        with self._lock:
            self._numbers[key] = self._numbers.get(key, 0) + number
        if not self.filled.is_set():
            self.filled.set()

    def observe(self, name: str, seconds: float, *, quietly: bool = False, **labels: str) -> None:
        """Counts a duration among those that are about as long.

        Quietly: nobody takes numbers away for its sake alone. Taking them away is a commit, which is measured too.
        """
        place = bisect_left(BOUNDS, seconds)
        bound = f"{BOUNDS[place]:g}" if place < len(BOUNDS) else "+Inf"
        bucket, total = (name + BUCKET, labels_of(labels | {"le": bound})), (name + SUM, labels_of(labels))
        with self._lock:
            self._numbers[bucket] = self._numbers.get(bucket, 0) + 1
            self._numbers[total] = self._numbers.get(total, 0) + max(0.0, seconds)
        if not quietly and not self.filled.is_set():
            self.filled.set()

    def take(self) -> dict[Key, float]:
        """All numbers; from now on they are counted from zero."""
        with self._lock:
            taken, self._numbers = self._numbers, {}
            self.filled.clear()
        return taken

    def give_back(self, numbers: Mapping[Key, float]) -> None:
        """Adds what was taken and could not be kept; nobody is woken for it."""
        with self._lock:
            for key, number in numbers.items():
                self._numbers[key] = self._numbers.get(key, 0) + number


def labels_of(labels: Mapping[str, str]) -> str:
    """Labels as a key has them: `result=failed,way=remote`, by name."""
    if len(labels) < 2:
        return "".join([f"{name}={value}" for name, value in labels.items()])
    return ",".join([f"{name}={labels[name]}" for name in sorted(labels)])


TALLY = Tally()
"""This process's."""

count = TALLY.add
observe = TALLY.observe
