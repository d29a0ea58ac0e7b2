"""An HTTPS server whose answers a test chooses, by path."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fakes.loop import LoopServer


class Asked(NamedTuple):
    """A request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Page:
    """What is answered; `raw` is sent as it is, in place of all else. With `stall` nothing comes after it."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""
    stall: bool = False


class HttpsServer(LoopServer):
    """Serves `pages` (404 for any other path) with the certificate of *tls*, from ``__enter__`` to ``__exit__``.

    Without *tls* it is a plain HTTP server.
    """

    def __init__(self, tls: ssl.SSLContext | None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__("fake HTTPS server")
        self.host = host
        self.port = port
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self._tls = tls

    async def _listen(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # that was closed, and waits for its peer's end of TLS

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._writers.append(writer)
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(reader, writer)
        self._tasks.discard(task)
        writer.transport.abort() if task.cancelled() else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, _ = (await reader.readline()).decode().split(" ", 2)
        headers = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(Asked(method, path, headers, body))
        page = self.pages.get(path, Page(b"not found", 404))
        writer.write(page.raw if page.raw or page.stall else _rendered(page))
        await writer.drain()
        if page.stall:
            await asyncio.Event().wait()


def _rendered(page: Page) -> bytes:
    headers = {"Content-Type": page.content_type, "Content-Length": str(len(page.body)), **page.headers}
    lines = [f"HTTP/1.1 {page.status} Whatever", *(f"{name}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode() + page.body
