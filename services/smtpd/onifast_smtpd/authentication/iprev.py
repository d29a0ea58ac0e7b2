"""iprev (RFC 8601 section 3): does the client's address have a name, and does that name lead back to it?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups

MAX_NAMES = 5  # PTR records that are followed


@dataclass(frozen=True)
class IprevResult:
    """The result; `name` is the one that leads back, or else the first that the address claims to have."""

    result: str
    ip: str = ""
    name: str = ""


def check_iprev(lookups: Lookups, ip: str) -> IprevResult:
    """Checks one address. Blocks; raises nothing for DNS trouble."""
    address = ipaddress.ip_address(ip)
    try:
        names = [_text(record) for record in lookups(address.reverse_pointer, "PTR")][:MAX_NAMES]
    except DnsTrouble:
        return IprevResult("temperror", ip)
    if not names:
        return IprevResult("permerror", ip)
    kind = "A" if address.version == 4 else "AAAA"
    trouble = False
    for name in names:
        try:
            found: list[Any] = list(lookups(name, kind))
        except DnsTrouble:
            trouble = True
            continue
        if any(ipaddress.ip_address(record.address) == address for record in found):
            return IprevResult("pass", ip, name)
    return IprevResult("temperror" if trouble else "fail", ip, names[0])


def _text(record: Any) -> str:
    return str(record.target.to_text(omit_final_dot=True)).lower()
