"""DMARC's look-ups: whose mail a message claims to be, and what that domain publishes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from onifast_shared.message.headers import unfold, values_of
from onifast_shared.message.sections import RawMessage
from onifast_shared.values.address import Address, AddressError, parse_domain, split_list
from onifast_shared.values.suffixes import Suffixes

from onifast_smtpd.authentication.dkim_check import DkimResult
from onifast_smtpd.authentication.dmarc import (
    ApplicablePolicy,
    DmarcResult,
    Identifier,
    UnusableRecord,
    doubtful,
    evaluate,
    strictest,
)
from onifast_smtpd.authentication.dmarc_tree import discover, organizational, walk
from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups
from onifast_smtpd.authentication.spf_check import SpfResult

MAX_AUTHORS = 5  # domains in From that are looked up
MAX_HEAD = 1024 * 1024  # octets of a header section that is looked through
MAX_FAILING = 8  # look-ups for the policy of one domain that bring trouble; no walk has more
MAX_FROM = 64 * 1024  # characters of From fields that are taken apart

# What no From may hold (RFC 5322 section 2.2): where one reader sees an address end, another reads on.
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
# What stands behind an `@`, up to what ends a domain for any reader
_DOMAIN = re.compile(r"@\s*([^\s@<>()\"\\,:;]+)")
# A name that some readers take for From, since they end a string at NUL, or pass over such octets.
_LIKE_FROM = re.compile(rb"^([\x00-\x08\x0b-\x1f\x7f]*+)from([\x00-\x20\x7f]*+):", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Authors:
    """Whose mail a message claims to be: the domains in From. `failure` is the result where that cannot be told.

    `are_misplaced`: for some readers From stands in the text, and the message names nobody.
    """

    domains: tuple[str, ...] = ()
    failure: DmarcResult | None = None
    are_misplaced: bool = False

    def settle(self, result: DmarcResult) -> DmarcResult:
        """What a message gets whose authors' domains have that result: nothing better than a message of nobody's."""
        if not self.are_misplaced or result.disposition != "none" or result.result == "temperror":
            return result
        return DmarcResult("permerror", result.domain, problem="the message has no From header where it belongs")


@dataclass(frozen=True)
class Published:
    """What was found for one domain: a policy, or a `problem` with what is there; `trouble` with DNS leaves it open.

    A policy with `failing` look-ups holds only if these find nothing.
    """

    domain: str
    found: ApplicablePolicy | None = None
    trouble: str = ""
    problem: str = ""
    failing: tuple[str, ...] = ()


class Organizations:
    """Who is one with whom, by the walks that were made; a domain that is not known is an organisation of its own."""

    def __init__(self, published: Sequence[Published], known: Mapping[str, str]) -> None:
        authors = {author.domain: author.found.organization for author in published if author.found}
        self._known = {**known, **authors}

    def organizational(self, domain: str) -> str:
        """The Organizational Domain of a domain."""
        return self._known.get(domain, domain)


def authors_of(message: RawMessage) -> Authors:
    """The authors that a message, whose line ends are CRLF, names to any reader.

    For many readers the header goes on to the first empty line, and what stands there as From counts. For others it
    ends at the first line that is no field.
    """
    found = _named(message.head.octets, message.head.values("from"))
    if message.is_divided:
        return replace(found, are_misplaced=found.failure is not None)
    return replace(authors(message.octets.partition(b"\r\n\r\n")[0] + b"\r\n"), are_misplaced=found.failure is not None)


def authors(head: bytes) -> Authors:
    """The authors that a header section names."""
    return _named(head, values_of(head, "From") if len(head) <= MAX_HEAD else [])


def _named(head: bytes, written: Sequence[bytes]) -> Authors:
    if len(head) > MAX_HEAD:
        return _nobody("the header section is too long to be checked")
    names = (match[1] + match[2] for match in _LIKE_FROM.finditer(head))
    if any(_CONTROL.search(octets.replace(b"\r\n", b"")) for octets in (*written, *names)):
        return _nobody("the From header has a control character")
    if not written:
        return _nobody("the message has no From header")
    if sum(map(len, written)) > MAX_FROM:
        return _nobody("the From header is too long to be checked")
    domains = author_domains([unfold(value) for value in written])
    if domains is None:
        return _nobody("the From header has no valid address")
    if len(domains) > MAX_AUTHORS:
        return _nobody(f"the From header names more than {MAX_AUTHORS} domains", domains[0])
    return Authors(tuple(domains))


def _nobody(problem: str, domain: str = "") -> Authors:
    """Authors whom nobody can identify: whatever the reason is, it must not be the way around DMARC."""
    return Authors(failure=DmarcResult("permerror", domain, problem=problem))


def look_up(lookups: Lookups, suffixes: Suffixes, domain: str) -> Published:
    """What one author's domain publishes. Blocks; raises nothing for DNS trouble.

    It is asked before anything is known of SPF and DKIM, and for each author apart: however long a stranger's name
    servers take, there is time for this.
    """
    if domain.startswith("["):
        return Published(domain)
    try:
        return Published(domain, discover(lookups, suffixes, domain))
    except DnsTrouble as trouble:
        return _look_further(lookups, suffixes, domain, trouble)
    except UnusableRecord as error:
        return Published(domain, problem=str(error))


def _look_further(lookups: Lookups, suffixes: Suffixes, domain: str, trouble: DnsTrouble) -> Published:
    """The policy of who stands above a domain whose own cannot be had: a broken subdomain is no way around it."""
    failing, last = list[str](), trouble
    while last.lookup and len(failing) < MAX_FAILING:
        failing.append(last.lookup)
        lookups = lookups.without(last.lookup)
        try:
            found = discover(lookups, suffixes, domain)
        except DnsTrouble as error:
            last = error
        except UnusableRecord:
            break
        else:
            return Published(domain, found, "" if found else str(trouble), failing=tuple(failing))
    return Published(domain, trouble=str(trouble))


def related(published: Sequence[Published], spf: SpfResult, dkim: Sequence[DkimResult]) -> set[str]:
    """The domains of SPF and DKIM that may be one with an author's, which a walk from each has to tell."""
    results = [(spf.domain, spf.result), *((item.domain, item.result) for item in dkim)]
    checked = {_domain(domain) for domain, result in results if result in ("pass", "temperror")}
    found = {(author.domain, author.found.organization) for author in published if author.found}
    return {
        domain
        for domain in checked
        for author, organization in found
        if domain != author and (domain == organization or domain.endswith(f".{organization}"))
    }


def place(lookups: Lookups, suffixes: Suffixes, domains: Iterable[str]) -> dict[str, str]:
    """The Organizational Domain of each domain; where DNS does not tell, the public suffix list does. Blocks."""
    return {domain: _place(lookups.apart(), suffixes, domain) for domain in domains}


def _place(lookups: Lookups, suffixes: Suffixes, domain: str) -> str:
    try:
        return organizational(suffixes, walk(lookups, suffixes, domain))
    except DnsTrouble:
        return suffixes.organizational(domain)


def judge(
    organizations: Organizations,
    published: Sequence[Published],
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    sample: int,
) -> DmarcResult:
    """DMARC of a message by the authors that `published` has."""
    from_spf = Identifier(_domain(spf.domain), spf.result, spf.failing)
    from_dkim = [Identifier(_domain(item.domain), item.result, item.failing) for item in dkim]

    def one(author: Published) -> DmarcResult:
        if author.trouble:
            return _without_record(author, from_spf, from_dkim)
        if author.found is None:
            return DmarcResult("none", author.domain, problem=author.problem)
        result = evaluate(organizations, author.domain, author.found, spf=from_spf, dkim=from_dkim, sample=sample)
        return doubtful(result, author.failing)

    return strictest(map(one, published))


def _without_record(author: Published, spf: Identifier, dkim: Sequence[Identifier]) -> DmarcResult:
    """The result where the record cannot be had; whatever it says, the author's very domain is aligned with itself."""
    return DmarcResult(
        "temperror",
        author.domain,
        spf_aligned=(spf.domain, spf.result) == (author.domain, "pass"),
        dkim_aligned=any((item.domain, item.result) == (author.domain, "pass") for item in dkim),
        problem=author.trouble,
    )


def author_domains(values: Sequence[str]) -> list[str] | None:
    """The domains that From fields name, each once; None where an address has none, or where there is no address.

    Several fields count as one long one: whichever of them is shown to the reader, it has been checked. Where they name
    more than MAX_AUTHORS, those that follow are left out.
    """
    found: dict[str, None] = {}
    for _, text in (entry for value in values for entry in split_list(value)):
        domains = _domains_of(text)
        if not domains:
            return None
        found |= dict.fromkeys(domains)
        if len(found) > MAX_AUTHORS:
            break
    return [*found][: MAX_AUTHORS + 1] or None


def _domains_of(text: str) -> list[str]:
    """The domain of an address; of what is none, all that a reader could take for it, or none where one is no domain.

    `ceo@bank.test x@evil.test` is both to us: readers begin at either end.
    """
    try:
        return [Address.parse(text).domain]
    except AddressError:
        _, at, last = text.rpartition("@")
    domains = [_domain(each) for each in [*_DOMAIN.findall(text)[:MAX_AUTHORS], last]]
    return domains if at and all(domains) else []


def _domain(text: str) -> str:
    """A domain in the form of `Address.domain`, or "" where it is not a domain."""
    try:
        return parse_domain(text.strip())
    except AddressError:
        return ""
