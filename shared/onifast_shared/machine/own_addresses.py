"""The addresses of this machine that other sites see, as far as the machine knows them. Nothing is sent for that."""

from __future__ import annotations

import ipaddress
import socket

_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that documentation has, and nobody else: what leads there leads to the Internet."""


def public() -> tuple[str, ...]:
    """The addresses that mail would leave from, IPv4 first; none behind a translator of addresses, or unconnected."""
    return tuple(found for family, there in _ELSEWHERE if (found := _leaving(family, there)))


def _leaving(family: socket.AddressFamily, there: str) -> str:
    """The address that a datagram to there would have; connecting a UDP socket only asks the routes."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((there, 9))
            address = str(sock.getsockname()[0])
    except OSError:
        return ""
    return address if ipaddress.ip_address(address).is_global else ""
