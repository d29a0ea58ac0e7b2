"""When a deferred message is tried again, and when it is given up: arithmetic only, no clock and no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.machine.config import Settings

# A tenth either way keeps a thousand messages that failed together from coming back together.
SPREAD = 0.1


@dataclass(frozen=True)
class Schedule:
    """The waits between attempts and the ages at which a message is given up. All in seconds.

    `lifetime` is for mail that can be returned to its sender, `bounce_lifetime` for that which cannot.
    """

    first: float
    longest: float
    lifetime: float
    bounce_lifetime: float

    @classmethod
    def of(cls, settings: Settings) -> Schedule:
        """The schedule that the settings ask for."""
        return cls(settings.retry_first, settings.retry_max, settings.queue_lifetime, settings.bounce_lifetime)

    def wait(self, age: float, chance: float) -> float:
        """Seconds to wait after an attempt that failed at this age: `first`, then twice as long each time.

        It depends on the age alone, not on how often a message was tried: an attempt that somebody asked for, or that
        was spared since its destination is known to be dead, changes nothing. `chance` is a random number in [0, 1);
        it moves the wait by up to a tenth either way.
        """
        # After waits of f, 2f, 4f … the age is f, 3f, 7f …: the next wait is the age and another f.
        wait = min(max(age, 0) + self.first, self.longest)
        return wait * (1 - SPREAD + 2 * SPREAD * chance)

    def patience(self, *, returnable: bool) -> float:
        """The age at which a message is given up.

        A notice that nobody can be told of need not be tried for as long as other mail (RFC 5321 section 4.5.4.1).
        """
        return self.lifetime if returnable else min(self.bounce_lifetime, self.lifetime)

    def end(self, *, queued: int, now: int, returnable: bool) -> int:
        """The epoch second at which a message is given up. A clock that was set back can make `queued` lie ahead:
        that counts as an age of zero."""
        return min(queued, now) + int(self.patience(returnable=returnable))

    def next_attempt(self, *, queued: int, now: int, chance: float, returnable: bool = True) -> int | None:
        """The epoch second of the next attempt, or None when the message is too old for another.

        The last attempt falls on the end of the lifetime itself, so that every message gets the whole of it.
        """
        end = self.end(queued=queued, now=now, returnable=returnable)
        if now >= end:
            return None
        return min(now + max(1, round(self.wait(now - queued, chance))), end)
