"""Verification: is a message from whom it says? SPF, DKIM, ARC, iprev and DMARC, all over our own resolver.

Everything runs in threads of its own, never on the event loop. Every lookup and every check has a deadline; DNS trouble
becomes `temperror`, never an exception and never a session that hangs. A check for which no thread was free has found
nothing, which must not excuse a forgery: the client is told to try again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from onifast_shared.address import Address
from onifast_shared.dns import Resolver
from onifast_shared.suffixes import suffixes

from onifast_smtpd.client import IP
from onifast_smtpd.genuine import dmarc_check
from onifast_smtpd.genuine.arc_check import ArcResult, check_arc
from onifast_smtpd.genuine.crew import Crew, TooBusy, network_of
from onifast_smtpd.genuine.dkim_check import DkimResult, check_dkim
from onifast_smtpd.genuine.dmarc import DmarcResult
from onifast_smtpd.genuine.dmarc_check import Organizations, Published
from onifast_smtpd.genuine.dnsbl import Listing, check_list
from onifast_smtpd.genuine.iprev import IprevResult, check_iprev
from onifast_smtpd.genuine.lookup import Lookups
from onifast_smtpd.genuine.spf_check import SpfResult, check_spf
from onifast_smtpd.replies import TOO_BUSY_TO_CHECK, Refused

__all__ = [
    "ArcResult",
    "Authentication",
    "ClientCheck",
    "DkimResult",
    "DmarcResult",
    "IprevResult",
    "SpfResult",
    "Verifier",
]

T = TypeVar("T")

CHECK_TIME = 20.0  # seconds for each check from its begin, RFC 7208 section 4.6.4
PATIENCE = 20.0  # seconds that a check waits for a thread
THREADS = 64  # nearly all of them wait for DNS

_UNCHECKED = "no time left"
_NO_SIGNATURES_CHECKED: tuple[DkimResult, ...] = (DkimResult("temperror", reason=_UNCHECKED),)


@dataclass(frozen=True)
class ClientCheck:
    """What is known before the message comes: the client's right to use the envelope sender, and its own name."""

    spf: SpfResult
    iprev: IprevResult


@dataclass(frozen=True)
class Authentication:
    """What is known of a message's origin."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    iprev: IprevResult

    @property
    def summary(self) -> str:
        """The results in a few words, for the log."""
        results = {name: value for name, value in self._words().items() if name != "arc" or value != "none"}
        return ",".join(f"{name}={value}" for name, value in results.items())

    def as_dict(self) -> dict[str, Any]:
        """As it is stored with the message: the best result of each method, and the details."""
        return {
            **self._words(),
            "spf_domain": self.spf.domain,
            "dkim_domains": [result.domain for result in self.dkim if result.result == "pass"],
            "details": {
                "spf": {"result": self.spf.result, "identity": self.spf.identity, "text": self.spf.explanation},
                "dkim": [
                    {"result": item.result, "domain": item.domain, "selector": item.selector, "text": item.reason}
                    for item in self.dkim
                ],
                "dmarc": {"domain": self.dmarc.domain, "policy": self.dmarc.policy, "text": self.dmarc.problem},
                "arc": {"sealers": [seal.domain for seal in self.arc.seals], "text": self.arc.reason},
                "iprev": {"ip": self.iprev.ip, "name": self.iprev.name},
            },
        }

    def _words(self) -> dict[str, str]:
        return {
            "spf": self.spf.result,
            "dkim": _best([result.result for result in self.dkim]),
            "dmarc": self.dmarc.result,
            "arc": self.arc.result,
            "iprev": self.iprev.result,
        }


class Verifier:
    """Checks messages; one for a program."""

    def __init__(self, resolver: Resolver, hostname: str, lookup_timeout: float) -> None:
        self._resolver = resolver
        self._hostname = hostname
        self._timeout = lookup_timeout
        self._suffixes = suffixes()
        self._crew = Crew(THREADS, PATIENCE)

    async def check_client(self, ip: str, helo: str, mail_from: Address | None) -> ClientCheck:
        """SPF of the client and its envelope, and the client's name. Raises Refused where all threads are busy."""
        sender = str(mail_from) if mail_from else ""
        spf, iprev = await asyncio.gather(
            self._run(
                ip,
                lambda lookups: check_spf(lookups, ip, sender, helo, self._hostname),
                SpfResult.trouble(ip, sender, helo),
            ),
            self._run(ip, lambda lookups: check_iprev(lookups, ip), IprevResult("temperror", ip)),
        )
        return ClientCheck(spf, iprev)

    async def check_lists(self, ip: IP, zones: Sequence[str]) -> tuple[Listing, ...]:
        """The block lists that have a client; each is asked for itself, so that a dead one costs no answer.

        Raises Refused where all threads are busy.
        """
        asked = [self._run(str(ip), partial(check_list, ip=ip, zone=zone), None) for zone in zones]
        return tuple(listing for listing in await asyncio.gather(*asked) if listing)

    async def check(
        self, ip: str, helo: str, mail_from: Address | None, raw: bytes, known: ClientCheck | None = None
    ) -> Authentication:
        """Everything about a message, as it was sent; `known` is what was found out before it came.

        Raises Refused where all threads are busy.
        """
        # The header goes on to the first empty line: what some reader could take for From is From.
        claimed = dmarc_check.authors(raw.partition(b"\r\n\r\n")[0] + b"\r\n")
        organizations = {self._suffixes.organizational(domain) for domain in claimed.domains}
        speaks = partial(self._speaks, organizations)
        client, dkim, arc, published = await asyncio.gather(
            _ready(known) if known else self.check_client(ip, helo, mail_from),
            self._run(ip, lambda lookups: check_dkim(lookups, raw, speaks), _NO_SIGNATURES_CHECKED),
            self._run(ip, lambda lookups: check_arc(lookups, raw), ArcResult("temperror", reason=_UNCHECKED)),
            asyncio.gather(*(self._policy(ip, domain) for domain in claimed.domains)),
        )
        placed = await self._organizations(ip, published, client.spf, dkim)
        sample = secrets.randbelow(100)
        dmarc = claimed.failure or dmarc_check.judge(placed, published, client.spf, dkim, sample)
        return Authentication(client.spf, dkim, dmarc, arc, client.iprev)

    def _speaks(self, organizations: set[str], domain: str) -> bool:
        return self._suffixes.organizational(domain) in organizations

    async def _policy(self, ip: str, domain: str) -> Published:
        look_up = partial(dmarc_check.look_up, suffixes=self._suffixes, domain=domain)
        return await self._run(ip, look_up, Published(domain, trouble=_UNCHECKED))

    async def _organizations(
        self, ip: str, published: Sequence[Published], spf: SpfResult, dkim: Sequence[DkimResult]
    ) -> Organizations:
        domains = dmarc_check.related(published, spf, dkim)
        if not domains:
            return Organizations(published, {})
        place = partial(dmarc_check.place, suffixes=self._suffixes, domains=domains)
        by_list = {domain: self._suffixes.organizational(domain) for domain in domains}
        return Organizations(published, await self._run(ip, place, by_list))

    async def _run(self, ip: str, check: Callable[[Lookups], T], otherwise: T) -> T:
        """What `check` finds for that client, or `otherwise` where it does not end in time or has a bug.

        Raises Refused where it cannot begin.
        """
        try:
            begun = await self._crew.start(network_of(ip), lambda: check(self._lookups()))
        except TooBusy:
            raise Refused(TOO_BUSY_TO_CHECK) from None
        try:
            return await asyncio.wait_for(begun, CHECK_TIME + self._timeout)
        except TimeoutError:
            return otherwise
        except Exception:
            logging.getLogger("onifast.smtpd").exception("a check of a message failed")
            return otherwise

    def _lookups(self) -> Lookups:
        """Lookups of a check that begins now: what it waited for its thread is none of its time."""
        return Lookups(self._resolver.sync, self._timeout, time.monotonic() + CHECK_TIME)

    def close(self) -> None:
        """Ends the threads; checks that run are left to their deadlines."""
        self._crew.close()


async def _ready(known: ClientCheck) -> ClientCheck:
    return known


def _best(results: list[str]) -> str:
    for result in ("pass", "temperror", "fail", "policy", "permerror"):
        if result in results:
            return result
    return "none"
