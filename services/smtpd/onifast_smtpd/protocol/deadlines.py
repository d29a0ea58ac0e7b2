"""The patience that a session has with its client: one timer a connection, which looks at a deadline that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls `expired` when `seconds` have gone by since `start`, unless `stop` came first.

    Of a message that comes in, `rate` octets a second are expected besides.

    Cancelling a timer and setting another for each command would cost more than the command.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, rate: int, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._rate = rate
        self._expired = expired
        self._since: float | None = None
        self._due: float | None = None  # when what has come of a message should have been here, at that rate
        self._octets = 0
        self._mark: tuple[float, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def silent_since(self) -> float | None:
        """Since when it has been the client's turn and nothing came; None where the turn is ours."""
        return self._since

    @property
    def in_transfer(self) -> bool:
        """Whether it is a message that we wait for."""
        return self._since is not None and self._due is not None

    def start(self) -> None:
        """The client's turn begins, or it has shown life."""
        self._since = self._loop.time()
        self._due = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._since + self._seconds, self._look)

    def start_transfer(self, began: float, octets: int) -> None:
        """The same while a message comes in: it began at that time of the loop's clock, and so much is here already.

        However little at a time a client sends, it cannot hold its session for ever.
        """
        self.start()
        self._octets = octets
        if not self._rate:
            self._due = inf
            return
        self._due = began + octets / self._rate
        if self._timer is not None and self._timer.when() > (deadline := self._deadline(self._seconds)):
            self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._look)

    def stop(self) -> None:
        """It is our turn; the client may wait as long as we take."""
        self._since = self._mark = None

    def close(self) -> None:
        """No more watching."""
        self._since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hurry(self, seconds: float, rate: int) -> None:
        """Has so much patience and no more, if it is less, for the wait that is on.

        Called now and then, it also ends a message that has come more slowly than `rate` octets a second,
        however much came before: what is here already takes up memory.
        """
        if self._since is None:
            return
        now = self._loop.time()
        if now >= self._deadline(min(seconds, self._seconds)) or self._is_slow(now, seconds, rate):
            self._expire()

    def _is_slow(self, now: float, seconds: float, rate: int) -> bool:
        if self._due is None:
            return False
        if self._mark is None:
            self._mark = now, self._octets
        at, before = self._mark
        if now - at < seconds:
            return False
        self._mark = now, self._octets
        return self._octets - before < rate * (now - at)

    def _deadline(self, seconds: float) -> float:
        """When patience is over that is for so many seconds; for a watch that is on."""
        since = self._since if self._since is not None else self._loop.time()
        return seconds + (since if self._due is None else min(since, self._due))

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        deadline = self._deadline(self._seconds)
        if self._loop.time() >= deadline:
            self._expire()
            return
        self._timer = self._loop.call_at(deadline, self._look)

    def _expire(self) -> None:
        self._since = None
        self._expired()
