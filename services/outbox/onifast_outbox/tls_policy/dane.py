"""DANE for SMTP (RFC 7672): what a host's TLSA records ask, where the DNS proves that they are its own."""

from __future__ import annotations

import asyncio

from onifast_shared.machine.dns import Temporary

from onifast_outbox.tls_policy.requirement import HostBarred, Insist, Requirement, ResultType, TlsLevel, TlsTrouble
from onifast_outbox.tls_policy.secure_dns import SecureAnswer, SecureDns
from onifast_outbox.tls_policy.tlsa import MALFORMED, Tlsa, usable


class Dane:
    """Asks for the records of mail exchangers on `port`."""

    def __init__(self, dns: SecureDns, port: int) -> None:
        self._dns = dns
        self._port = port

    async def exchangers(self, domain: str) -> frozenset[str]:
        """The hosts that the DNS proves to be the domain's; none where it proves nothing. Raises Temporary.

        Whoever forges an unproved MX answer can name hosts with TLSA records of their own (RFC 7672 section 2.2.1).
        """
        if not self._dns.believed or domain.startswith("["):
            return frozenset()
        found = await self._dns.look_up(domain, "MX")
        if not found.secure:
            return frozenset()
        hosts = {record.exchange.to_text(omit_final_dot=True).lower() for record in found.records}
        return frozenset(hosts or {domain})  # the implicit MX, where the absence of any is proved

    async def requirement(self, domain: str, host: str) -> Requirement | None:
        """What the TLSA records of `host`, an exchanger of `domain`, ask; None without any. Raises HostBarred."""
        canonical = await self._secure_name(host)
        if canonical is None:
            return None
        for base in dict.fromkeys((canonical, host)):
            tlsa = await self._records(base)
            if tlsa:
                return _requirement(base, domain, host, tlsa)
        return None

    async def _secure_name(self, host: str) -> str | None:
        """The host's name at the end of its aliases, where its addresses are proved; TLSA is asked for there alone.

        Servers that know nothing of DNSSEC often fail at questions for TLSA (RFC 7672 section 2.2.2).
        """
        answers = await asyncio.gather(*(self._try(host, kind) for kind in ("A", "AAAA")))
        found = [answer for answer in answers if answer and answer.records]
        if not found and None in answers:
            # Who came to know the host's addresses a moment ago must not go there unprotected now.
            raise HostBarred(TlsTrouble(ResultType.DNSSEC_INVALID, f"the addresses of {host} cannot be had now"))
        if not found or not all(answer.secure for answer in found):
            return None
        return found[0].name

    async def _try(self, host: str, kind: str) -> SecureAnswer | None:
        """None where nothing can be said now."""
        try:
            return await self._dns.look_up(host, kind)
        except Temporary:
            return None

    async def _records(self, base: str) -> list[Tlsa]:
        name = f"_{self._port}._tcp.{base}"
        try:
            found = await self._dns.look_up(name, "TLSA")
        except Temporary:
            # Forged, or broken: who can suppress the records must gain nothing by it (RFC 7672 section 2.1.3).
            text = f"{base}: the TLSA records at {name} cannot be had, or are forged (DNSSEC)"
            raise HostBarred(TlsTrouble(ResultType.DNSSEC_INVALID, text)) from None
        if not found.secure:
            return []
        tlsa = [Tlsa(each.usage, each.selector, each.mtype, each.cert) for each in found.records]
        return tlsa + [MALFORMED] * found.malformed


def _requirement(base: str, domain: str, host: str, tlsa: list[Tlsa]) -> Requirement:
    because = f"the TLSA records of {base} ask for it (DANE)"
    if records := usable(tlsa):
        # The names that DANE-TA takes in a certificate (RFC 7672 section 3.2.2).
        return Requirement(Insist.DANE, TlsLevel.DANE, tuple(dict.fromkeys((base, host))), records, because, domain)
    # There is TLS to be had, though nothing to prove it by (RFC 7672 section 2.2).
    return Requirement(Insist.ENCRYPTION, tlsa=tuple(tlsa), because=because)
