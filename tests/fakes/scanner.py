"""A junk filter that answers what a test says, over one connection a request."""

import asyncio

from fakes.loop import LoopServer, leave


class FakeScanner(LoopServer):
    """Keeps each request's bytes, and sends `answer`, or nothing ever where it is None."""

    def __init__(self, answer: bytes | None) -> None:
        super().__init__("fake junk filter")
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self.requests.append(head + await reader.readexactly(int(size.partition(b":")[2])))
            if self.answer is None:
                await reader.read()
                return
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client did not wait
        finally:
            await leave(writer)
