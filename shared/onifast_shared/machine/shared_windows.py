"""Counts by key within windows of time that several processes keep together, in memory that they share."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Hashable

BUCKETS = 1 << 14
_ROWS = 2
_OCTETS = 4


class SharedWindows:
    """How often each key came within the window of now.

    Each process writes numbers of its own, and all read the sum, so that nobody waits for anybody. A key has a bucket
    in each of two rows, of which the emptier counts: that two keys are taken for one needs both to be shared.
    """

    def __init__(self, numbers: memoryview, place: int) -> None:
        """`numbers` are what `memory` gives, of all processes; `place` is the number of this one."""
        self._numbers = numbers
        self._mine = place * _SIZE
        self._lock = threading.Lock()

    @classmethod
    def alone(cls) -> SharedWindows:
        """For a process that has no others beside it."""
        return cls(memory(1), 0)

    def add(self, key: Hashable, window: int) -> int:
        """Counts a key once more in the window of that number; how often it came in it by now, in all processes."""
        text = repr(key)
        # Keyed at random before there are several processes: nobody knows who shares a bucket with whom.
        with self._lock:
            return min(self._add(row * BUCKETS + hash((row, text)) % BUCKETS, window) for row in range(_ROWS))

    def _add(self, bucket: int, window: int) -> int:
        numbers, at, stamp = self._numbers, self._mine + 2 * bucket, window & 0xFFFFFFFF
        if numbers[at] != stamp:
            numbers[at + 1] = 0
            numbers[at] = stamp
        numbers[at + 1] = min(numbers[at + 1] + 1, 0xFFFFFFFF)
        places = range(2 * bucket, len(numbers), _SIZE)
        return sum(numbers[place + 1] for place in places if numbers[place] == stamp)


_SIZE = 2 * _ROWS * BUCKETS
"""Numbers of one process: for each bucket of each row its window and its count."""


def memory(processes: int) -> memoryview:
    """Memory for the counts of so many processes, which what is forked from here shares."""
    return memoryview(mmap.mmap(-1, _OCTETS * _SIZE * processes)).cast("I")
