"""What all sessions share: the count of connections, and of message octets on their way in."""

from __future__ import annotations


class Budget:
    """An amount that sessions take from and give back; used from the event loop alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @property
    def taken(self) -> int:
        """How much is out now."""
        return self._taken

    @property
    def left(self) -> int:
        """How much can still be taken."""
        return self._limit - self._taken

    def take(self, amount: int) -> bool:
        """Takes it all, or nothing and answers False."""
        if amount > self.left:
            return False
        self._taken += amount
        return True

    def give(self, amount: int) -> None:
        """Gives back what was taken."""
        self._taken -= amount


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
