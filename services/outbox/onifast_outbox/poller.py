"""Wakes the program's loops when the database changed, and at a slow tick in case that was missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from asyncinotify import Inotify, Mask
from onifast_shared.db import DatabaseError

from onifast_outbox import maillog

# The event of a write comes before its commit can be seen: look again after these waits, in seconds (0 … 64 ms).
LOOKS = (0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)

_CHANGES = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO


class Wakeup:
    """What one loop waits on: it is woken by commits, by hand, or by the tick of `interval` seconds."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the present or the next wait: there is something to do."""
        self._woken.set()

    async def wait(self, longest: float | None = None) -> None:
        """Sleep until `wake`, for `longest` seconds, or until the tick, whichever comes first."""
        timeout = self._interval if longest is None else max(0.0, min(longest, self._interval))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        self._woken.clear()


class Poller:
    """Watches one database. `version` gives a number that changes with every commit (Database.data_version)."""

    def __init__(self, database: Path, version: Callable[[], int], wakeups: Sequence[Wakeup]) -> None:
        self._database = database
        self._version = version
        self._wakeups = wakeups
        self._stirred = asyncio.Event()
        self._seen = -1
        self._thread = ThreadPoolExecutor(1, "look")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch while the block runs. Where inotify cannot be had, the wakeups' ticks alone have to do."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._thread.shutdown)
            tasks = [asyncio.create_task(self._look_whenever_stirred())]
            try:
                inotify = stack.enter_context(Inotify())
                # The directory, not the files: the WAL is deleted and made anew.
                inotify.add_watch(self._database.parent, _CHANGES)
                tasks.append(asyncio.create_task(self._listen(inotify)))
            except OSError as error:
                maillog.trouble("watching the database; only the tick looks for work", error)
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, inotify: Inotify) -> None:
        names = {self._database.name, f"{self._database.name}-wal"}
        async for event in inotify:
            # An event without a name says that the kernel's queue was full.
            if event.name is None or event.name.name in names:
                self._stirred.set()

    async def _look_whenever_stirred(self) -> None:
        while True:
            await self._stirred.wait()
            await self._look()

    async def _look(self) -> None:
        """Look for the commits that events announced; a new event starts the waits from the beginning.

        A change that is seen ends nothing: two commits' events can come together, and the second is not visible yet.
        """
        self._stirred.clear()
        for pause in LOOKS:
            await asyncio.sleep(pause)
            await self._notice()
            if self._stirred.is_set():
                return

    async def _notice(self) -> None:
        try:
            # In a thread: a program that keeps the database to itself makes even this wait.
            version = await asyncio.get_running_loop().run_in_executor(self._thread, self._version)
        except DatabaseError:
            return  # the tick looks again
        if version != self._seen:
            self._seen = version
            for wakeup in self._wakeups:
                wakeup.wake()
