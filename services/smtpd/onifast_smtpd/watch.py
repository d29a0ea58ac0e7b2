"""The patience that a session has with its client: one timer a connection, which looks at a deadline that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Watch:
    """Calls `expired` when `seconds` have gone by since `start`, unless `stop` came first.

    Cancelling a timer and setting another for each command would cost more than the command.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expired = expired
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The client's turn begins, or it has shown life."""
        self._deadline = self._loop.time() + self._seconds
        if self._timer is None:
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
