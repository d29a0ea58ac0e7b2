"""DNS block lists (RFC 5782): is the client's address listed, by whom, and what does the list say of it?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups
from onifast_smtpd.clients.client import IP

# RFC 5782 section 2.1: an answer lies in 127.0.0.0/8. Lists answer from its top to say that they do not answer: to a
# public resolver, for one, or to somebody who asks too often.
_ANSWERS = ipaddress.ip_network("127.0.0.0/8")
_ERRORS = ipaddress.ip_network("127.255.255.0/24")


@dataclass(frozen=True)
class Listing:
    """A list that has the client; `text` is what it says to the listed, "" for nothing."""

    zone: str
    text: str = ""


def query_name(ip: IP, zone: str) -> str:
    """The name to ask for: octets, or for IPv6 nibbles, backwards (RFC 5782 sections 2.1 and 2.4)."""
    return f"{ip.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def is_listing(addresses: Iterable[str]) -> bool:
    """Whether an answer says that the address is listed."""
    found = [ipaddress.ip_address(address) for address in addresses]
    return any(address in _ANSWERS and address not in _ERRORS for address in found)


def check_list(lookups: Lookups, ip: IP, zone: str) -> Listing | None:
    """Asks one list. Blocks. A list that does not answer has nobody."""
    name = query_name(ip, zone)
    try:
        answers: list[Any] = list(lookups(name, "A"))
        if not is_listing(answer.address for answer in answers):
            return None
    except DnsTrouble:
        return None
    try:
        texts: list[Any] = list(lookups(name, "TXT"))
    except DnsTrouble:
        texts = []
    return Listing(zone, b"".join(texts[0].strings).decode("utf-8", "replace") if texts else "")
