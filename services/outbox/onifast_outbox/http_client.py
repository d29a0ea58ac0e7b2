"""A small HTTPS client: one request a connection, names looked up by our own resolver, limits on time and size.

h11 does the protocol. The large clients bring their own pools, redirects and cookies, none of which is wanted where a
policy is fetched or a report is handed in, and take another resolver only by way of their inner parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11
from onifast_shared.dns import DNSError, Resolver

# A server's header section; more is nobody's good answer.
_MOST_HEADER = 16 * 1024
_CHUNK = 16 * 1024


class HttpError(Exception):
    """No answer was had. Its text says why, in plain words."""


class BadCertificate(HttpError):
    """The server did not prove that it is the one that the URL names."""


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names are in lower case, the first of a name counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """Asks HTTPS servers whose certificates `context` accepts. `timeout` is for a whole exchange, in seconds."""

    def __init__(self, resolver: Resolver, context: ssl.SSLContext, *, timeout: float) -> None:
        self._resolver = resolver
        self._context = context
        self._timeout = timeout

    async def get(self, url: str, *, limit: int) -> Answer:
        """Fetch `url`, whose answer may have `limit` bytes; redirects are not followed. Raises HttpError."""
        return await self._exchange("GET", url, {}, b"", limit)

    async def post(self, url: str, content_type: str, body: bytes, *, limit: int = 64 * 1024) -> Answer:
        """Hand `body` to `url`. Raises HttpError."""
        return await self._exchange("POST", url, {"Content-Type": content_type}, body, limit)

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes, limit: int) -> Answer:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 443
        except ValueError:
            raise HttpError("not a URL") from None
        if parts.scheme != "https" or not host:
            raise HttpError("not an https URL")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "onifast-mail", "Connection": "close", **headers}
        if body:
            sent["Content-Length"] = str(len(body))
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await self._connect(host, port)
                try:
                    request = h11.Request(method=method, target=target, headers=list(sent.items()))
                    return await _converse(reader, writer, request, body, limit)
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise HttpError(f"no answer within {self._timeout:g} s") from None
        except (h11.ProtocolError, UnicodeError) as error:
            raise HttpError(f"not HTTP: {error}") from error
        except OSError as error:
            raise HttpError("the connection broke") from error

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that takes one."""
        trouble: Exception | None = None
        for address in await self._addresses(host):
            try:
                return await asyncio.open_connection(address, port, ssl=self._context, server_hostname=host)
            except ssl.SSLCertVerificationError as error:
                raise BadCertificate(f"the certificate does not verify: {error.verify_message}") from error
            except ssl.SSLError as error:
                trouble = HttpError(f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}")
            except (OSError, ValueError):
                trouble = HttpError(f"{host} takes no connection")
        raise trouble or HttpError(f"{host} has no address")

    async def _addresses(self, host: str) -> list[str]:
        found: list[str] = []
        for look_up in (self._resolver.aaaa, self._resolver.a):
            with contextlib.suppress(DNSError):
                found += (await look_up(host))[:2]
        return found


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes, limit: int
) -> Answer:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER)
    writer.write(connection.send(request) or b"")
    if body:
        writer.write(connection.send(h11.Data(data=body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    status, headers, received = 0, dict[str, str](), bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:
                headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        elif isinstance(event, h11.Data):
            received += event.data
            if len(received) > limit:
                raise HttpError(f"the answer has more than {limit} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, headers, bytes(received))
        elif isinstance(event, h11.ConnectionClosed):
            raise HttpError("the server closed the connection")
