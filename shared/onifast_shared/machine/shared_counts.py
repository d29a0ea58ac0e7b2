"""Counts that several processes of a program keep together, in memory that they share."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterable


class SharedCounter:
    """A count that several processes keep together: each changes a number of its own, and all read the sum."""

    def __init__(self, numbers: memoryview, place: int, taken: memoryview | None = None) -> None:
        """`taken` has a 1 for each place that has a process; None where all have."""
        self._numbers = numbers
        self._place = place
        self._taken = taken

    @property
    def total(self) -> int:
        """The count over all processes."""
        return sum(self._numbers)

    @property
    def mine(self) -> int:
        """This process's part."""
        return int(self._numbers[self._place])

    @property
    def least_of_others(self) -> int:
        """The smallest part of another process; this one's where there is no other."""
        taken = self._taken or bytes([1]) * len(self._numbers)
        others = [number for place, number in enumerate(self._numbers) if place != self._place and taken[place]]
        return min(others, default=self.mine)

    def add(self, amount: int) -> None:
        """Changes this process's part."""
        self._numbers[self._place] += amount


class SharedTally:
    """Counts by key that several processes keep together, in so many buckets: two keys may share one, seldom."""

    BUCKETS = 1 << 15

    def __init__(self, numbers: memoryview, place: int) -> None:
        self._numbers = numbers
        self._mine = place * self.BUCKETS

    def bucket(self, key: Hashable) -> int:
        """The number of the key's bucket, the same in all processes.

        Of text Python's hash is keyed at random, before there are several processes; of numbers it is known to anybody,
        and who could choose networks by their buckets could fill the one of another.
        """
        return hash(repr(key)) % self.BUCKETS

    def total(self, bucket: int) -> int:
        """The bucket's count over all processes."""
        return sum(self._numbers[bucket :: self.BUCKETS])

    def of_others(self, bucket: int) -> int:
        """The bucket's count over all other processes."""
        return self.total(bucket) - int(self._numbers[self._mine + bucket])

    def add(self, bucket: int, amount: int) -> None:
        """Changes this process's part; what does not fit into its number is left out."""
        at = self._mine + bucket
        number = self._numbers[at] + amount
        self._numbers[at] = number if 0 <= number <= 65535 else max(0, min(65535, number))


class KeyedCounts:
    """Counts by key: exactly what this process counts, and what others do as `tally` has it. Safe in any thread."""

    def __init__(self, tally: SharedTally | None = None) -> None:
        self._tally = tally
        self._lock = threading.Lock()
        self._own: Counter[Hashable] = Counter()

    def of(self, key: Hashable) -> int:
        """The key's count over all processes."""
        others = self._tally.of_others(self._tally.bucket(key)) if self._tally else 0
        return self._own[key] + others

    def take(self, keys: Iterable[Hashable]) -> None:
        """One more of each key."""
        self._add(keys, 1)

    def give(self, keys: Iterable[Hashable]) -> None:
        """One less of each key."""
        self._add(keys, -1)

    def _add(self, keys: Iterable[Hashable], amount: int) -> None:
        with self._lock:
            for key in keys:
                self._own[key] += amount
                if self._own[key] <= 0:
                    del self._own[key]
                if self._tally:
                    self._tally.add(self._tally.bucket(key), amount)
