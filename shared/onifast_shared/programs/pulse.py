"""Whether the processes of a program are alive: each sets down a time, and who looks after them sees how old it is.

The times lie in memory that forked processes share, so that no disk that hangs makes a process look dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import time
from collections.abc import AsyncIterator, Callable

BEAT_SECONDS = 5.0
"""How often a process that has nothing else to do sets down its time."""

STUCK_SECONDS = 90.0
"""A process whose loop came round no more for so long serves nobody, and will not by itself."""


def nothing() -> None:
    """The beat that nobody hears, and whatever else is called for nothing."""


class Pulse:
    """One process's own."""

    def __init__(self, times: memoryview[float], number: int) -> None:
        self._times = times
        self._number = number

    def beat(self) -> None:
        """Says that its loop came round."""
        self._times[self._number] = time.monotonic()


class Pulses:
    """Those of all places of a program."""

    def __init__(self, count: int) -> None:
        self._times = memoryview(mmap.mmap(-1, 8 * count)).cast("d")

    def of(self, number: int) -> Pulse:
        """The one of that place."""
        return Pulse(self._times, number)

    def was_heard(self, number: int) -> bool:
        """Whether the process of that place has ever said so."""
        return self._times[number] > 0.0

    def silence(self, number: int) -> float:
        """Seconds since it was last heard; 0 where it never was, as while a process begins."""
        return time.monotonic() - self._times[number] if self.was_heard(number) else 0.0

    def clear(self, number: int) -> None:
        """Forgets a process that has ended."""
        self._times[number] = 0.0


@contextlib.asynccontextmanager
async def beating(beat: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `beat` as the running event loop comes round, until the context is left."""

    async def forever() -> None:
        while True:
            beat()
            await asyncio.sleep(BEAT_SECONDS)

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
