"""What all sessions share: the counts of connections, and of message octets on their way in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from onifast_shared.machine.settings.receiving import COPIES
from onifast_shared.machine.shared_counts import SharedCounter

__all__ = ["COPIES", "Budget", "Rate", "Share", "Slots"]


class Slots:
    """Slots for several groups, in all processes: each group has a tenth of them alone, and all share the rest."""

    def __init__(self, total: int, counters: Sequence[SharedCounter]) -> None:
        self._counters = counters
        self._reserve = total // 10
        self._common = total - self._reserve * len(counters)

    @property
    def groups(self) -> int:
        """How many groups there are; they are numbered from 0."""
        return len(self._counters)

    @property
    def taken(self) -> int:
        """How many slots are taken."""
        return sum(counter.total for counter in self._counters)

    @property
    def are_short(self) -> bool:
        """Whether less than a quarter of what all share is left."""
        return 4 * self._common_left < self._common

    def has_room(self, group: int) -> bool:
        """Whether there is one more slot for the group."""
        return self._counters[group].total < self._reserve or self._common_left > 0

    def uses_common(self, group: int) -> bool:
        """Whether the group has more than its own."""
        return self._counters[group].total > self._reserve

    def add(self, group: int, amount: int) -> None:
        """Changes this process's part of the group's count."""
        self._counters[group].add(amount)

    @property
    def _common_left(self) -> int:
        return self._common - sum(max(0, counter.total - self._reserve) for counter in self._counters)


class Rate:
    """How often each key may come: so many times a minute, all at once or evenly; of this process alone.

    A bucket leaks: its level falls by itself, so a key that stays away is free again.
    """

    MOST = 10_000  # keys that are remembered; with more than that, those whose buckets are empty are forgotten

    def __init__(self, a_minute: int) -> None:
        self._limit = a_minute
        self._levels: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, now: float, times: int = 1) -> bool:
        """Counts one coming; False, and not counted, where it is one too many. `now` is any clock's seconds.

        A key that stands for many may come so many times as often.
        """
        limit = self._limit * times
        if not limit:
            return True
        level, at = self._levels.get(key, (0.0, now))
        level = max(0.0, level - (now - at) * limit / 60)
        allowed = level + 1 <= limit
        if len(self._levels) >= self.MOST:
            self._forget(now)
        self._levels[key] = (level + allowed, now)
        return allowed

    def _forget(self, now: float) -> None:
        self._levels = {key: (level, at) for key, (level, at) in self._levels.items() if now - at < 60}
        if len(self._levels) >= self.MOST:
            self._levels.clear()  # so many addresses at once: nothing that one address' rate could help against


class Budget:
    """An amount that the sessions of all processes take from and give back; used from the event loop alone."""

    def __init__(self, limit: int, counter: SharedCounter) -> None:
        self._limit = limit
        self._counter = counter

    @property
    def taken(self) -> int:
        """How much is out now."""
        return self._counter.total

    @property
    def left(self) -> int:
        """How much can still be taken."""
        return self._limit - self._counter.total

    @property
    def is_short(self) -> bool:
        """Whether less than a quarter is left."""
        return 4 * self.left < self._limit

    def take(self, amount: int, leave: int = 0) -> bool:
        """Takes it all and leaves as much as asked for, or takes nothing and answers False."""
        if amount > self.left - leave:
            return False
        self._counter.add(amount)
        return True

    def give(self, amount: int) -> None:
        """Gives back what was taken."""
        self._counter.add(-amount)


class Share:
    """What one message has out of a budget of memory; leaving the `with` block gives all of it back.

    Each octet of the message takes COPIES from the budget, and leaves others as much there as asked for.
    """

    def __init__(self, budget: Budget, leave: int = 0) -> None:
        self._budget = budget
        self._leave = leave
        self._held = 0

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold(0)

    def hold(self, size: int) -> bool:
        """Makes the share one for so many octets; False, and no change, where the budget does not allow it."""
        amount = size * COPIES
        if amount > self._held and not self._budget.take(amount - self._held, self._leave):
            return False
        if amount < self._held:
            self._budget.give(self._held - amount)
        self._held = amount
        return True
