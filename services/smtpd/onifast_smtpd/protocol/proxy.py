"""The PROXY protocol, versions 1 and 2: what a proxy says of the client that it speaks for.

No octet behind the header is read, since that may be for TLS. The format is that of
https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt (of 2020).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from onifast_smtpd.clients.client import Tls

PATIENCE = 5.0  # seconds in which the whole header has to be there
MAX_V1 = 107  # octets of a header of version 1
MAX_V2 = 4096  # octets behind the fixed part of version 2; the addresses and what else a proxy tells

_SHORTEST = 15  # octets of the shortest header of all, "PROXY UNKNOWN\r\n"
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1 = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) ([0-9]{1,5}) ([0-9]{1,5})\r\n")
_ADDRESSES = {0x11: (4, 12), 0x21: (16, 36)}  # family and protocol: octets of an address, and of all of them
_TLV_SSL, _TLV_VERSION, _TLV_CIPHER = 0x20, 0x21, 0x23
_CLIENT_SSL = 0x01
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,64}")

End = tuple[str, int]
Read = Callable[[int], Awaitable[bytes]]


class ProxyError(Exception):
    """What came is no PROXY header."""


@dataclass(frozen=True)
class Proxied:
    """Both ends of the client's connection to the proxy, and the TLS that the proxy ended.

    The ends are None where the proxy speaks for itself, as it does to see whether we live.
    """

    client: End | None = None
    local: End | None = None
    tls: Tls | None = None


async def read_header(read: Read) -> Proxied:
    """Reads the header; `read` gives just that many octets. Raises ProxyError, TimeoutError, and what `read` raises."""
    async with asyncio.timeout(PATIENCE):
        return await _read(read)


async def _read(read: Read) -> Proxied:
    begin = await read(_SHORTEST)
    if begin.startswith(_SIGNATURE):
        begin += await read(1)
        (size,) = struct.unpack_from("!H", begin, 14)
        if size > MAX_V2:
            raise ProxyError("the header is too long")
        return parse_v2(begin, await read(size))
    if not begin.startswith(b"PROXY "):
        raise ProxyError("no header")
    line = bytearray(begin)
    while not line.endswith(b"\r\n"):
        if len(line) >= MAX_V1:
            raise ProxyError("the header is too long")
        line += await read(1)
    return parse_v1(bytes(line))


def parse_v1(line: bytes) -> Proxied:
    """A header of version 1, with its CRLF; raises ProxyError."""
    if line.startswith(b"PROXY UNKNOWN") and line[13:14] in (b" ", b"\r"):
        return Proxied()
    match = _V1.fullmatch(line)
    if not match:
        raise ProxyError("malformed header")
    version = 4 if match[1] == b"TCP4" else 6
    return Proxied(_end(match[2], int(match[4]), version), _end(match[3], int(match[5]), version))


def parse_v2(fixed: bytes, rest: bytes) -> Proxied:
    """A header of version 2: its 16 fixed octets, and what they announce; raises ProxyError."""
    version, command, family = fixed[12] >> 4, fixed[12] & 15, fixed[13]
    if version != 2 or command > 1:
        raise ProxyError("unknown version or command")
    if command == 0:
        return Proxied()
    if family not in _ADDRESSES:
        raise ProxyError("the client's connection is none of TCP")
    size, total = _ADDRESSES[family]
    if len(rest) < total:
        raise ProxyError("addresses are missing")
    ports = struct.unpack_from("!HH", rest, 2 * size)
    client, local = (str(ipaddress.ip_address(rest[at : at + size])) for at in (0, size))
    return Proxied((client, ports[0]), (local, ports[1]), _tls(rest[total:]))


def _end(address: bytes, port: int, version: int) -> End:
    try:
        ip = ipaddress.ip_address(address.decode("ascii"))
    except ValueError:
        raise ProxyError("malformed address") from None
    if ip.version != version or port > 65535:
        raise ProxyError("malformed address")
    return str(ip), port


def _tls(octets: bytes) -> Tls | None:
    """What the proxy says of the client's TLS: None where it used none."""
    value = _tlvs(octets).get(_TLV_SSL, b"")
    if len(value) < 5 or not value[0] & _CLIENT_SSL:
        return None
    about = _tlvs(value[5:])
    return Tls(_token(about.get(_TLV_VERSION, b""), "TLS"), _token(about.get(_TLV_CIPHER, b""), "unknown"))


def _tlvs(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while position + 3 <= len(octets):
        kind, size = struct.unpack_from("!BH", octets, position)
        found.setdefault(kind, octets[position + 3 : position + 3 + size])
        position += 3 + size
    return found


def _token(octets: bytes, default: str) -> str:
    text = octets.decode("ascii", "replace")
    return text if _TOKEN.fullmatch(text) else default
