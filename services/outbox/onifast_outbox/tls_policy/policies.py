"""Which policies hold for a domain, and what they make of each of its hosts.

DANE goes before MTA-STS (RFC 8461 section 2).
"""

from __future__ import annotations

import time
from dataclasses import replace

from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver, Temporary
from onifast_shared.webhooks import targets

from onifast_outbox.http_client import HttpClient
from onifast_outbox.tls_policy import results
from onifast_outbox.tls_policy.certificates import CertificateVerifier
from onifast_outbox.tls_policy.contexts import Contexts
from onifast_outbox.tls_policy.dane import Dane
from onifast_outbox.tls_policy.ledger import TlsLedger
from onifast_outbox.tls_policy.policy import TlsPolicy
from onifast_outbox.tls_policy.requirement import (
    OPPORTUNISTIC,
    Assurance,
    HostBarred,
    Insist,
    Requirement,
    ResultType,
    TlsLevel,
    TlsTrouble,
)
from onifast_outbox.tls_policy.secure_dns import SecureDns
from onifast_outbox.tls_policy.sts import StsFinding, StsPolicies
from onifast_outbox.tls_policy.sts_policy import StsPolicy

REFRESH_SECONDS = 3600.0
"""How often it is looked whether a kept policy has to be fetched anew."""

KNOWN_SECONDS = 10.0
"""How long a domain's policy is used again without looking: a mailing must not ask anew for each of its messages."""

_MOST_KNOWN = 10_000

FETCH_SECONDS = 30.0
"""How long the fetch of a policy may take in all: mail waits for it."""


def assemble(settings: Settings, db: Database, resolver: Resolver, contexts: Contexts) -> TlsPolicies:
    """The policies as the settings have them. Raises ConfigError for authorities that are none."""
    verifier = CertificateVerifier(settings.outbound_tls_ca)
    if settings.outbound_tls_ca:
        verifier.prepare()
    dane = Dane(SecureDns(resolver, settings.dnssec), settings.outbound_port)
    sts: StsPolicies | None = None
    if settings.mta_sts:
        # A stranger's DNS says where the policy is: it must not have this server ask its own neighbours.
        may_ask = targets.or_in(settings.mta_sts_networks)
        client = HttpClient(resolver, contexts.verifying, timeout=FETCH_SECONDS, may_ask=may_ask)
        sts = StsPolicies(db, resolver, client, port=settings.outbound_https_port)
    return TlsPolicies(verifier, dane=dane, sts=sts, ledger=TlsLedger(db, for_reports=settings.tls_reports))


class TlsPolicies:
    """Looks policies up, and notes what came of them. Without `dane` or `sts` there are none of that kind."""

    def __init__(
        self,
        verifier: CertificateVerifier | None = None,
        *,
        dane: Dane | None = None,
        sts: StsPolicies | None = None,
        ledger: TlsLedger | None = None,
    ) -> None:
        self.verifier = verifier or CertificateVerifier()
        self._dane = dane
        self._sts = sts
        self._ledger = ledger
        self._known: dict[str, tuple[float, TlsPolicy]] = {}

    async def of(self, domain: str) -> TlsPolicy:
        """The policy for mail to `domain`, found out now or some seconds ago. Raises DatabaseError."""
        known = self._known.get(domain)
        if known and time.monotonic() - known[0] < KNOWN_SECONDS:
            return known[1]
        finding = await self._sts.of(domain) if self._sts else StsFinding()
        policy = TlsPolicy(domain, finding.policy, finding.trouble)
        try:
            # After the other look-ups, when the route's MX answer is in the cache.
            policy = replace(policy, proved=await self._dane.exchangers(domain) if self._dane else frozenset())
        except Temporary:
            trouble = TlsTrouble(
                ResultType.DNSSEC_INVALID, f"whether {domain} has TLSA records cannot be found out now"
            )
            return replace(policy, dns_trouble=trouble)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[domain] = time.monotonic(), policy
        return policy

    async def requirement(self, policy: TlsPolicy | None, host: str, certificate: TlsLevel | None) -> Requirement:
        """What to insist on at `host`. Raises HostBarred.

        `certificate` is not None where the route itself asks for a certificate that is good for the host's name: the
        level that this makes. TLSA records prove the name no less (RFC 8689 section 4.2.1).
        """
        asked = OPPORTUNISTIC
        if policy and not policy.waived:
            asked = await self._asked_by(policy, host)
        if certificate is not None and asked.insist not in (Insist.DANE, Insist.CERTIFICATE):
            return Requirement(Insist.CERTIFICATE, certificate)
        return asked

    def note_barred(self, policy: TlsPolicy | None, host: str, trouble: TlsTrouble) -> None:
        """A host was not tried, since the policy bars it."""
        if self._ledger and policy:
            self._ledger.count(results.of_barred(policy, host, trouble))

    def note_session(
        self,
        policy: TlsPolicy | None,
        requirement: Requirement,
        *,
        host: str,
        mx_ip: str,
        sending_ip: str,
        had: Assurance | TlsTrouble,
    ) -> None:
        """A connection to one of the domain's hosts came as far as TLS: what was had, or the trouble it failed for."""
        if self._ledger and policy and not policy.waived:
            self._ledger.count(
                *results.of_session(policy, requirement, host=host, mx_ip=mx_ip, sending_ip=sending_ip, had=had)
            )

    def note_protection(self, policy: TlsPolicy | None, host: str, had: Assurance) -> None:
        """Mail for the domain can go over a connection that is so well protected."""
        if self._ledger and policy and not policy.waived:
            self._ledger.note_protection(policy.domain, host, had)

    async def flush(self) -> None:
        """Writes what was noted; to be called every few seconds. Raises DatabaseError."""
        if self._ledger:
            await self._ledger.flush()

    async def refresh(self) -> None:
        """Keeps the kept policies fresh, and forgets what is old; to be called now and then. Raises DatabaseError."""
        if self._sts:
            await self._sts.refresh()
        if self._ledger:
            await self._ledger.sweep()

    async def _asked_by(self, policy: TlsPolicy, host: str) -> Requirement:
        by_dane: Requirement | None = None
        if policy.dns_trouble:
            raise HostBarred(policy.dns_trouble)
        if self._dane and policy.proved:
            if host.lower() not in policy.proved:
                text = f"{host} is not among the mail servers that the DNS of {policy.domain} proves now (DNSSEC)"
                raise HostBarred(TlsTrouble(ResultType.DNSSEC_INVALID, text))
            by_dane = await self._dane.requirement(policy.domain, host)
            if by_dane and by_dane.insist is Insist.DANE:
                return by_dane
        if policy.sts and policy.sts.mode == "enforce":
            return _asked_by_sts(policy.domain, policy.sts, host)
        return by_dane or OPPORTUNISTIC


def _asked_by_sts(domain: str, sts: StsPolicy, host: str) -> Requirement:
    if not sts.allows(host):
        # As good as not there, for now: the sender hears of it only if that lasts (RFC 8461 section 5.2).
        text = f"{host} is not among the mail servers that the MTA-STS policy of {domain} allows"
        raise HostBarred(TlsTrouble(ResultType.VALIDATION_FAILURE, text))
    because = f"the MTA-STS policy of {domain} asks for it"
    return Requirement(Insist.CERTIFICATE, TlsLevel.MTA_STS, because=because)
