"""DNS block lists (RFC 5782): what to ask one about an address, and what its answer says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 5782 section 2.1: an answer lies in 127.0.0.0/8. Lists answer from its top to say that they do not answer: to a
# public resolver, for one, or to somebody who asks too often.
_ANSWERS = ipaddress.ip_network("127.0.0.0/8")
_ERRORS = ipaddress.ip_network("127.255.255.0/24")


def query_name(ip: IP, zone: str) -> str:
    """The name to ask for: octets, or for IPv6 nibbles, backwards (RFC 5782 sections 2.1 and 2.4)."""
    return f"{ip.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def is_listing(addresses: Iterable[str]) -> bool:
    """Whether an answer says that the address is listed."""
    found = [ipaddress.ip_address(address) for address in addresses]
    return any(address in _ANSWERS and address not in _ERRORS for address in found)


def is_refusal(addresses: Iterable[str]) -> bool:
    """Whether an answer says that the list does not answer who asks."""
    return any(ipaddress.ip_address(address) in _ERRORS for address in addresses)
