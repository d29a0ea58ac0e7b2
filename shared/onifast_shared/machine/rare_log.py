"""A line that may be logged a thousand times a second is logged once a minute, with how often it would have been."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import Any

from onifast_shared.machine import log

_SECONDS = 60.0


class SeldomLog:
    """Logs each kind of event once a minute at the most. For few kinds; safe enough from any thread."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._last: dict[Hashable, float] = {}
        self._unsaid: dict[Hashable, int] = {}

    def event(self, what: str, level: int = logging.WARNING, **values: Any) -> None:
        """`log.event`, or only a count, which the next line tells as `unsaid`."""
        now = self._clock()
        if now - self._last.get(what, now - _SECONDS) < _SECONDS:
            self._unsaid[what] = self._unsaid.get(what, 0) + 1
            return
        self._last[what] = now
        log.event(self._logger, what, level, **values, unsaid=self._unsaid.pop(what, None))
