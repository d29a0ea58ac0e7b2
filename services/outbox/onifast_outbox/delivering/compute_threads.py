"""A few threads that compute what an event loop hands them: what waits together is taken together."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")

LEAST_THREADS, MOST_THREADS = 2, 8


class ComputeThreads(Generic[J, R]):
    """Hands jobs to threads, and results back to the loop that waits for them.

    A hop to a thread and back costs as much as a good part of a short job. So jobs that came in the same step of the
    loop share one, and so do results that come before the loop has taken the last ones. `work` gets jobs that all came
    before it begins, and gives each one's result or error in turn.
    """

    def __init__(self, name: str, work: Callable[[Sequence[J]], Iterator[R | Exception]]) -> None:
        self._work = work
        self._most = max(LEAST_THREADS, min(MOST_THREADS, len(os.sched_getaffinity(0))))
        self._pool = ThreadPoolExecutor(self._most, name)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[J, asyncio.Future[R]]] = deque()
        self._done: deque[tuple[asyncio.Future[R], R | Exception]] = deque()
        self._busy = 0
        self._is_starting = False
        self._is_telling = False

    def do(self, job: J) -> asyncio.Future[R]:
        """The future of a job's result. Call it on the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        with self._lock:
            self._waiting.append((job, future))
        if not self._is_starting:
            self._is_starting = True
            loop.call_soon(self._start, loop)
        return future

    async def close(self) -> None:
        """Waits for the threads; nothing more can be done."""
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_starting = False
        with self._lock:
            more = min(self._most - self._busy, len(self._waiting))
            self._busy += more
        for _ in range(more):
            self._pool.submit(self._run, loop)

    # In the threads

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while share := self._share():
            results = self._work([job for job, _ in share])
            for _, future in share:
                self._hand_back(future, _next(results), loop)

    def _share(self) -> list[tuple[J, asyncio.Future[R]]]:
        """This thread's part of what waits; with none, it is not busy any more."""
        with self._lock:
            count = -(-len(self._waiting) // self._most)
            if not count:
                self._busy -= 1
            return [self._waiting.popleft() for _ in range(count)]

    def _hand_back(self, future: asyncio.Future[R], result: R | Exception, loop: asyncio.AbstractEventLoop) -> None:
        self._done.append((future, result))
        # The loop lets go of the flag before it takes what is there: what is appended now is taken, by this or by that.
        if not self._is_telling:
            self._is_telling = True
            try:
                loop.call_soon_threadsafe(self._tell)
            except RuntimeError:
                return  # the loop was closed, so nobody waits any more

    def _tell(self) -> None:
        self._is_telling = False
        while self._done:
            future, result = self._done.popleft()
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


def _next(results: Iterator[R | Exception]) -> R | Exception:
    """The next result. An error that ends the work is the result of what is left, too."""
    try:
        return next(results)
    except StopIteration:
        return RuntimeError("no result was given")
    except Exception as error:
        return error
