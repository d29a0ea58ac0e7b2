"""Verification: is a message from whom it says? SPF, DKIM, ARC, iprev and DMARC, all over our own resolver.

Everything runs in threads of its own, never on the event loop. Every look-up and every check has a deadline; trouble
of DNS becomes `temperror`, never an exception and never a session that hangs. A check for which there was no thread, or
not enough time, has found nothing, which must not excuse a forgery: the client is told to try again. Nor must a bug: a
check that fails counts as one that did not pass.
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

from onifast_shared.machine.dns import Resolver
from onifast_shared.message.sections import RawMessage
from onifast_shared.values.address import Address
from onifast_shared.values.suffixes import suffixes

from onifast_smtpd.authentication import dmarc_check
from onifast_smtpd.authentication.arc_check import ArcResult, check_arc
from onifast_smtpd.authentication.dkim_check import DkimResult, check_dkim
from onifast_smtpd.authentication.dmarc import DmarcResult
from onifast_smtpd.authentication.dmarc_check import Organizations, Published
from onifast_smtpd.authentication.dnsbl import Listing, check_list
from onifast_smtpd.authentication.fair_threads import FairThreads, TooBusy, network_of
from onifast_smtpd.authentication.iprev import IprevResult, check_iprev
from onifast_smtpd.authentication.lookup import LookupHistory, Lookups
from onifast_smtpd.authentication.outage import PROBE_TIME, Outage
from onifast_smtpd.authentication.spf_check import SpfResult, check_spf
from onifast_smtpd.clients.client import IP
from onifast_smtpd.protocol.replies import NO_DNS, TOO_BUSY_TO_CHECK, Refused

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

_BROKEN = "the check itself failed"


@dataclass(frozen=True)
class ClientCheck:
    """What is known before the message comes: the client's right to use the envelope sender, and its own name."""

    spf: SpfResult
    iprev: IprevResult


@dataclass(frozen=True)
class Authentication:
    """What is known of a message's origin; `dns_works` says whether DNS as a whole did when it was found out."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    iprev: IprevResult
    dns_works: bool = True

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
        self._threads = FairThreads(THREADS, PATIENCE)
        self.outage = Outage(resolver)

    async def check_client(
        self, ip: str, helo: str, mail_from: Address | None, history: LookupHistory | None = None
    ) -> ClientCheck:
        """SPF of the client and its envelope, and the client's name. Raises Refused where all threads are busy."""
        sender = str(mail_from) if mail_from else ""
        check = partial(check_spf, ip=ip, mail_from=sender, helo=helo, receiver=self._hostname)
        spf, iprev = await asyncio.gather(
            self._run(ip, check, SpfResult.broken(ip, sender, helo), history),
            self._run(ip, partial(check_iprev, ip=ip), IprevResult("permerror", ip), history),
        )
        return ClientCheck(spf, iprev)

    async def check_lists(self, ip: IP, zones: Sequence[str]) -> tuple[Listing, ...]:
        """The block lists that have a client; each is asked for itself, so that a dead one costs no answer.

        Raises Refused where all threads are busy, or our own resolver is down.
        """
        asked = [self._run(str(ip), partial(check_list, ip=ip, zone=zone), None) for zone in zones]
        found = tuple(listing for listing in await asyncio.gather(*asked) if listing)
        if zones and self.outage.is_on:
            raise Refused(NO_DNS)
        return found

    async def check(
        self,
        ip: str,
        helo: str,
        mail_from: Address | None,
        message: RawMessage,
        known: ClientCheck | None = None,
        *,
        history: LookupHistory | None = None,
    ) -> Authentication:
        """Everything about a message, as it was sent; `known` is what was found out before it came.

        Raises Refused where all threads are busy.
        """
        claimed = dmarc_check.authors_of(message)
        organizations = {self._suffixes.organizational(domain) for domain in claimed.domains}
        speaks = partial(self._speaks, organizations)
        client, dkim, arc, published = await asyncio.gather(
            _ready(known) if known else self.check_client(ip, helo, mail_from, history),
            self._run(ip, partial(check_dkim, raw=message.octets, speaks=speaks), _broken_dkim(), history),
            self._run(ip, partial(check_arc, message=message), ArcResult("fail", reason=_BROKEN), history),
            asyncio.gather(*(self._policy(ip, domain, history) for domain in claimed.domains)),
        )
        placed = await self._organizations(ip, published, client.spf, dkim, history)
        sample = secrets.randbelow(100)
        dmarc = claimed.failure or claimed.settle(dmarc_check.judge(placed, published, client.spf, dkim, sample))
        return Authentication(client.spf, dkim, dmarc, arc, client.iprev, self.outage.dns_works)

    def _speaks(self, organizations: set[str], domain: str) -> bool:
        return self._suffixes.organizational(domain) in organizations

    async def _policy(self, ip: str, domain: str, history: LookupHistory | None) -> Published:
        look_up = partial(dmarc_check.look_up, suffixes=self._suffixes, domain=domain)
        return await self._run(ip, look_up, Published(domain, trouble=_BROKEN), history)

    async def _organizations(
        self,
        ip: str,
        published: Sequence[Published],
        spf: SpfResult,
        dkim: Sequence[DkimResult],
        history: LookupHistory | None,
    ) -> Organizations:
        domains = dmarc_check.related(published, spf, dkim)
        if not domains:
            return Organizations(published, {})
        place = partial(dmarc_check.place, suffixes=self._suffixes, domains=domains)
        by_list = {domain: self._suffixes.organizational(domain) for domain in domains}
        return Organizations(published, await self._run(ip, place, by_list, history))

    async def _run(self, ip: str, check: Callable[[Lookups], T], broken: T, history: LookupHistory | None = None) -> T:
        """What `check` finds for that client, or `broken` where it has a bug.

        Raises Refused where it cannot begin, or does not end in time, though no look-up may take so long.
        """
        try:
            begun = await self._threads.start(network_of(ip), lambda: check(self._lookups(history)))
            return await asyncio.wait_for(begun, CHECK_TIME + self._timeout + PROBE_TIME)
        except (TooBusy, TimeoutError):
            raise Refused(TOO_BUSY_TO_CHECK) from None
        except Exception:
            logging.getLogger("onifast.smtpd").exception("a check of a message failed")
            return broken

    def _lookups(self, history: LookupHistory | None) -> Lookups:
        """Look-ups of a check that begins now: the wait for a thread is not part of its time."""
        end = time.monotonic() + CHECK_TIME
        return Lookups(self._resolver.sync, self._timeout, end, history=history, outage=self.outage)

    def close(self) -> None:
        """Ends the threads; checks that run are left to their deadlines."""
        self.outage.close()
        self._threads.close()


def _broken_dkim() -> tuple[DkimResult, ...]:
    return (DkimResult("permerror", reason=_BROKEN),)


async def _ready(known: ClientCheck) -> ClientCheck:
    return known


def _best(results: list[str]) -> str:
    for result in ("pass", "temperror", "fail", "policy", "permerror"):
        if result in results:
            return result
    return "none"
