"""DMARC (RFC 7489, RFC 9091) without I/O: records taken apart, identifiers compared, a policy chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from onifast_shared.suffixes import Suffixes

POLICIES = ("none", "quarantine", "reject")
"""What a policy can ask for, the mildest first."""

MAX_RECORD = 4096  # characters; what a report address list needs, and no more

_VERSION = re.compile(r"\s*v\s*=\s*DMARC1\s*(?:;|$)")


@dataclass(frozen=True)
class Record:
    """A published policy. `domain` is where it stands, `percent` the share of failing mail that it is meant for."""

    text: str
    policy: str
    subdomain_policy: str
    missing_policy: str
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100
    reports_to: str = ""
    domain: str = ""


@dataclass(frozen=True)
class Found:
    """The record that covers a domain, and the policy that it has for just that domain."""

    record: Record
    policy: str


@dataclass(frozen=True)
class Identifier:
    """A domain that a check authenticated, or did not: `result` is the check's word."""

    domain: str
    result: str


@dataclass(frozen=True)
class DmarcResult:
    """The result for the domain in From (RFC 8601 section 2.7 with RFC 7489 section 11.2's words).

    `policy` is what the domain publishes, `disposition` what that asks for this message, after sampling.
    """

    result: str
    domain: str = ""
    policy: str = "none"
    disposition: str = "none"
    spf_aligned: bool = False
    dkim_aligned: bool = False
    record: Record | None = None
    problem: str = ""

    @property
    def is_sampled_out(self) -> bool:
        """Whether a `pct` tag spared this message what the policy asks."""
        return self.result == "fail" and self.disposition != self.policy


def parse(text: str) -> Record | None:
    """The record that a TXT record holds, None where there is none (RFC 7489 section 6.3).

    Unknown tags are passed over, and a tag with a bad value counts as missing. A bad `p` leaves a record of policy
    `none` if reports are asked for, and nothing otherwise (section 6.6.3).
    """
    if not _VERSION.match(text) or len(text) > MAX_RECORD:
        return None
    tags = _tags(text)
    reports = tags.get("rua", "")
    policy, subdomains, missing = (tags.get(name, "").lower() for name in ("p", "sp", "np"))
    if policy not in POLICIES or (subdomains and subdomains not in POLICIES):
        if "mailto:" not in reports.lower():
            return None
        policy = subdomains = "none"
    subdomains = subdomains or policy
    return Record(
        text=text.strip(),
        policy=policy,
        subdomain_policy=subdomains,
        missing_policy=missing if missing in POLICIES else subdomains,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        percent=_percent(tags.get("pct", "")),
        reports_to=reports,
    )


def choose(texts: Iterable[str]) -> Record | None:
    """The record among a name's TXT records: there must be just one (RFC 7489 section 6.6.3)."""
    candidates = [text for text in texts if _VERSION.match(text)]
    return parse(candidates[0]) if len(candidates) == 1 else None


def is_aligned(suffixes: Suffixes, author: str, authenticated: str, *, strict: bool) -> bool:
    """Whether an authenticated domain speaks for the one in From (RFC 7489 section 3.1)."""
    if strict:
        return author == authenticated
    return bool(authenticated) and suffixes.organizational(author) == suffixes.organizational(authenticated)


def evaluate(
    suffixes: Suffixes, author: str, found: Found, *, spf: Identifier, dkim: Iterable[Identifier], sample: int
) -> DmarcResult:
    """The result for one domain in From; `sample` is a number from 0 to 99 that `pct` is compared with.

    Where nothing passes, but a check that could have was stopped by DNS, the result is temperror: then no policy
    applies, since the message may well be genuine.
    """
    record = found.record
    speaking = [item for item in dkim if is_aligned(suffixes, author, item.domain, strict=record.strict_dkim)]
    spf_speaks = is_aligned(suffixes, author, spf.domain, strict=record.strict_spf)
    base = DmarcResult(
        "pass",
        author,
        found.policy,
        spf_aligned=spf_speaks and spf.result == "pass",
        dkim_aligned=any(item.result == "pass" for item in speaking),
        record=record,
    )
    if base.spf_aligned or base.dkim_aligned:
        return base
    if (spf_speaks and spf.result == "temperror") or any(item.result == "temperror" for item in speaking):
        return replace(base, result="temperror", problem="DNS did not answer about SPF or DKIM")
    disposition = found.policy if sample < record.percent else milder(found.policy)
    return replace(base, result="fail", disposition=disposition)


def milder(policy: str) -> str:
    """What becomes of the share that `pct` leaves out (RFC 7489 section 6.6.4)."""
    return POLICIES[max(0, POLICIES.index(policy) - 1)]


def strictest(results: Iterable[DmarcResult]) -> DmarcResult:
    """The result for a From with several domains: the failure that asks for most (RFC 7489 section 6.6.1)."""
    order = ("pass", "none", "temperror", "permerror", "fail")
    return max(results, key=lambda item: (order.index(item.result), POLICIES.index(item.disposition)))


def _tags(text: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags


def _percent(value: str) -> int:
    return int(value) if re.fullmatch(r"[0-9]{1,3}", value) and int(value) <= 100 else 100
