"""DNS block lists (RFC 5782): is the client's address listed, by whom, and what does the list say of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onifast_shared.values.block_lists import is_listing, query_name

from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups
from onifast_smtpd.clients.client import IP


@dataclass(frozen=True)
class Listing:
    """A list that has the client; `text` is what it says to the listed, "" for nothing."""

    zone: str
    text: str = ""


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
