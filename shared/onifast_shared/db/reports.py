"""Reports of a failing database in a program's log: each failure once, then how often it came again.

Loops and clients meet the same failure many times a second. Damage stays until somebody mends it, and the file of
troubles counts it; what else goes wrong passes, and is said once a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from onifast_shared.db.errors import DatabaseCorrupt, DatabaseError
from onifast_shared.machine import log

DAMAGE_SECONDS = 6 * 3600.0
OTHER_SECONDS = 60.0
MOST_KNOWN = 100


class Reports:
    """One program's. For any thread."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, int]] = {}  # when it was said, and how often it came since

    def report(self, what: str, error: DatabaseError, level: int, **values: object) -> None:
        """Logs the event `what`, unless the same failure was logged lately."""
        repeated = self._news(str(error), DAMAGE_SECONDS if isinstance(error, DatabaseCorrupt) else OTHER_SECONDS)
        if repeated is not None:
            log.event(self._logger, what, level, **values, reason=error, repeated=repeated or None)

    def _news(self, text: str, seconds: float) -> int | None:
        """How often it came since it was said; None where that is not to be said again yet."""
        now = self._clock()
        with self._lock:
            said, repeated = self._known.get(text, (-seconds, 0))
            if now < said + seconds:
                self._known[text] = said, repeated + 1
                return None
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[text] = now, 0
            return repeated
