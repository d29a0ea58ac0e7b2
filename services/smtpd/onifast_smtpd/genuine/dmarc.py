"""DMARC (RFC 9989, RFC 7489) without I/O: records taken apart, identifiers compared, a policy chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

POLICIES = ("none", "quarantine", "reject")
"""What a policy can ask for, the mildest first."""

MAX_RECORD = 4096  # characters; what a report address list needs, and no more

_VERSION = re.compile(r"\s*v\s*=\s*DMARC1\s*(?:;|$)")


class Unusable(ValueError):
    """A name has something that says it is a DMARC record, yet no policy that counts; the text says why."""


class Organizations(Protocol):
    """What tells whose domains are one organisation's."""

    def organizational(self, domain: str) -> str:
        """The Organizational Domain of a domain."""


@dataclass(frozen=True)
class Record:
    """A published policy. `domain` is where it stands, `percent` the share of failing mail that it is meant for.

    `psd` says whether it is that of a public suffix, `y` or `n`, or does not say (`u`).
    """

    text: str
    policy: str
    subdomain_policy: str
    missing_policy: str
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100
    reports_to: str = ""
    domain: str = ""
    psd: str = "u"
    is_testing: bool = False


@dataclass(frozen=True)
class Found:
    """The record that covers a domain, the policy that it has for just that domain, and who the domain is one with."""

    record: Record
    policy: str
    organization: str = ""


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
    def spared_by(self) -> str:
        """What spared this message what the policy asks, in the words of reports: a `t` tag, or a `pct` tag; or ""."""
        if self.result != "fail" or self.disposition == self.policy:
            return ""
        return "policy_test_mode" if self.record and self.record.is_testing else "sampled_out"


def parse(text: str) -> Record | None:
    """The record that a TXT record holds, None where there is none that can be used (RFC 9989 sections 4.7, 4.10.1).

    Unknown tags are passed over, and most tags with a bad value count as missing. No `p` means `none`; a bad `p`, `sp`
    or `np` leaves a record of policy `none` if reports are asked for, and nothing otherwise.
    """
    if not _VERSION.match(text) or len(text) > MAX_RECORD:
        return None
    tags = _tags(text)
    policy, subdomains, missing = (tags.get(name, "").lower() for name in ("p", "sp", "np"))
    reports = tags.get("rua", "")
    if "p" not in tags:
        policy = "none"
    if policy not in POLICIES or any(other and other not in POLICIES for other in (subdomains, missing)):
        if "mailto:" not in reports.lower():
            return None
        policy = subdomains = missing = "none"
    testing = tags.get("t", "").lower()
    return Record(
        text=text.strip(),
        policy=policy,
        subdomain_policy=subdomains or policy,
        missing_policy=missing or subdomains or policy,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        percent=_percent(tags.get("pct", ""), testing),
        reports_to=reports,
        psd=tags["psd"].lower() if tags.get("psd", "").lower() in ("y", "n") else "u",
        is_testing=testing == "y",
    )


def choose(texts: Iterable[str]) -> Record | None:
    """The record among a name's TXT records, None where there is none. Raises Unusable.

    There must be just one (RFC 7489 section 6.6.3).
    """
    candidates = [text for text in texts if _VERSION.match(text)]
    if not candidates:
        return None
    if len(candidates) > 1:
        raise Unusable("has several DMARC records")
    record = parse(candidates[0])
    if record is None:
        raise Unusable("has a DMARC record that cannot be used")
    return record


def is_aligned(organizations: Organizations, author: str, authenticated: str, *, strict: bool) -> bool:
    """Whether an authenticated domain speaks for the one in From (RFC 9989 section 4.4)."""
    if strict:
        return author == authenticated
    return bool(authenticated) and organizations.organizational(author) == organizations.organizational(authenticated)


def evaluate(
    organizations: Organizations, author: str, found: Found, *, spf: Identifier, dkim: Iterable[Identifier], sample: int
) -> DmarcResult:
    """The result for one domain in From; `sample` is a number from 0 to 99 that `percent` is compared with.

    Where nothing passes, but a check that could have was stopped by DNS, the result is temperror: then no policy
    applies, since the message may well be genuine.
    """
    record = found.record
    speaking = [item for item in dkim if is_aligned(organizations, author, item.domain, strict=record.strict_dkim)]
    spf_speaks = is_aligned(organizations, author, spf.domain, strict=record.strict_spf)
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


def _percent(value: str, testing: str) -> int:
    """The share of failing mail that a policy is meant for; `t` took the place of `pct` (RFC 9989 appendix A.6)."""
    if testing in ("y", "n"):
        return 0 if testing == "y" else 100
    return int(value) if re.fullmatch(r"[0-9]{1,3}", value) and int(value) <= 100 else 100
