"""What all sessions share: the count of connections, and of message octets on their way in."""

from __future__ import annotations


class Counter:
    """A count that several processes keep together: each changes a number of its own, and all read the sum."""

    def __init__(self, numbers: memoryview, place: int) -> None:
        self._numbers = numbers
        self._place = place

    @property
    def total(self) -> int:
        """The count over all processes."""
        return sum(self._numbers)

    def add(self, amount: int) -> None:
        """Changes this process's part."""
        self._numbers[self._place] += amount


class Budget:
    """An amount that the sessions of all processes take from and give back; used from the event loop alone."""

    def __init__(self, limit: int, counter: Counter) -> None:
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

    def take(self, amount: int) -> bool:
        """Takes it all, or nothing and answers False."""
        if amount > self.left:
            return False
        self._counter.add(amount)
        return True

    def give(self, amount: int) -> None:
        """Gives back what was taken."""
        self._counter.add(-amount)


class Share:
    """What one holder has out of a budget; leaving the `with` block gives all of it back."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold(0)

    def hold(self, amount: int) -> bool:
        """Makes the share just that large; False, and no change, where the budget does not allow it."""
        if amount > self._held and not self._budget.take(amount - self._held):
            return False
        if amount < self._held:
            self._budget.give(self._held - amount)
        self._held = amount
        return True
