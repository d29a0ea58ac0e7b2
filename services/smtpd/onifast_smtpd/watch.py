"""The patience that a session has with its client: one timer a connection, which looks at a deadline that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Watch:
    """Calls `expired` when `seconds` have gone by since `start`, unless `stop` came first.

    Of a message that comes in, `rate` octets a second are expected besides.

    Cancelling a timer and setting another for each command would cost more than the command.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, rate: int, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._rate = rate
        self._expired = expired
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The client's turn begins, or it has shown life."""
        self._deadline = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def start_transfer(self, began: float, octets: int) -> None:
        """The same while a message comes in: it began at that time of the loop's clock, and so much is here already.

        However little at a time a client sends, it cannot hold its session for ever.
        """
        self.start()
        if not self._rate or self._deadline is None or self._timer is None:
            return
        self._deadline = min(self._deadline, began + self._seconds + octets / self._rate)
        if self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def stop(self) -> None:
        """It is our turn; the client may wait as long as we take."""
        self._deadline = None

    def close(self) -> None:
        """No more watching."""
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() >= self._deadline:
            self._deadline = None
            self._expired()
            return
        self._timer = self._loop.call_at(self._deadline, self._look)
