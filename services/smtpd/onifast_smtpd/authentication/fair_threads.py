"""The threads that check messages, shared out so that no client's network keeps them all busy.

Work is handed to a thread only when one is free, so what waits has not begun: whoever waited in vain knows that nothing
was looked up at all, which is not the same as DNS that said nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")

NETWORKS = 4  # how many of them it takes to keep all threads busy
IPV4_NETWORK = 24
IPV6_NETWORK = 48  # one customer's, often


class TooBusy(Exception):
    """No thread was free in time: the work was not begun."""


class FairThreads:
    """So many threads; one network has a quarter of them at the most, and all that wait take turns by network.

    Used from one event loop. `patience` is how many seconds work waits for a thread.
    """

    def __init__(self, threads: int, patience: float) -> None:
        self._patience = patience
        self._free = threads
        self._each = max(1, threads // NETWORKS)
        self._busy: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._threads = ThreadPoolExecutor(threads, "verify")

    async def start(self, network: str, work: Callable[[], T]) -> asyncio.Future[T]:
        """Returns when a thread has taken up the work, whose result the future is. Raises TooBusy."""
        await self._enter(network)
        try:
            future = self._threads.submit(work)
        except RuntimeError:
            self._leave(network)
            raise TooBusy from None  # closed
        # Not when nobody waits for it any more: the thread may be busy for longer.
        future.add_done_callback(partial(self._done, asyncio.get_running_loop(), network))
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends the threads; what runs is left to its deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _enter(self, network: str) -> None:
        if self._has_room(network) and network not in self._waiting:
            self._take(network)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, deque()).append(turn)
        try:
            await asyncio.wait((turn,), timeout=self._patience)
        except asyncio.CancelledError:
            self._give_up(network, turn)
            raise
        if not turn.done():
            self._give_up(network, turn)
            raise TooBusy

    def _give_up(self, network: str, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self._leave(network)  # the turn came in the same moment
            return
        turns = self._waiting[network]
        turns.remove(turn)
        if not turns:
            del self._waiting[network]

    def _has_room(self, network: str) -> bool:
        return self._free > 0 and self._busy[network] < self._each

    def _take(self, network: str) -> None:
        self._free -= 1
        self._busy[network] += 1

    def _done(self, loop: asyncio.AbstractEventLoop, network: str, _: Future[object]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(self._leave, network)

    def _leave(self, network: str) -> None:
        self._free += 1
        self._busy[network] -= 1
        if not self._busy[network]:
            del self._busy[network]
        self._call_next()

    def _call_next(self) -> None:
        network = next((name for name in self._waiting if self._has_room(name)), None)
        if network is None:
            return
        turns = self._waiting.pop(network)
        turn = turns.popleft()
        if turns:
            self._waiting[network] = turns  # behind all others
        self._take(network)
        turn.set_result(None)


def network_of(ip: str) -> str:
    """What counts as one client."""
    prefix = IPV4_NETWORK if ipaddress.ip_address(ip).version == 4 else IPV6_NETWORK
    return str(ipaddress.ip_network(f"{ip}/{prefix}", strict=False))
