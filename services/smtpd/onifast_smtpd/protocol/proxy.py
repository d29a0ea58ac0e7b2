"""The PROXY protocol, versions 1 and 2: what a proxy says of the client that it speaks for, as aiosmtpd reads it.

No octet behind the header is read, since that may be for TLS. The format is that of
https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt (of 2020).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, ProxyData, ProxyTLV, get_proxy

from onifast_smtpd.clients.client import Tls

PATIENCE = 5.0  # seconds in which the whole header has to be there
MAX_V1 = 107  # octets of a header of version 1
MAX_V2 = 4096  # octets behind the fixed part of version 2; the addresses and what else a proxy tells

_SIGNATURE = 5  # octets by which the versions are told apart
_CLIENT_SSL = 0x01
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_V1_TOLD = re.compile(rb"PROXY (?:UNKNOWN[^\r]*|TCP[46](?: [0-9A-Fa-f:.]+){2}(?: [0-9]{1,5}){2})\r\n")

End = tuple[str, int]
Read = Callable[[int], Awaitable[bytes]]


class ProxyError(Exception):
    """What came is no PROXY header."""


async def read_header(read: Read) -> ProxyData:
    """Reads the header; `read` gives just that many octets. Raises ProxyError, TimeoutError, and what `read` raises."""
    async with asyncio.timeout(PATIENCE):
        data = await get_proxy(_HeaderReader(read))
    if not data.valid:
        raise ProxyError(data.error or "no header")
    if data.version == 1 and not _V1_TOLD.fullmatch(bytes(data.whole_raw)):
        raise ProxyError("malformed header")  # aiosmtpd takes what int() takes, and any protocol that begins with TCP
    return data


def client_end(data: ProxyData) -> End | None:
    """The client's end of its connection to the proxy; None where the proxy speaks for itself, to see whether we live.

    Raises ProxyError for a connection that is none of TCP.
    """
    return None if _speaks_for_itself(data) else _end(data, data.src_addr, data.src_port)


def proxy_end(data: ProxyData) -> End | None:
    """The proxy's end of that connection; None and ProxyError as in `client_end`."""
    return None if _speaks_for_itself(data) else _end(data, data.dst_addr, data.dst_port)


def tls_of(data: ProxyData) -> Tls | None:
    """What the proxy says of the client's TLS: None where it used none."""
    told: dict[str, Any] = {}
    with contextlib.suppress(IndexError):  # what says nothing in no octets
        told = ProxyTLV.parse(bytes(data.rest))[0] if data.version == 2 else {}
    if not told.get("SSL_CLIENT", 0) & _CLIENT_SSL:
        return None
    return Tls(_token(told.get("SSL_VERSION", b""), "TLS"), _token(told.get("SSL_CIPHER", b""), "unknown"))


def _speaks_for_itself(data: ProxyData) -> bool:
    return data.command == V2_CMD.LOCAL if data.version == 2 else data.family == AF.UNSPEC


def _end(data: ProxyData, address: object, port: int | None) -> End:
    if data.family not in (AF.INET, AF.INET6) or data.protocol != PROTO.STREAM or port is None:
        raise ProxyError("the client's connection is none of TCP")
    return str(address), port


class _HeaderReader:
    """aiosmtpd's reader over `read`, which reads no further than the longest header goes."""

    def __init__(self, read: Read) -> None:
        self._read = read

    async def read(self, n: int = -1) -> bytes:
        """Just `n` octets."""
        if not 0 <= n <= MAX_V2:
            raise ProxyError("the header is too long")
        return await self._read(n)

    async def readexactly(self, n: int) -> bytes:
        """Just `n` octets."""
        return await self._read(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """The rest of a line."""
        line = bytearray()
        while not line.endswith(separator):
            if len(line) >= MAX_V1 - _SIGNATURE:
                raise ProxyError("the header is too long")
            line += await self._read(1)
        return bytes(line)


def _token(octets: bytes, default: str) -> str:
    text = bytes(octets).decode("ascii", "replace")
    return text if _TOKEN.fullmatch(text) else default
