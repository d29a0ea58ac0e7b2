"""The wire: command lines and message octets read in bulk; replies gathered, and sent before we wait for the client.

Sending what a burst of commands earned in one piece is what RFC 2920 section 3.2 asks of a server that pipelines.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import termios
from collections.abc import Callable

from onifast_shared.tracing import masking
from onifast_shared.tracing.recorder import Transcript
from onifast_shared.values.reply import Reply

from onifast_smtpd.clients.limits import Share
from onifast_smtpd.protocol.data import Collector
from onifast_smtpd.protocol.deadlines import Deadline
from onifast_smtpd.protocol.other_protocols import refuse_other_protocols

MAX_INPUT = 128 * 1024  # octets that wait to be heard; what is beyond waits in the socket
MAX_OUTPUT = 4 * 1024  # octets of replies that are gathered: only sending them shows that a client has gone
BEGINNING = 64  # octets of a line that is thrown away which are looked at
MAX_SKIPPED = 1024 * 1024  # octets of one command line that are read and thrown away before we hang up


class Misheard(Exception):
    """A line that is no command, whatever is on it; `line` is how it begins."""

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self.line = line


class LineTooLong(Misheard):
    """A command line was longer than allowed. It was read to its end and thrown away."""


class BareLineEnd(Misheard):
    """A command line ended with LF alone."""


class Gone(Exception):
    """The client hung up, or is no mail client."""


class ServerWire:
    """Both directions of one connection; `replace` carries it over into TLS.

    The protocol tells it what the event loop tells the protocol. asyncio's streams do the same, in three objects and
    with two hops more for each command.
    """

    def __init__(self, transport: asyncio.Transport, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._deadline = deadline
        self._loop = loop
        self._input = bytearray()
        self._output = b""
        self._skipped = 0
        self._skipped_begin = b""
        self._is_reading = True
        self._has_ended = self._has_parted = False
        self._in_transfer = False
        self._waiting: asyncio.Future[None] | None = None
        self._full: asyncio.Future[None] | None = None
        self.transcript: Transcript | None = None
        """What takes the dialogue down, while somebody watches."""

    # What the event loop tells

    def received(self, octets: bytes) -> None:
        """Octets came."""
        self._input += octets
        if len(self._input) > MAX_INPUT:
            self.pause_reading()
        waiting = self._waiting  # as in `_wake`: each command comes by here
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def ended(self) -> None:
        """Nothing more will come; what came is still heard."""
        self._has_ended = True
        self._wake()

    def lost(self) -> None:
        """There is no connection any more."""
        self.ended()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client is slow to take what it is sent."""
        self._full = self._loop.create_future()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        if self._full is not None:
            self._full.set_result(None)
            self._full = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # What the session asks

    @property
    def waits_for_line(self) -> bool:
        """Whether the client's next line, and no part of a message, is what the session waits for."""
        return self._waiting is not None and not self._waiting.done() and not self._in_transfer

    def part(self, reply: Reply) -> None:
        """Sends what is queued and a last reply, and nothing more; who waits for the client finds it gone."""
        self.send(reply)
        self._send()
        self._has_parted = True
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the client has gone
                self._transport.write_eof()
        else:
            self._transport.close()
        self.take_input()
        self.ended()

    def replace(self, transport: asyncio.Transport) -> None:
        """Goes on over another transport, which is reading."""
        self._transport = transport
        self._is_reading = True

    def pause_reading(self) -> None:
        """Leaves what the client sends from now on in the socket, until it is waited for.

        To be said again after `connection_made`: only then does uvloop begin to read, whatever it was told before.
        """
        self._is_reading = False
        self._transport.pause_reading()

    @property
    def has_input(self) -> bool:
        """Whether the client sent more than has been heard."""
        return bool(self._input)

    @property
    def is_ahead(self) -> bool:
        """Whether the client sent more than has been heard, though it may be in the socket still."""
        if self._input:
            return True
        if self._is_reading:
            # The event loop empties the socket before it lets us go on. A system call for each DATA, which lets go of
            # the interpreter's lock in between, cost a tenth of the whole message.
            return False
        if self._transport.is_closing() or self._transport.get_extra_info("sslcontext") is not None:
            return False  # what the socket holds of TLS may be no data
        waiting = bytearray(4)
        fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.FIONREAD, waiting)
        return any(waiting)

    def take_input(self) -> bytes:
        """What the client sent that has not been heard yet: it is not heard any more."""
        octets = bytes(self._input)
        self._input.clear()
        return octets

    def send(self, reply: Reply) -> None:
        """Queues a reply for the next flush."""
        self._output += reply.octets
        if self.transcript is not None:
            for line in reply.lines():
                self.transcript.said("server", masking.shown(line))

    def send_line(self, line: str) -> None:
        """Queues a line for the next flush."""
        self._output += line.encode("utf-8") + b"\r\n"
        if self.transcript is not None:
            self.transcript.said("server", masking.shown(line))

    def heard(self, line: bytes) -> None:
        """Takes a command down, if somebody watches."""
        if self.transcript is not None:
            self.transcript.said("client", masking.masked(line))

    def remark(self, text: str) -> None:
        """Takes down what happened besides what is said."""
        if self.transcript is not None:
            self.transcript.said("note", text)

    def end_transcript(self, text: str) -> None:
        """The session is over, as the text says."""
        if self.transcript is not None:
            self.remark(text)
            self.transcript.ended()

    async def flush(self) -> None:
        """Sends what is queued; waits only where the client is slow to take it. Raises Gone."""
        self._send()
        if self._full is not None:
            await asyncio.shield(self._full)

    def more(self) -> asyncio.Future[None]:
        """Sends what is queued; returns what to wait for until there may be more to hear. Raises Gone.

        No coroutine, since each command of a client that waits for its reply comes by here.
        """
        self._send()
        if self._full is not None:
            return asyncio.shield(self._full)  # who takes no replies is not heard
        if self._has_ended or self._transport.is_closing():
            raise Gone
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()
        self._waiting = self._loop.create_future()
        return self._waiting

    def _send(self) -> None:
        if not self._output:
            return
        if self._transport.is_closing() or self._has_parted:
            raise Gone  # and nobody may write any more: uvloop raises RuntimeError
        output, self._output = self._output, b""
        self._transport.write(output)

    async def hears(self, seconds: float) -> bool:
        """Whether the client sends anything within some seconds; it stays to be read. Raises Gone."""
        self._deadline.start()
        try:
            async with asyncio.timeout(seconds):
                while not self._input:
                    await self.more()
        except TimeoutError:
            return False
        finally:
            self._deadline.stop()
        return True

    async def read_octets(self, size: int) -> bytes:
        """Just the next `size` octets. Raises Gone."""
        while len(self._input) < size:
            await self.more()
        octets = bytes(self._input[:size])
        del self._input[:size]
        return octets

    async def read_line(self, limit: int, *, lenient: bool) -> bytes:
        """The next line, without its CRLF; of `lenient` clients an LF will do.

        Raises LineTooLong, BareLineEnd, HangUp, Gone.
        """
        line = self.next_line(limit, lenient=lenient)
        return line if line is not None else await self.await_line(limit, lenient=lenient)

    async def await_line(self, limit: int, *, lenient: bool) -> bytes:
        """`read_line` where `next_line` has just given None.

        The client's time is that for the whole line, so it gains nothing by sending it piece by piece.
        """
        self._deadline.start()
        try:
            if len(self._output) > MAX_OUTPUT:
                await self.flush()
            else:
                await self.more()
            while (line := self.next_line(limit, lenient=lenient)) is None:
                await self.more()
        finally:
            self._deadline.stop()
        return line

    def next_line(self, limit: int, *, lenient: bool) -> bytes | None:
        """`read_line` for a line that is here already; None where its end is not, or where replies have to go first.

        Raises BareLineEnd, LineTooLong.
        """
        if not self._input or len(self._output) > MAX_OUTPUT:
            return None
        end = self._input.find(b"\n")
        if end < 0:
            self._skip_part(limit)
            return None
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        skipped, self._skipped = self._skipped, 0
        if skipped or end > limit:
            raise LineTooLong(self._skipped_begin if skipped else line[:BEGINNING])
        if line.endswith(b"\r"):
            return line[:-1]
        if not lenient:
            raise BareLineEnd(line)
        return line

    def _skip_part(self, limit: int) -> None:
        """Throws away what came of a line that is too long already; raises HangUp for what can be none."""
        if not self._skipped:
            refuse_other_protocols(self._input)
        if len(self._input) <= limit:
            return
        if not self._skipped:
            self._skipped_begin = bytes(self._input[:BEGINNING])
        self._skipped += len(self._input)
        self._input.clear()
        if self._skipped > MAX_SKIPPED:
            raise Gone

    async def read_message(self, collector: Collector, share: Share) -> None:
        """Feeds a message to the collector until its end; drops it where the share cannot hold it. Raises Gone."""
        began = self._loop.time()
        self._in_transfer = True
        try:
            while not collector.done:
                while not self._input:
                    self._deadline.start_transfer(began, collector.size)
                    await self.more()
                came, self._input = self._input, bytearray()
                self._input += collector.feed(came)
                if not share.hold(collector.kept):
                    collector.drop()
                    share.hold(0)
        finally:
            self._in_transfer = False
            self._deadline.stop()

    async def read_chunk(self, size: int, take: Callable[[bytes], None], began: float, before: int) -> None:
        """Hands on the next `size` octets as they come. Raises Gone.

        The message that they are part of began at `began` on the clock, and had `before` octets until now.
        """
        left = size
        self._in_transfer = True
        try:
            while left:
                while not self._input:
                    self._deadline.start_transfer(began, before + size - left)
                    await self.more()
                octets = bytes(self._input[:left])
                del self._input[:left]
                left -= len(octets)
                take(octets)
        finally:
            self._in_transfer = False
            self._deadline.stop()

    async def skip(self, size: int) -> None:
        """Throws the next `size` octets away. Raises Gone."""
        await self.read_chunk(size, lambda _: None, self._loop.time(), 0)
