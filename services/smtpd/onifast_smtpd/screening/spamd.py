"""A client of SpamAssassin's daemon (`SYMBOLS`, protocol SPAMC/1.5)."""

from __future__ import annotations

import re

from onifast_shared.junk.exchange import ScanTrouble, exchange

from onifast_smtpd.milter.filters import FilteredMessage
from onifast_smtpd.screening.scan import Scan

_STATUS = re.compile(rb"SPAMD/[0-9.]+ 0 ")
_SCORED = re.compile(
    rb"^Spam: *(True|False|Yes|No) *; *(-?[0-9]+(?:\.[0-9]+)?) */ *(-?[0-9]+(?:\.[0-9]+)?)", re.M | re.I
)
_RULE = re.compile(rb"[A-Z0-9_]{1,80}")


async def scan(host: str, port: int, message: FilteredMessage) -> Scan:
    """Asks spamd. Raises OSError, ScanTrouble."""
    octets, user = message.traced, f"User: {message.username}\r\n" if message.username else ""
    request = f"SYMBOLS SPAMC/1.5\r\n{user}Content-length: {len(octets)}\r\n\r\n".encode() + octets
    return parse(await exchange(host, port, request))


def parse(answer: bytes) -> Scan:
    """The scan that spamd's response holds. Raises ScanTrouble."""
    head, divider, body = answer.partition(b"\r\n\r\n")
    if not divider or not _STATUS.match(head):
        raise ScanTrouble(f"spamd answers {head[:60]!r}")
    match = _SCORED.search(head.replace(b"\r\n", b"\n"))
    if match is None:
        raise ScanTrouble("spamd's answer cannot be read")
    action = "junk" if match[1].lower() in (b"true", b"yes") else "accept"
    rules = tuple(name.decode() for name in _RULE.findall(body))
    return Scan("SpamAssassin", action, float(match[2]), float(match[3]), rules)
