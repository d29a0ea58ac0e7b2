"""How busy a process is, as it sees it itself: so its parent learns that another one would help."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

BUSY_SHARE = 0.5
"""The part of a core that a process wants when another one would help. One interpreter takes one core at the most."""

_TASKS = Path("/proc/self/task")
_SHORTEST = 0.9
"""Seconds that are looked at, at the least: what comes and is done within them waits for nobody."""


def wanted_seconds() -> float:
    """Processor time that this process has had, and that its threads have waited for while others had the cores.

    The latter is the second number of /proc/PID/task/TID/schedstat, where the kernel keeps it: without it, a process
    that has far too much to do looks idle on a machine that has.
    """
    waited = 0
    with contextlib.suppress(OSError):
        for task in _TASKS.iterdir():
            with contextlib.suppress(OSError, IndexError, ValueError):  # a thread that has just ended
                waited += int((task / "schedstat").read_text().split()[1])
    return time.process_time() + waited / 1e9


class Load:
    """Watches the processor time of this process as its loop comes round; `busy` is called while it wants much."""

    def __init__(
        self,
        beat: Callable[[], None],
        busy: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = wanted_seconds,
    ) -> None:
        """`beat` is the pulse's; `used` gives the seconds of processor time that it wanted so far."""
        self._pulse = beat
        self._busy = busy
        self._clock = clock
        self._used = used
        self._looked_at, self._used_then = clock(), used()
        self._is_new = True

    def beat(self) -> None:
        """To be called as the loop comes round, once a second while there is something to do."""
        self._pulse()
        now = self._clock()
        if now - self._looked_at < _SHORTEST:
            return
        used = self._used()
        share = (used - self._used_then) / (now - self._looked_at)
        self._looked_at, self._used_then = now, used
        if share >= BUSY_SHARE and not self._is_new:
            self._busy()
        self._is_new = False  # what it takes to load a program is no load
