"""One TCP connection that speaks CRLF lines, with TLS on request and a deadline on every step."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import cast

from onifast_shared.machine.config import Settings
from onifast_shared.transport.sources import why_unusable

from onifast_outbox.tls_policy.certificates import openssl_trouble, peer_chain
from onifast_outbox.tls_policy.requirement import ResultType

MAX_LINE = 4096
MAX_REPLY_LINES = 256
CHUNK = 256 * 1024
MAX_INPUT = 64 * 1024  # octets that wait to be heard; what is beyond waits in the socket


class WireError(Exception):
    """The connection broke, stalled or carried something that is not SMTP. Its text says which, in plain words."""


class TlsError(WireError):
    """Encryption could not be agreed on, or the certificate does not verify; `kind` is a report's word for it."""

    def __init__(self, text: str, kind: ResultType = ResultType.VALIDATION_FAILURE) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Timeouts:
    """How long to wait at each step, in seconds (RFC 5321 section 4.5.3.2)."""

    connect: float = 30
    greeting: float = 300
    command: float = 300
    mail: float = 300
    rcpt: float = 300
    data_start: float = 120
    data_block: float = 180
    data_end: float = 600
    quit: float = 5

    @classmethod
    def of(cls, settings: Settings) -> Timeouts:
        """As the settings say."""
        return cls(
            connect=settings.connect_timeout,
            greeting=settings.smtp_greeting_timeout,
            command=settings.smtp_timeout,
            mail=settings.smtp_mail_timeout,
            rcpt=settings.smtp_rcpt_timeout,
            data_start=settings.smtp_data_timeout,
            data_block=settings.smtp_block_timeout,
            data_end=settings.smtp_end_timeout,
            quit=min(5, settings.smtp_timeout),
        )


class ClientWire(asyncio.Protocol):
    """A connected socket. Every method raises WireError where the peer or the network fails.

    It is the protocol of its connection itself: asyncio's streams do the same in three objects, with a task's timeout
    for every line. Replies that came together are heard without waiting, and one timer serves all deadlines.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._input = bytearray()
        self._is_reading = True
        self._is_tls = False
        self._has_ended = False
        self._is_lost = False
        self._trouble: Exception | None = None
        self._is_full = False
        self._waiting: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0  # uvloop's handle of what is due at once has no such time

    @classmethod
    async def connect(
        cls,
        address: str,
        port: int,
        *,
        timeout: float,
        source: str | None = None,
    ) -> ClientWire:
        """Connects to an IP address, from the address `source` of ours if it is given. Raises WireError."""
        local = None if source is None else (source, 0)
        if source is not None and (why := why_unusable(source)):
            raise WireError(f"nothing can be sent from {source}: {why}")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, wire = await loop.create_connection(lambda: cls(loop), address, port, local_addr=local)
        except TimeoutError:
            raise WireError(f"no connection within {timeout:g} s") from None
        except OSError as error:
            raise WireError(plain_os_error(error)) from error
        return wire

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of that class, but alike

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self._input += data
        if len(self._input) > MAX_INPUT and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Nothing more will come; what came is still heard, and until then we may write."""
        self._has_ended = True
        self._wake()
        return not self._is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no connection any more."""
        self._has_ended = self._is_lost = True
        self._trouble = exc
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def pause_writing(self) -> None:
        """The peer is slow to take what it is sent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The peer has taken most of it."""
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # Waiting

    async def _wait(self, deadline: float) -> None:
        """Until something happens. Raises TimeoutError at `deadline` on the loop's clock."""
        self._waiting = self._loop.create_future()
        self._deadline = deadline
        # A timer that rings too early is set anew then: most waits end long before, and cost no timer.
        if self._timer is None or self._rings_at > deadline:
            self._set_timer()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None or self._waiting.done():
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._waiting.set_exception(TimeoutError())

    # What the session asks

    async def read_reply(self, timeout: float) -> list[bytes]:
        """The lines of one reply without their CRLF. A reply is complete at the line with a space after its code.

        A line that does not begin like a reply is an error. Once one has begun, a line without a code is a slip
        of the server's that belongs to its words. Raises WireError.
        """
        lines: list[bytes] = []
        deadline = 0.0
        while not self._take_lines(lines):
            if self._has_ended:
                raise self._lost()
            deadline = deadline or self._loop.time() + timeout
            if not self._is_reading:
                self._is_reading = True
                self._transport.resume_reading()
            try:
                await self._wait(deadline)
            except TimeoutError:
                raise WireError(f"no reply within {timeout:g} s") from None
        return lines

    def _take_lines(self, lines: list[bytes]) -> bool:
        """Moves a reply's lines out of what came; whether it is complete with them."""
        while (end := self._input.find(b"\n")) >= 0:
            line = bytes(self._input[:end]).rstrip(b"\r")
            del self._input[: end + 1]
            if end > MAX_LINE:
                break
            is_coded = len(line) >= 3 and line[:3].isdigit() and line[3:4] in (b"", b" ", b"-")
            if not is_coded and not lines:
                raise WireError(f"not an SMTP reply: {printable(line)}")
            lines.append(line)
            if is_coded and line[3:4] != b"-":
                return True
            if len(lines) >= MAX_REPLY_LINES:
                raise WireError("a reply has too many lines")
        if end >= 0 or len(self._input) > MAX_LINE:
            raise WireError("a reply line is too long")
        return False

    def _lost(self) -> WireError:
        if isinstance(self._trouble, OSError):
            return WireError(f"connection lost: {plain_os_error(self._trouble)}")
        return WireError("connection lost")

    async def write(self, data: bytes, timeout: float) -> None:
        """Hands `data` to the network, at most CHUNK bytes ahead of the peer; `timeout` counts anew for each chunk.

        Raises WireError.
        """
        for start in range(0, len(data), CHUNK):
            if self._is_lost or self._transport.is_closing():
                raise self._lost() if self._trouble else WireError("connection lost: connection reset by the peer")
            self._transport.write(data[start : start + CHUNK])
            if self._is_full:
                await self._drain(timeout)

    async def _drain(self, timeout: float) -> None:
        deadline = self._loop.time() + timeout
        while self._is_full and not self._is_lost:
            try:
                await self._wait(deadline)
            except TimeoutError:
                raise WireError(f"the peer took no data for {timeout:g} s") from None

    async def start_tls(self, context: ssl.SSLContext, server_name: str, timeout: float) -> None:
        """Upgrades to TLS. What the peer sent in the clear before the handshake is dropped, never read as a reply.

        Raises TlsError.
        """
        # From here on, the loop gives us what was decrypted, and nothing else (no response injection).
        self._input.clear()
        self._is_tls = self._is_reading = True
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_hostname=server_name,
                ssl_handshake_timeout=timeout,
            )
        except ssl.SSLError as error:
            raise TlsError(f"TLS: {plain_tls_error(error)}", openssl_trouble(error)) from error
        except OSError as error:
            raise TlsError(f"TLS: {plain_os_error(error)}") from error
        except ValueError as error:
            raise TlsError(f"TLS: {server_name} cannot be asked for a certificate") from error
        if transport is None:
            raise TlsError("TLS: connection lost")
        self._transport = transport

    @property
    def tls(self) -> str:
        """The TLS version and cipher in use, or the empty string."""
        channel = self._transport.get_extra_info("ssl_object") if self._is_tls else None
        return f"{channel.version()} {channel.cipher()[0]}" if channel else ""

    @property
    def peer_chain(self) -> list[bytes]:
        """The certificates that the peer showed, in DER, its own first; none without TLS."""
        channel = self._transport.get_extra_info("ssl_object")
        return peer_chain(channel) if channel else []

    @property
    def local_address(self) -> str:
        """Our own IP address on this connection, or the empty string."""
        name = self._transport.get_extra_info("sockname")
        return str(name[0]) if name else ""

    @property
    def broken(self) -> bool:
        """True when the connection is known to be gone, though nobody has read from it."""
        return self._has_ended or self._transport.is_closing()

    def abort(self) -> None:
        """Drops the connection at once, with whatever is still unsent."""
        self._transport.abort()


def printable(line: bytes) -> str:
    """The start of what a peer sent, with nothing in it that could forge a log line."""
    return repr(line[:80].decode("ascii", "backslashreplace"))


def plain_os_error(error: OSError) -> str:
    """The reason in the operating system's words, without numbers and addresses."""
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "connection reset by the peer"
    # The event loop puts words of its own, with addresses, in the place of the system's.
    words = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error) or type(error).__name__
    return words.split(" (")[0].split(" [")[0].lower()


def plain_tls_error(error: ssl.SSLError) -> str:
    """Why the handshake failed, in OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not verify: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
