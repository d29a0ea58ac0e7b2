"""A leaky bucket: what is counted goes in, and leaks out evenly, so that a limit that is used up releases by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_TOLERANCE = 1e-6  # of one unit: what arithmetic loses must not refuse what has just become free
_ONE = 1.0 + _TOLERANCE


class Bucket(NamedTuple):
    """`limit` units (at least 1) leak out in `period` seconds; the bucket held `level` of them at `updated`.

    `burst` is how much goes in at once, as a share of `limit`; one unit always does. Times are epoch seconds.
    """

    limit: int
    period: float
    burst: float = 1.0
    level: float = 0.0
    updated: float = 0.0

    @property
    def capacity(self) -> float:
        """The most units that it can hold."""
        return max(1.0, self.limit * self.burst)

    def level_at(self, now: float) -> float:
        """What it holds at a time. A clock that went back leaks nothing, and adds nothing."""
        if now <= self.updated:
            return self.level
        left = self.level - (now - self.updated) * self.limit / self.period
        return left if left > 0.0 else 0.0

    def room(self, now: float) -> int:
        """How many whole units may go in."""
        return max(0, int(self.capacity - self.level_at(now) + _TOLERANCE))

    def free_at(self, units: int, now: float) -> float | None:
        """The time at which so many units have room: `now` if they have; None if they never will, all at once."""
        if units > self.capacity + _TOLERANCE:
            return None
        excess = self.level_at(now) + units - self.capacity
        return now if excess <= _TOLERANCE else now + excess * self.period / self.limit

    def filled(self, units: int, now: float) -> Bucket:
        """The bucket with so many units more, whether they have room or not."""
        return Bucket(self.limit, self.period, self.burst, self.level_at(now) + units, now)

    def level_after_return(self, units: int, poured_in: float, now: float) -> float:
        """What it holds without so many of its units, which went in at `poured_in`, if they lie undermost.

        What leaks out is then theirs first, so that nothing comes back of what may have leaked already.
        """
        leaked = max(0.0, now - poured_in) * self.limit / self.period
        return max(0.0, self.level_at(now) - max(0.0, units - leaked))


def poured(
    limits: Sequence[int],
    periods: Sequence[float],
    burst: float,
    *,
    levels: Sequence[float | None],
    elapsed: float,
    units: Sequence[int],
) -> tuple[list[float], bool]:
    """What such buckets hold with so many units more, `elapsed` seconds after they held `levels`; whether all fit.

    A limit of 0 is none. This is the arithmetic of `Bucket` in one step, for those who count each message of a busy
    server.
    """
    elapsed = max(0.0, elapsed)
    after = [
        (left if (left := (held or 0.0) - elapsed * limit / period) > 0.0 else 0.0) + more if limit else 0.0
        for limit, period, held, more in zip(limits, periods, levels, units, strict=True)
    ]
    for limit, level in zip(limits, after, strict=True):
        if level > _ONE and level > limit * burst + _TOLERANCE:
            return after, False
    return after, True
