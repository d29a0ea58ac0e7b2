"""Who looks after a program while it runs: tells the service manager and `health` of it, and ends what is stuck.

In a program of several processes that is the parent; in one that is a single process, a thread of it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from onifast_shared.machine import log
from onifast_shared.machine.version import installed_version
from onifast_shared.programs import notifying, presence
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.presence import NOTE_SECONDS, Presence
from onifast_shared.programs.pulse import STUCK_SECONDS, Pulses, nothing

LOOK_SECONDS = 5.0

_logger = log.get("watch")


class Watch:
    """One program's. Nothing it does raises or waits for long: the program does not depend on it."""

    def __init__(
        self, program: str, database: Path, manager: ServiceManager, *, count: int = 1, listening: Mapping[str, str]
    ) -> None:
        """`count` is how many processes it works in, at the most; `listening` where its services can be reached."""
        self.pulses = Pulses(count)
        self._listening = dict(listening)
        self._program = program
        self._database = database
        self._count = self._places = count
        self._manager = manager
        self._started_at = time.time()
        self._noted_at = self._grown_at = float("-inf")
        self._serves = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def serving(self) -> None:
        """The program serves from now on."""
        self._serves = True
        self._manager.tell(notifying.READY)
        self.look()

    def expect(self, count: int) -> None:
        """The program works in so many processes from now on; a further one is missed when it has had time to begin."""
        if count > self._count:
            self._grown_at = time.monotonic()
        self._count = count
        if self._serves:
            self._noted_at = float("-inf")
            self.look()

    def ending(self) -> None:
        """The program ends."""
        self._ending.set()
        self._manager.tell(notifying.ENDING)
        if self._thread is not None:
            self._thread.join()
        if self._serves:
            presence.leave(self._database, self._program, os.getpid())

    def look(self) -> None:
        """To be called every LOOK_SECONDS, or sooner."""
        self._manager.tell(notifying.ALIVE)
        now = time.monotonic()
        if self._serves and now - self._noted_at >= NOTE_SECONDS:
            self._noted_at = now
            with contextlib.suppress(OSError):
                presence.note(self._database, self._presence())

    def is_stuck(self, place: int) -> bool:
        """Whether the process of that place serves nobody any more."""
        return self.pulses.silence(place) > STUCK_SECONDS

    def over_alone(
        self, work: Callable[[Callable[[], None], Callable[[], None]], int], started: Callable[[], None] = nothing
    ) -> int:
        """Has a thread look after this process, the only one, while it does `work`; returns its exit status.

        `work` gets what to call once it serves, and what to call as its loop comes round; `started` is called when it
        serves for the first time.
        """
        faulthandler.enable()  # SIGABRT then says where every thread is
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

        def serving() -> None:
            if not self._serves:
                started()
                self.pulses.of(0).beat()
                self.serving()

        try:
            return work(serving, self.pulses.of(0).beat)
        finally:
            self.ending()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            if self.is_stuck(0):
                tell_stuck(os.getpid(), self.pulses.silence(0))
                os.kill(os.getpid(), signal.SIGABRT)
            self.look()

    def _presence(self) -> Presence:
        heard = sum(
            1
            for place in range(self._places)
            if self.pulses.was_heard(place) and self.pulses.silence(place) < NOTE_SECONDS
        )
        is_growing = time.monotonic() - self._grown_at < NOTE_SECONDS
        return Presence(
            self._program,
            os.getpid(),
            installed_version(),
            self._started_at,
            time.time(),
            min(self._count, max(heard, 1)) if is_growing else self._count,
            heard,
            self._listening,
        )


def tell_stuck(pid: int, seconds: float) -> None:
    """Says in the log that a process is about to be ended, since it does nothing any more."""
    log.event(_logger, "process-stuck", logging.CRITICAL, stuck=pid, seconds=round(seconds))
