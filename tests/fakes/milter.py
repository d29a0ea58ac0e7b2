"""A milter that says what a test tells it to, over the protocol of Sendmail's libmilter, version 6."""

import asyncio
import struct
from collections.abc import Mapping, Sequence

from fakes.loop import LoopServer, leave

Packet = tuple[bytes, bytes]
CONTINUE: Packet = (b"c", b"")


def negotiation(version: int = 6, actions: int = 0x33, steps: int = 0) -> Packet:
    """The answer to what the server offers."""
    return b"O", struct.pack("!III", version, actions, steps)


class FakeMilter(LoopServer):
    """Keeps the commands of each connection, and answers them by *answers*: a letter, and the packets that follow it.

    What is not in there is answered with "continue", unless *steps* has its NR flag. None for packets hangs.
    """

    def __init__(
        self,
        answers: Mapping[bytes, Sequence[Packet] | None] | None = None,
        *,
        actions: int = 0x33,
        steps: int = 0,
        version: int = 6,
    ) -> None:
        super().__init__("fake milter")
        self.answers = dict(answers or {})
        self.connections: list[list[Packet]] = []
        self.port = 0
        self._hello = negotiation(version, actions, steps)

    @property
    def commands(self) -> list[Packet]:
        """What the first connection heard."""
        return self.connections[0]

    def data(self, kind: bytes) -> list[bytes]:
        """The data of the first connection's commands with that letter."""
        return [data for each, data in self.commands if each == kind]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard: list[Packet] = []
        self.connections.append(heard)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                command = await reader.readexactly(size)
                kind, data = command[:1], command[1:]
                heard.append((kind, data))
                if kind == b"Q":
                    return
                answer = self._answer(kind)
                if answer is None:
                    await reader.read()
                    return
                for letter, content in answer:
                    writer.write(struct.pack("!I", len(content) + 1) + letter + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the server did not wait
        finally:
            await leave(writer)

    def _answer(self, kind: bytes) -> Sequence[Packet] | None:
        if kind in self.answers:
            return self.answers[kind]
        if kind == b"O":
            return [self._hello]
        return [] if kind == b"D" else [CONTINUE]
