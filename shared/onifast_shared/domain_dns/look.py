"""Asks DNS for all that a domain's mail needs, within the time of three look-ups (`dns_timeout`)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeVar

from onifast_shared.dkim import published
from onifast_shared.dkim.keys import DnsRecord
from onifast_shared.domain_dns import records, spf
from onifast_shared.domain_dns.records import MailFacts, RecordStanding, RecordState
from onifast_shared.machine import dns
from onifast_shared.machine.dns import MX, DNSSettings, Resolver

_MOST_PARENTS = 4
_MOST_ADDRESSES = 8

T = TypeVar("T")


async def look_at_all(settings: DNSSettings, facts: MailFacts) -> list[RecordState]:
    """Every record, in the order in which they are shown.

    With a resolver of its own: whoever asks may have just changed a record, and a cache would deny it.
    """
    look = _Look(dns.resolver(settings), facts, settings.dns_timeout)
    parts = [look.mx(), look.sending(), *map(look.dkim, facts.dkim), look.dmarc(), look.announced()]
    found = await asyncio.gather(*parts)
    return [record for part in found for record in part]


def look_now(settings: DNSSettings, facts: MailFacts) -> list[RecordState]:
    """`look_at_all` for threads without an event loop."""
    return asyncio.run(look_at_all(settings, facts))


class _Look:
    """One look at one domain. What gives no answer in time is `unknown`, and holds up nothing else."""

    def __init__(self, resolver: Resolver, facts: MailFacts, timeout: float) -> None:
        self._resolver = resolver
        self._facts = facts
        self._timeout = timeout

    async def mx(self) -> list[RecordState]:
        found = await self._bounded(self._resolver.mx(self._facts.domain), list[MX]())
        return [self._judged(found, list[MX](), lambda known: records.mx(self._facts, known))]

    async def sending(self) -> list[RecordState]:
        """The host's name, SPF, and the names of the addresses that mail leaves from."""
        name = self._facts.hostname
        four, six, texts = await asyncio.gather(
            self._bounded(self._resolver.a(name), list[str]()),
            self._bounded(self._resolver.aaaa(name), list[str]()),
            self._txt(self._facts.domain),
        )
        known = None if four is None and not six else [*(four or []), *(six or [])]
        host = self._judged(known, [], lambda found: records.host(self._facts, found))
        leaving = [*(self._facts.sources or known or self._facts.own)][:_MOST_ADDRESSES]
        if self._facts.has_relay:
            leaving = []
        return [host, await self._spf(texts, leaving), *await asyncio.gather(*map(self._ptr, leaving))]

    async def _spf(self, texts: list[str] | None, leaving: list[str]) -> RecordState:
        record = self._judged(texts, [], lambda found: records.spf(self._facts, found))
        if record.state != "good":
            return record
        if self._facts.has_relay:
            return record.judged("good", "Mail leaves by a relay: its operator says what the record has to include.")
        passing = await self._bounded(spf.problem_of(self._resolver, self._facts.domain, record.found[0], leaving), "")
        if passing is None:
            return record.judged("unknown", f"DNS gave no answer about what the record of {record.name} names.")
        return record.judged("wrong", passing) if passing else record

    async def _ptr(self, address: str) -> RecordState:
        name = ipaddress.ip_address(address).reverse_pointer
        found = await self._bounded(self._resolver.ptr(address), list[str]())
        return self._judged(found, [], lambda known: records.ptr(self._facts, address, name, known))

    async def dkim(self, record: DnsRecord) -> list[RecordState]:
        """A key's record."""
        check = await published.look(self._resolver, record, self._timeout)
        shown = await self._txt(record.name)
        state = RecordState("dkim", "TXT", record.name, record.value, found=tuple(shown or ()))
        if check.published is None:
            return [state.judged("unknown", check.problem)]
        standing: RecordStanding = "good" if check.published else "wrong" if shown else "missing"
        return [state.judged(standing, check.problem)]

    async def dmarc(self) -> list[RecordState]:
        """The domain's record, or the nearest above it."""
        labels = self._facts.domain.split(".")
        above = [".".join(labels[place:]) for place in range(1, len(labels) - 1)][-_MOST_PARENTS:]
        names = [f"_dmarc.{domain}" for domain in (self._facts.domain, *above)]
        found = await asyncio.gather(*map(self._txt, names))
        own = self._judged(found[0], [], lambda known: records.dmarc(self._facts, names[0], known))
        if own.state != "missing":
            return [own]
        inherited = [
            records.dmarc(self._facts, name, texts) for name, texts in zip(names[1:], found[1:], strict=True) if texts
        ]
        return [next((each for each in inherited if each.state == "good"), own)]

    async def announced(self) -> list[RecordState]:
        """MTA-STS, TLS reports, and what mail programs ask for."""
        facts = self._facts
        services = facts.services
        sts, reports, *found = await asyncio.gather(
            self._txt(f"_mta-sts.{facts.domain}"),
            self._txt(f"_smtp._tls.{facts.domain}"),
            *(self._bounded(self._resolver.srv(f"_{each.name}._tcp.{facts.domain}"), list[str]()) for each in services),
        )
        shown = [
            self._judged(sts, [], lambda known: records.mta_sts(facts, known)),
            self._judged(reports, [], lambda known: records.tls_rpt(facts, known)),
        ]
        for service, answer in zip(services, found, strict=True):
            state = records.autoconfig(facts, service, answer or [])
            shown.append(state if answer is not None else _unknown(state))
        return shown

    async def _txt(self, name: str) -> list[str] | None:
        found = await self._bounded(self._resolver.txt(name), list[bytes]())
        return None if found is None else [text.decode("utf-8", "replace") for text in found]

    async def _bounded(self, look_up: Awaitable[T], nothing: T) -> T | None:
        """What DNS says; `nothing` where it says that there is nothing, None where it does not answer."""
        try:
            async with asyncio.timeout(self._timeout):
                return await look_up
        except (dns.NoSuchDomain, dns.NoData):
            return nothing
        except (dns.Temporary, TimeoutError):
            return None

    @staticmethod
    def _judged(found: T | None, nothing: T, judge: Callable[[T], RecordState]) -> RecordState:
        return _unknown(judge(nothing)) if found is None else judge(found)


def _unknown(record: RecordState) -> RecordState:
    return record.judged("unknown", f"DNS gave no answer about {record.name}.")
