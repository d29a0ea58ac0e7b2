"""An asyncio event loop in a thread, for fakes that serve while the test's own thread goes on."""

import asyncio
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_PATIENCE = 60.0  # seconds that a call into the loop, or its end, may take


class LoopThread:
    """Runs an event loop in a thread of its own from ``__enter__`` to ``__exit__``; tasks left over are cancelled."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs *coroutine* in the loop and returns what it returns; to be called from other threads."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._wind_up())
            self._loop.close()

    async def _wind_up(self) -> None:
        left_over = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left_over:
            task.cancel()
        await asyncio.gather(*left_over, return_exceptions=True)
        await asyncio.sleep(0)  # a transport that one of them closed closes its socket in the next round

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)


async def leave(writer: asyncio.StreamWriter) -> None:
    """Closes a connection, and waits for its end; what its peer does not read until the loop ends is dropped."""
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass  # the peer left first
    except asyncio.CancelledError:
        writer.transport.abort()
        raise


class LoopServer(ABC):
    """A server in a loop and a thread of its own, from ``__enter__`` to ``__exit__``."""

    def __init__(self, name: str) -> None:
        self._thread = LoopThread(name)

    @abstractmethod
    async def _listen(self) -> None:
        """Begins to serve."""

    @abstractmethod
    async def _stop(self) -> None:
        """Serves no more, and ends the connections."""

    def __enter__(self) -> Self:
        self._thread.__enter__()
        try:
            self._thread.run(self._listen())
        except BaseException:
            self._thread.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.run(self._stop())
        self._thread.__exit__(kind, error, trace)
