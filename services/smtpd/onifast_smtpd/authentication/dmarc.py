"""DMARC (RFC 9989, RFC 7489) without I/O: records taken apart, identifiers compared, a policy chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

POLICIES = ("none", "quarantine", "reject")
"""What a policy can ask for, the mildest first."""

MAX_RECORD = 4096  # characters; what a report address list needs, and no more

_VERSION = re.compile(r"\s*[vV]\s*=\s*DMARC1\s*(?:;|$)")


class UnusableRecord(ValueError):
    """A name has something that says it is a DMARC record, yet no policy that counts; the text says why."""


class OrganizationLookup(Protocol):
    """What tells whose domains are one organisation's."""

    def organizational(self, domain: str) -> str:
        """The Organizational Domain of a domain."""


@dataclass(frozen=True)
class DmarcRecord:
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
class ApplicablePolicy:
    """The record that covers a domain, the policy that it has for just that domain, and the organizational domain."""

    record: DmarcRecord
    policy: str
    organization: str = ""


@dataclass(frozen=True)
class Identifier:
    """A domain that a check authenticated, or did not: `result` is the check's word.

    For a temperror, `failing` is the DNS look-up that failed, "" where no single one did.
    """

    domain: str
    result: str
    failing: str = ""


@dataclass(frozen=True)
class DmarcResult:
    """The result for the domain in From (RFC 8601 section 2.7 with RFC 7489 section 11.2's words).

    `policy` is what the domain publishes, `disposition` what that asks for this message, after sampling. Of a temperror
    `at_stake` is what would be asked if the look-ups in `failing` found nothing. `is_alone` unless other authors of the
    message are not authenticated either.
    """

    result: str
    domain: str = ""
    policy: str = "none"
    disposition: str = "none"
    spf_aligned: bool = False
    dkim_aligned: bool = False
    record: DmarcRecord | None = None
    problem: str = ""
    at_stake: str = "none"
    failing: tuple[str, ...] = ()
    is_alone: bool = True

    @property
    def is_authenticated(self) -> bool:
        """Whether SPF or DKIM shows that the message is from the author's domain."""
        return self.spf_aligned or self.dkim_aligned

    @property
    def gravity(self) -> str:
        """What the result can lead to at worst: one of POLICIES. Who cannot be judged is no better than junk."""
        if self.result == "fail":
            return self.disposition
        if self.result == "temperror" and self.record is not None:
            return self.at_stake
        unclear = self.result in ("permerror", "temperror") and not self.is_authenticated
        return "quarantine" if unclear else "none"

    @property
    def spared_by(self) -> str:
        """What spared this message what the policy asks, in the words of reports: a `t` tag, or a `pct` tag; or ""."""
        if self.result != "fail" or self.disposition == self.policy:
            return ""
        return "policy_test_mode" if self.record and self.record.is_testing else "sampled_out"


def parse(text: str) -> DmarcRecord | None:
    """The DMARC record in a TXT record, None where it is unusable (RFC 9989 sections 4.7, 4.10.1).

    Unknown tags are passed over, and most tags with a bad value count as missing. Without a `p`, or with a bad `p`,
    `sp` or `np`, the policy is `none` if reports are asked for, and there is no record otherwise.
    """
    if not _VERSION.match(text) or len(text) > MAX_RECORD:
        return None
    tags = _tags(text)
    policy, subdomains, missing = (tags.get(name, "").lower() for name in ("p", "sp", "np"))
    reports = tags.get("rua", "")
    is_reported = "mailto:" in reports.lower()
    if "p" not in tags and is_reported:
        policy = "none"
    if policy not in POLICIES or any(other and other not in POLICIES for other in (subdomains, missing)):
        if not is_reported:
            return None
        policy = subdomains = missing = "none"
    testing = tags.get("t", "").lower()
    return DmarcRecord(
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


def choose(texts: Iterable[str]) -> DmarcRecord | None:
    """The record among a name's TXT records, None where there is none. Raises UnusableRecord.

    There must be just one (RFC 7489 section 6.6.3).
    """
    candidates = [text for text in texts if _VERSION.match(text)]
    if not candidates:
        return None
    if len(candidates) > 1:
        raise UnusableRecord("has several DMARC records")
    record = parse(candidates[0])
    if record is None:
        raise UnusableRecord("has a DMARC record that cannot be used")
    return record


def is_aligned(organizations: OrganizationLookup, author: str, authenticated: str, *, strict: bool) -> bool:
    """Whether an authenticated domain speaks for the one in From (RFC 9989 section 4.4)."""
    if strict:
        return author == authenticated
    return bool(authenticated) and organizations.organizational(author) == organizations.organizational(authenticated)


def evaluate(
    organizations: OrganizationLookup,
    author: str,
    found: ApplicablePolicy,
    *,
    spf: Identifier,
    dkim: Iterable[Identifier],
    sample: int,
) -> DmarcResult:
    """The result for one domain in From; `sample` is a number from 0 to 99 that `percent` is compared with.

    Where nothing passes, but a check that could have was stopped by DNS, the result is temperror: the message may well
    be genuine.
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
    if base.is_authenticated:
        return base
    disposition = found.policy if sample < record.percent else milder(found.policy)
    stuck = [item for item in (*[spf] * spf_speaks, *speaking) if item.result == "temperror"]
    if not stuck:
        return replace(base, result="fail", disposition=disposition)
    problem, failing = "DNS did not answer about SPF or DKIM", dict.fromkeys(item.failing for item in stuck)
    return replace(
        base, result="temperror", problem=problem, at_stake=disposition, failing=tuple(filter(None, failing))
    )


def doubtful(result: DmarcResult, failing: tuple[str, ...]) -> DmarcResult:
    """A result by the policy that holds if look-ups which failed find nothing: until that is known it is no failure."""
    if not failing or result.result not in ("fail", "temperror"):
        return result
    at_stake = result.disposition if result.result == "fail" else result.at_stake
    problem = result.problem or f"the policy of {result.domain} could not be looked up"
    return replace(
        result,
        result="temperror",
        disposition="none",
        problem=problem,
        at_stake=at_stake,
        failing=tuple(dict.fromkeys((*failing, *result.failing))),
    )


def milder(policy: str) -> str:
    """What becomes of the share that `pct` leaves out (RFC 7489 section 6.6.4)."""
    return POLICIES[max(0, POLICIES.index(policy) - 1)]


def strictest(results: Iterable[DmarcResult]) -> DmarcResult:
    """The result for a From with several domains: the failure that asks for most (RFC 7489 section 6.6.1)."""
    order = ("pass", "none", "temperror", "permerror", "fail")
    ranked = sorted(results, key=lambda item: (POLICIES.index(item.gravity), order.index(item.result)))
    return replace(ranked[-1], is_alone=all(item.gravity == "none" for item in ranked[:-1]))


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
