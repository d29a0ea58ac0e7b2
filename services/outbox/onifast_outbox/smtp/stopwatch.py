"""How long the stages of a delivery take."""

from __future__ import annotations

import time
from collections.abc import Callable


class Stopwatch:
    """Adds up seconds by stage. One stage runs at a time; entering one ends the one before."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._running = ""
        self._since = 0.0

    def add(self, stage: str, seconds: float) -> None:
        """Counts in what was measured elsewhere."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def enter(self, stage: str) -> None:
        """Begins a stage, or goes on with it."""
        self.stop()
        self.add(stage, 0.0)
        self._running, self._since = stage, self._clock()

    def stop(self) -> None:
        """Ends the stage that runs, if one does."""
        if self._running:
            self.add(self._running, self._clock() - self._since)
            self._running = ""

    def stages(self) -> tuple[tuple[str, int], ...]:
        """Milliseconds by stage, in the order in which they were first entered, with the one that runs so far."""
        running = self._clock() - self._since if self._running else 0.0
        return tuple(
            (stage, round(1000 * (seconds + (running if stage == self._running else 0.0))))
            for stage, seconds in self._seconds.items()
        )
