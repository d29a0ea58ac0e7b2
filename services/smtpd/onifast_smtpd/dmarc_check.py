"""DMARC's look-ups: whose mail a message claims to be, and what that domain publishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from onifast_shared.address import AddressError, parse_domain, split_list
from onifast_shared.headers import fields, unfold

from onifast_smtpd.dkim_check import DkimResult
from onifast_smtpd.dmarc import DmarcResult, Found, Identifier, Record, choose, evaluate, strictest
from onifast_smtpd.lookup import DnsTrouble, Lookups
from onifast_smtpd.spf_check import SpfResult
from onifast_smtpd.suffixes import Suffixes

MAX_AUTHORS = 5  # domains in From that are looked up


@dataclass(frozen=True)
class _Identifiers:
    spf: Identifier
    dkim: list[Identifier]
    sample: int


def check_dmarc(
    lookups: Lookups,
    suffixes: Suffixes,
    head: bytes,
    *,
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    sample: int,
) -> DmarcResult:
    """DMARC of a message with that header section. Blocks; raises nothing for DNS trouble."""
    values = [unfold(value) for name, value in fields(head) if name.lower() == "from"]
    if not values:
        return DmarcResult("none", problem="the message has no From header")
    domains = author_domains(values)
    if domains is None:
        return DmarcResult("permerror", problem="the From header has no valid address")
    if len(domains) > MAX_AUTHORS:
        return DmarcResult("permerror", domains[0], problem=f"the From header names more than {MAX_AUTHORS} domains")
    identifiers = _Identifiers(
        Identifier(_domain(spf.domain), spf.result),
        [Identifier(_domain(item.domain), item.result) for item in dkim],
        sample,
    )
    return strictest(_check_one(lookups, suffixes, domain, identifiers) for domain in domains)


def author_domains(values: Sequence[str]) -> list[str] | None:
    """The domains that From fields name, each once; None where an address has none, or where there is no address.

    Several fields count as one long one: whichever of them is shown to the reader, it has been checked.
    """
    found: list[str] = []
    for value in values:
        entries = split_list(value)
        for _, text in entries:
            _, at, written = text.rpartition("@")
            domain = _domain(written) if at else ""
            if not domain:
                return None
            if domain not in found:
                found.append(domain)
    return found or None


def discover(lookups: Lookups, suffixes: Suffixes, domain: str) -> Found | None:
    """The policy for a domain: its own, its organisation's, its registry's. Raises DnsTrouble.

    RFC 7489 section 6.6.3; the last step, and a policy for names that do not exist, are RFC 9091's (section 3).
    """
    if record := _record(lookups, domain):
        return Found(record, record.policy)
    organization, registry = suffixes.organizational(domain), suffixes.registry(domain)
    for above in dict.fromkeys(name for name in (organization, registry) if name and name != domain):
        if record := _record(lookups, above):
            return Found(record, _for_name_below(lookups, record, domain))
    return None


def _check_one(
    lookups: Lookups,
    suffixes: Suffixes,
    domain: str,
    given: _Identifiers,
) -> DmarcResult:
    if domain.startswith("["):
        return DmarcResult("none", domain, problem="the address in From has no domain name")
    try:
        found = discover(lookups, suffixes, domain)
    except DnsTrouble as error:
        return DmarcResult("temperror", domain, problem=str(error))
    if found is None:
        return DmarcResult("none", domain)
    return evaluate(suffixes, domain, found, spf=given.spf, dkim=given.dkim, sample=given.sample)


def _for_name_below(lookups: Lookups, record: Record, domain: str) -> str:
    if record.missing_policy == record.subdomain_policy:
        return record.subdomain_policy
    return record.subdomain_policy if _exists(lookups, domain) else record.missing_policy


def _exists(lookups: Lookups, domain: str) -> bool:
    """Whether a name could have sent mail (RFC 9091 section 2.7)."""
    return any(lookups(domain, kind) for kind in ("MX", "A", "AAAA"))


def _record(lookups: Lookups, domain: str) -> Record | None:
    texts = []
    for answer in lookups(f"_dmarc.{domain}", "TXT"):
        strings: Any = answer
        texts.append(b"".join(strings.strings).decode("utf-8", "replace"))
    record = choose(texts)
    return None if record is None else replace(record, domain=domain)


def _domain(text: str) -> str:
    """A domain in the form of `Address.domain`, or "" for what is none."""
    try:
        return parse_domain(text.strip().removesuffix("."))
    except AddressError:
        return ""
