"""A small HTTPS client: one request a connection, names looked up by our own resolver, limits on time and size.

h11 does the protocol. The large clients bring their own pools, redirects and cookies, none of which is wanted where a
policy is fetched or a report is handed in, and take another resolver only by way of their inner parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11
from onifast_shared.machine.dns import DNSError, Resolver

# A server's header section; more is nobody's good answer.
_MOST_HEADER = 16 * 1024
_CHUNK = 16 * 1024
# Octets of an answer beside its body: header sections, and what marks the body's pieces.
_MOST_BESIDE = 4 * _MOST_HEADER
# Pieces and interim answers: each costs its time, however short it is.
_MOST_EVENTS = 20_000


class HttpError(Exception):
    """No answer was had. Its text says why, in plain words."""


class BadCertificate(HttpError):
    """The server did not prove that it is the one that the URL names."""


@dataclass(frozen=True)
class HttpResponse:
    """What a server answered; header names are in lower case, the first of a name counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass
class _Incoming:
    """An answer as far as it has come; its body may have `limit` bytes. `status` is 0 before there is any."""

    limit: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    octets: int = 0

    def take(self, chunk: bytes) -> bytes:
        """What came over the connection, headers, marks and all. Raises HttpError for too much."""
        self.octets += len(chunk)
        if self.octets > self.limit + _MOST_BESIDE:
            raise self._too_long()
        return chunk

    def begin(self, response: h11.Response) -> None:
        """The header section has come."""
        self.status = response.status_code
        for name, value in response.headers:
            self.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def add(self, data: bytes) -> None:
        """More of the body has come. Raises HttpError for too much."""
        self.body += data
        if len(self.body) > self.limit:
            raise self._too_long()

    def _too_long(self) -> HttpError:
        return HttpError(f"the answer has more than {self.limit} bytes")


class HttpClient:
    """Asks HTTPS servers whose certificates `context` accepts. `timeout` is for a whole exchange, in seconds.

    `may_ask` judges the addresses that a name has, with the port: no other one is connected to. `plain_to` judges
    which of them http may go to; None allows https alone.
    """

    def __init__(
        self,
        resolver: Resolver,
        context: ssl.SSLContext,
        *,
        timeout: float,
        may_ask: Callable[[str, int], bool] = lambda *_: True,
        plain_to: Callable[[str], bool] | None = None,
    ) -> None:
        self._resolver = resolver
        self._context = context
        self._timeout = timeout
        self._may_ask = may_ask
        self._plain_to = plain_to

    async def get(self, url: str, *, limit: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """Fetches `url`, whose answer may have `limit` bytes; redirects are not followed. Raises HttpError."""
        incoming = _Incoming(limit)
        await self._exchange("GET", url, headers or {}, b"", incoming)
        return HttpResponse(incoming.status, incoming.headers, bytes(incoming.body))

    async def post(
        self,
        url: str,
        content_type: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        limit: int = 64 * 1024,
    ) -> HttpResponse:
        """Hands `body` to `url`; the answer as far as it came. Raises HttpError where there is not even a status.

        The rest of the answer is awaited, so that the server can finish its work, but not needed: it may be
        longer than `limit`, late, or broken. Who said that they have taken the body is not given it a second time.
        """
        incoming = _Incoming(limit)
        try:
            await self._exchange("POST", url, {"Content-Type": content_type, **(headers or {})}, body, incoming)
        except HttpError:
            if not incoming.status:
                raise
        return HttpResponse(incoming.status, incoming.headers, bytes(incoming.body[:limit]))

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, incoming: _Incoming
    ) -> None:
        try:
            parts = urlsplit(url)
            is_plain = self._plain_to is not None and parts.scheme == "http"
            host, port = parts.hostname or "", parts.port or (80 if is_plain else 443)
        except ValueError:
            raise HttpError("not a URL") from None
        if not (is_plain or parts.scheme == "https") or not host:
            raise HttpError("not an https URL")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "onifast-mail", "Connection": "close", **headers}
        if body:
            sent["Content-Length"] = str(len(body))
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await self._connect(host, port, is_plain=is_plain)
                try:
                    request = h11.Request(method=method, target=target, headers=list(sent.items()))
                    await _converse(reader, writer, request, body, incoming)
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise HttpError(f"no answer within {self._timeout:g} s") from None
        except (h11.ProtocolError, UnicodeError) as error:
            raise HttpError(f"not HTTP: {error}") from error
        except OSError as error:
            raise HttpError("the connection broke") from error

    async def _connect(
        self, host: str, port: int, *, is_plain: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that takes one."""
        trouble: Exception | None = None
        found = await self._addresses(host)
        addresses = [address for address in found if self._may_ask(address, port)]
        if found and not addresses:
            raise HttpError(f"{host} has no address that may be asked from here")
        for address in addresses:
            try:
                if is_plain:
                    return await self._connect_plainly(address, port)
                return await asyncio.open_connection(address, port, ssl=self._context, server_hostname=host)
            except ssl.SSLCertVerificationError as error:
                raise BadCertificate(f"the certificate does not verify: {error.verify_message}") from error
            except ssl.SSLError as error:
                trouble = HttpError(f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}")
            except (OSError, ValueError):
                trouble = HttpError(f"{host} takes no connection")
        raise trouble or HttpError(f"{host} has no address")

    async def _connect_plainly(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._plain_to is None or not self._plain_to(address):
            raise HttpError(f"plain http may not go to {address}")
        return await asyncio.open_connection(address, port)

    async def _addresses(self, host: str) -> list[str]:
        if _is_address(host):
            return [host]
        if host.rstrip(".") == "localhost":  # not a matter of DNS (RFC 6761 section 6.3)
            return ["127.0.0.1", "::1"]
        found: list[str] = []
        for look_up in (self._resolver.aaaa, self._resolver.a):
            with contextlib.suppress(DNSError):
                found += (await look_up(host))[:2]
        return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes, incoming: _Incoming
) -> None:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER)
    writer.write(connection.send(request) or b"")
    if body:
        writer.write(connection.send(h11.Data(data=body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    for _ in range(_MOST_EVENTS):
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(incoming.take(await reader.read(_CHUNK)))
        elif isinstance(event, h11.Response):
            incoming.begin(event)
        elif isinstance(event, h11.Data):
            incoming.add(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return
        elif isinstance(event, h11.ConnectionClosed):
            raise HttpError("the server closed the connection")
    raise HttpError("the answer comes in too many pieces")
