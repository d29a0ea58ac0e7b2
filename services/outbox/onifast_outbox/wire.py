"""One TCP connection that speaks CRLF lines, with TLS on request and a deadline on every step."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from dataclasses import dataclass

from onifast_shared.config import Settings
from onifast_shared.transport.sources import why_unusable

from onifast_outbox.tls_policy.certificates import openssl_trouble, peer_chain
from onifast_outbox.tls_policy.requirement import ResultType

MAX_LINE = 4096
MAX_REPLY_LINES = 256
CHUNK = 256 * 1024


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


class Wire:
    """A connected socket. Every method raises WireError where the peer or the network fails."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        # An upgraded writer's predecessor: dropping it would close the socket that both share.
        self._plain_writer: asyncio.StreamWriter | None = None

    @classmethod
    async def connect(
        cls,
        address: str,
        port: int,
        *,
        timeout: float,
        source: str | None = None,
    ) -> Wire:
        """Connect to an IP address, from the address `source` of ours if it is given."""
        local = None if source is None else (source, 0)
        if source is not None and (why := why_unusable(source)):
            raise WireError(f"nothing can be sent from {source}: {why}")
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(address, port, limit=MAX_LINE, local_addr=local)
        except TimeoutError:
            raise WireError(f"no connection within {timeout:g} s") from None
        except OSError as error:
            raise WireError(plain_os_error(error)) from error
        return cls(reader, writer)

    async def read_reply(self, timeout: float) -> list[bytes]:
        """The lines of one reply without their CRLF. A reply is complete at the line with a space after its code."""
        try:
            async with asyncio.timeout(timeout):
                return await self._read_lines()
        except TimeoutError:
            raise WireError(f"no reply within {timeout:g} s") from None
        except (asyncio.LimitOverrunError, ValueError):
            raise WireError("a reply line is too long") from None
        except OSError as error:
            raise WireError(f"connection lost: {plain_os_error(error)}") from error

    async def _read_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        while len(lines) < MAX_REPLY_LINES:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise WireError("connection lost")
            line = line.rstrip(b"\r\n")
            if not line[:3].isdigit() or line[3:4] not in (b"", b" ", b"-"):
                raise WireError(f"not an SMTP reply: {printable(line)}")
            lines.append(line)
            if line[3:4] != b"-":
                return lines
        raise WireError("a reply has too many lines")

    async def write(self, data: bytes, timeout: float) -> None:
        """Hand `data` to the network, at most CHUNK bytes ahead of the peer; `timeout` counts anew for each chunk."""
        try:
            for start in range(0, len(data), CHUNK):
                self._writer.write(data[start : start + CHUNK])
                async with asyncio.timeout(timeout):
                    await self._writer.drain()
        except TimeoutError:
            raise WireError(f"the peer took no data for {timeout:g} s") from None
        except OSError as error:
            raise WireError(f"connection lost: {plain_os_error(error)}") from error

    async def start_tls(self, context: ssl.SSLContext, server_name: str, timeout: float) -> None:
        """Upgrade to TLS. What the peer sent in the clear before the handshake is dropped, never read as a reply."""
        loop = asyncio.get_running_loop()
        # A fresh reader, not StreamWriter.start_tls: that one keeps the plain-text buffer (response injection).
        reader = asyncio.StreamReader(limit=MAX_LINE, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport = await loop.start_tls(
                self._writer.transport,
                protocol,
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
        protocol.connection_made(transport)
        self._plain_writer = self._writer
        self._reader, self._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    @property
    def tls(self) -> str:
        """The TLS version and cipher in use, or the empty string."""
        channel = self._writer.get_extra_info("ssl_object")
        return f"{channel.version()} {channel.cipher()[0]}" if channel else ""

    @property
    def peer_chain(self) -> list[bytes]:
        """The certificates that the peer showed, in DER, its own first; none without TLS."""
        channel = self._writer.get_extra_info("ssl_object")
        return peer_chain(channel) if channel else []

    @property
    def local_address(self) -> str:
        """Our own IP address on this connection, or the empty string."""
        name = self._writer.get_extra_info("sockname")
        return str(name[0]) if name else ""

    @property
    def broken(self) -> bool:
        """True when the connection is known to be gone, though nobody has read from it."""
        return self._reader.at_eof() or self._writer.is_closing()

    def abort(self) -> None:
        """Drop the connection at once, with whatever is still unsent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection and wait, briefly, until it is gone."""
        self._writer.close()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        self.abort()


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
