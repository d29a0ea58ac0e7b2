"""The wire: command lines and message octets read in bulk; replies gathered, and sent before we wait for the client.

Sending what a burst of commands earned in one piece is what RFC 2920 section 3.2 asks of a server that pipelines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from onifast_shared.reply import Reply

from onifast_smtpd.data import Collector
from onifast_smtpd.limits import Share
from onifast_smtpd.watch import Watch

CHUNK = 256 * 1024
MAX_OUTPUT = 4 * 1024  # octets of replies that are gathered: only sending them shows that a client has gone
MAX_SKIPPED = 1024 * 1024  # octets of one command line that are read and thrown away before we hang up


class LineTooLong(Exception):
    """A command line was longer than allowed. It was read to its end and thrown away."""


class BareLineEnd(Exception):
    """A command line ended with LF alone."""


class Gone(Exception):
    """The client hung up, or is no mail client."""


class Wire:
    """Both directions of one connection; `replace` carries it over into TLS."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        watch: Watch,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._watch = watch
        self._clock = clock
        self._input = bytearray()
        self._output = bytearray()

    def replace(self, writer: asyncio.StreamWriter) -> None:
        """Goes on over another transport."""
        self._writer = writer

    @property
    def has_input(self) -> bool:
        """Whether the client sent more than has been read."""
        # StreamReader has no other way to tell; aiosmtpd looks there too.
        return bool(self._input or self._reader._buffer)  # type: ignore[attr-defined]

    def take_input(self) -> bytes:
        """What the client sent that has not been heard yet: it is not heard any more."""
        buffer = self._reader._buffer  # type: ignore[attr-defined]
        octets = bytes(self._input + buffer)
        self._input.clear()
        buffer.clear()
        return octets

    def send(self, reply: Reply) -> None:
        """Queues a reply for the next flush."""
        self.send_lines(reply.lines())

    def send_lines(self, lines: list[str]) -> None:
        """Queues lines for the next flush."""
        for line in lines:
            self._output += line.encode("utf-8") + b"\r\n"

    async def flush(self) -> None:
        """Sends what is queued; waits only where the client is slow to take it. Raises Gone."""
        if not self._output:
            return
        if self._writer.transport.is_closing():
            raise Gone  # and nobody may write any more: uvloop raises RuntimeError
        self._writer.write(bytes(self._output))
        self._output.clear()
        if not self._writer.transport.get_write_buffer_size():
            return
        try:
            await self._writer.drain()
        except OSError as error:
            raise Gone from error

    async def hears(self, seconds: float) -> bool:
        """Whether the client sends anything within some seconds; it stays to be read. Raises Gone."""
        try:
            async with asyncio.timeout(seconds):
                await self._fill()
        except TimeoutError:
            return False
        return True

    async def read_octets(self, size: int) -> bytes:
        """Just the next `size` octets. Raises Gone."""
        while len(self._input) < size:
            await self._fill()
        octets = bytes(self._input[:size])
        del self._input[:size]
        return octets

    async def read_line(self, limit: int, *, lenient: bool) -> bytes:
        """The next line, without its CRLF; of `lenient` clients an LF will do.

        The client's time is that for the whole line, so it gains nothing by sending it piece by piece.
        Raises LineTooLong, BareLineEnd, Gone.
        """
        self._watch.start()
        try:
            if len(self._output) > MAX_OUTPUT:
                await self.flush()
            end = await self._find_line_end(limit)
        finally:
            self._watch.stop()
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        if end > limit:
            raise LineTooLong
        if not lenient and not line.endswith(b"\r"):
            raise BareLineEnd
        return line.removesuffix(b"\r")

    async def read_message(self, collector: Collector, share: Share) -> None:
        """Feeds a message to the collector until its end; drops it where the share cannot hold it. Raises Gone."""
        began = self._clock()
        try:
            while not collector.done:
                if not self._input:
                    self._watch.start_transfer(began, collector.size)
                    await self._fill()
                self._input[:] = collector.feed(bytes(self._input))
                if not share.hold(collector.kept):
                    collector.drop()
                    share.hold(0)
        finally:
            self._watch.stop()

    async def read_chunk(self, size: int, take: Callable[[bytes], None], began: float, before: int) -> None:
        """Hands on the next `size` octets as they come. Raises Gone.

        The message that they are part of began at `began` on the clock, and had `before` octets until now.
        """
        left = size
        try:
            while left:
                if not self._input:
                    self._watch.start_transfer(began, before + size - left)
                    await self._fill()
                octets = bytes(self._input[:left])
                del self._input[:left]
                left -= len(octets)
                take(octets)
        finally:
            self._watch.stop()

    async def skip(self, size: int) -> None:
        """Throws the next `size` octets away. Raises Gone."""
        await self.read_chunk(size, lambda _: None, self._clock(), 0)

    async def _find_line_end(self, limit: int) -> int:
        searched = skipped = 0
        while (end := self._input.find(b"\n", searched)) < 0:
            searched = len(self._input)
            if searched > limit:
                skipped += searched
                searched = 0
                self._input.clear()
            if skipped > MAX_SKIPPED:
                raise Gone
            await self._fill()
        if skipped:
            del self._input[: end + 1]
            raise LineTooLong
        return end

    async def _fill(self) -> None:
        await self.flush()
        try:
            chunk = await self._reader.read(CHUNK)
        except OSError as error:
            raise Gone from error
        if not chunk:
            raise Gone
        self._input += chunk
