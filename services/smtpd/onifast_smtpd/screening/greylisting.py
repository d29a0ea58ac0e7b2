"""Greylisting (RFC 6647): an unknown client has to come back, which most who send junk do not.

A client that came back once is not asked again, from its whole network: large sites try again from another address.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from onifast_shared.db.database import Connection
from onifast_shared.refused import greylist
from onifast_shared.refused.greylist import GreylistEntry
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from onifast_smtpd.clients.client import IP

IPV4_NETWORK = 24
IPV6_NETWORK = 64
WINDOW = 86400  # seconds in which a client must come back; after that its wait begins anew
REFRESH = 86400  # seconds after which a proven client's last message is noted again


@dataclass(frozen=True)
class GreylistStep:
    """What an attempt leads to: seconds still to wait (0: come in), and the history from now on."""

    wait: int
    entry: GreylistEntry


def network(ip: IP) -> str:
    """What counts as one client."""
    prefix = IPV4_NETWORK if ip.version == 4 else IPV6_NETWORK
    return str(ipaddress.ip_network(f"{ip}/{prefix}", strict=False))


def step(entry: GreylistEntry | None, now: float, delay: float) -> GreylistStep:
    """One more attempt of somebody with that history; `delay` is how long they have to wait at first, in seconds."""
    moment = int(now)
    if entry is None or (not entry.passed and moment - entry.first_ts > WINDOW):
        return GreylistStep(max(1, int(delay)), GreylistEntry(moment, moment))
    left = 0 if entry.passed else int(entry.first_ts + delay - moment)
    if left > 0:
        return GreylistStep(left, replace(entry, last_ts=moment))
    fresh = entry.passed and moment - entry.last_ts < REFRESH
    return GreylistStep(0, entry if fresh else replace(entry, last_ts=moment, passed=True))


def is_known(tx: Connection, ip: IP) -> bool:
    """Whether somebody of the client's network came back before."""
    entry = greylist.get(tx, network(ip))
    return entry is not None and entry.passed


def attempt(tx: Connection, ip: IP, sender: Address | None, recipient: Address, now: float, *, delay: float) -> int:
    """Notes an attempt; returns the seconds still to wait, 0 for none."""
    place = network(ip)
    key = f"{place}|{sender.key if sender else ''}|{recipient.key}"
    before = greylist.get(tx, key)
    after = step(before, now, delay)
    if after.entry != before:
        greylist.put(tx, key, after.entry)
    if after.wait == 0:
        greylist.put(tx, place, after.entry)
    return after.wait


def refusal(wait: int) -> Reply:
    """What a client is told that has to wait (RFC 6647 section 5)."""
    return Reply(451, "4.7.1", f"greylisted: try again in {wait} seconds, as every mail server does")
