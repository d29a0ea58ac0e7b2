"""Wakes the program's loops when the database changed, and at a slow tick in case that was missed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from asyncinotify import Inotify, Mask
from onifast_shared.db.errors import DatabaseError

from onifast_outbox import maillog

# The event of a write comes before its commit can be seen: look again after these waits, in seconds (0 … 64 ms).
LOOKS = (0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)

# Looks are no closer than this, in seconds; after so many in a short time, as far apart as this. A look costs four
# locks of a file: a single commit is to be seen at once, and under load one look is to serve many commits.
BETWEEN_LOOKS = 0.0005
MOST_IN_A_ROW = 30
UNDER_LOAD = 0.004

_CHANGES = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO
_EVENTS = 65536  # octets of events that are read at once
_OVERFLOW = b"\xff\xff\xff\xff"  # no watch: the kernel's queue was full, and events were lost (inotify(7))


class Wakeup:
    """What one loop waits on: it is woken by commits, by hand, or by the tick of `interval` seconds.

    A loop whose work can wait gives `rest`: seconds from one wait's end to the next one's at least, however many
    commits there are meanwhile. Each look at the database costs more than many a commit.
    """

    def __init__(self, interval: float, rest: float = 0.0) -> None:
        self._interval = interval
        self._rest = rest
        self._ended = -rest
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Ends the present or the next wait: there is something to do."""
        self._woken.set()

    async def wait(self, longest: float | None = None) -> None:
        """Sleeps until `wake`, for `longest` seconds, or until the tick, whichever comes first."""
        timeout = self._interval if longest is None else max(0.0, min(longest, self._interval))
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._woken.wait()
                await asyncio.sleep(max(0.0, self._ended + self._rest - clock()))
        self._woken.clear()
        self._ended = clock()


class Poller:
    """Watches one database. `version` gives a number that changes with every commit (Database.data_version).

    It runs on the event loop with callbacks alone: at a thousand commits a second, tasks and threads would cost more
    than the deliveries.
    """

    def __init__(self, database: Path, version: Callable[[], int], wakeups: Sequence[Wakeup]) -> None:
        self._database = database
        self._version = version
        self._wakeups = wakeups
        self._seen = -1
        self._looks = 0
        self._last_look = 0.0
        self._in_a_row = 0.0
        self._timer: asyncio.Handle | None = None
        self._due = 0.0  # when the timer rings: uvloop's handle of what is due at once has no such time

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches while the block runs. Where inotify cannot be had, the wakeups' ticks alone have to do."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            try:
                inotify = stack.enter_context(Inotify())
                # The directory, not the files: the WAL is deleted and made anew.
                inotify.add_watch(self._database.parent, _CHANGES)
                loop.add_reader(inotify.fd, self._hear, inotify.fd)
                stack.callback(loop.remove_reader, inotify.fd)
                stack.callback(self._cancel)
            except OSError as error:
                maillog.trouble("watching the database; only the tick looks for work", error)
            yield

    def _hear(self, descriptor: int) -> None:
        """Events came. Their names are looked for as they lie there: to take them apart costs more than all else."""
        try:
            events = os.read(descriptor, _EVENTS)
        except BlockingIOError:
            return
        if self._database.name.encode() in events or _OVERFLOW in events:
            self._looks = 0
            self._schedule(LOOKS[0])

    def _schedule(self, wait: float) -> None:
        loop = asyncio.get_running_loop()
        between = BETWEEN_LOOKS if self._in_a_row < MOST_IN_A_ROW else UNDER_LOAD
        at = max(loop.time() + wait, self._last_look + between)
        if self._timer is not None and self._due <= at:
            return
        self._cancel()
        self._due = at
        self._timer = loop.call_at(at, self._look)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Looks for the commits that events announced; a new event starts the waits from the beginning.

        A change that is seen ends nothing: two commits' events can come together, and the second is not visible yet.
        """
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._in_a_row = max(0.0, self._in_a_row - (now - self._last_look) / UNDER_LOAD) + 1
        self._last_look = now
        self._notice()
        self._looks += 1
        if self._looks < len(LOOKS):
            self._schedule(LOOKS[self._looks])

    def _notice(self) -> None:
        try:
            version = self._version()
        except DatabaseError:
            return  # a further look sees it, or the tick
        if version != self._seen:
            self._seen = version
            for wakeup in self._wakeups:
                wakeup.wake()
