"""When a deferred message is tried again, and when it is given up: arithmetic only, no clock and no I/O."""

from __future__ import annotations

from dataclasses import dataclass

# A tenth either way keeps a thousand messages that failed together from coming back together.
SPREAD = 0.1


@dataclass(frozen=True)
class Schedule:
    """The waits between attempts and the age at which a message is returned. All in seconds."""

    first: float
    longest: float
    lifetime: float

    def wait(self, attempts: int, chance: float) -> float:
        """Seconds to wait after the `attempts`-th failed attempt (from 1): doubling from `first` up to `longest`.

        `chance` is a random number in [0, 1); it moves the wait by up to a tenth either way.
        """
        doublings = min(max(attempts - 1, 0), 60)
        wait = min(self.first * 2.0**doublings, self.longest)
        return wait * (1 - SPREAD + 2 * SPREAD * chance)

    def next_attempt(self, *, attempts: int, created: int, now: int, chance: float) -> int | None:
        """The epoch second of the next attempt, or None when the message is too old for another (RFC 5321 §4.5.4.1).

        The last attempt falls on the end of the lifetime itself, so that every message gets the whole of it.
        A clock that was set back can make `created` lie ahead: that counts as an age of zero.
        """
        end = min(created, now) + int(self.lifetime)
        if now >= end:
            return None
        return min(now + max(1, round(self.wait(attempts, chance))), end)
