"""DMARC's walk up the tree of DNS names (RFC 9989 section 4.10): whose policy covers a domain, and who is one with it.

Where RFC 9989 and RFC 7489, which it replaces, differ, docs/rfc.md says which of them decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from onifast_shared.values.suffixes import Suffixes

from onifast_smtpd.authentication.dmarc import ApplicablePolicy, DmarcRecord, UnusableRecord, choose
from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups

MAX_LABELS = 7  # of the names that are asked after the first, which makes eight questions at most


@dataclass(frozen=True)
class Level:
    """What stands at one name: a record, or a problem that keeps what is there from counting, or nothing."""

    domain: str
    record: DmarcRecord | None = None
    problem: str = ""


@dataclass(frozen=True)
class Walk:
    """What a walk came by, from the domain itself upwards; it ends at a `psd` tag, or where DNS had `trouble`."""

    levels: tuple[Level, ...]
    trouble: DnsTrouble | None = None

    @property
    def domain(self) -> str:
        """Where it began."""
        return self.levels[0].domain


def path(domain: str) -> list[str]:
    """The names that a walk asks, in order: a stranger's long domain costs no more than eight questions."""
    labels = domain.split(".")
    above = labels[1:][-MAX_LABELS:]
    return [domain, *(".".join(above[index:]) for index in range(len(above)))]


def walk(lookups: Lookups, suffixes: Suffixes, domain: str) -> Walk:
    """Walks up from a domain. Raises DnsTrouble where the domain's own record cannot be had.

    Trouble with the servers of a registry is passed over: few have a record, and it would stop all below them.
    """
    levels = [_level(lookups, domain)]
    for name in path(domain)[1:]:
        if _is_end(levels[-1]):
            break
        try:
            levels.append(_level(lookups, name))
        except DnsTrouble as error:
            if not suffixes.is_public(name):
                return Walk(tuple(levels), error)
    return Walk(tuple(levels))


def organizational(suffixes: Suffixes, walked: Walk) -> str:
    """The Organizational Domain of the domain where a walk began (section 4.10.2).

    That a registry, or who gives domains to customers, forgot the `psd` tag must not make one organisation of all who
    have a domain there: as long as nobody says otherwise (`psd=n`), a public suffix is none.
    """
    found = [level for level in walked.levels if level.record]
    if walked.trouble:
        return suffixes.organizational(walked.domain)
    if not found:
        return walked.domain
    top, record = found[-1].domain, found[-1].record
    if record and record.psd == "n":
        return top
    if record and record.psd == "y" and top != walked.domain:
        top = _one_below(top, walked.domain)
    return suffixes.organizational(walked.domain) if suffixes.is_public(top) and top != walked.domain else top


def discover(lookups: Lookups, suffixes: Suffixes, domain: str) -> ApplicablePolicy | None:
    """The policy for a domain: its own, its organisation's, its registry's (section 4.10.1).

    Raises DnsTrouble, and UnusableRecord where something at one of these names ends the search.
    """
    walked = walk(lookups, suffixes, domain)
    organization = organizational(suffixes, walked)
    own = walked.levels[0]
    if own.record:
        return ApplicablePolicy(own.record, own.record.policy, organization)
    for level in (own, *_covering(suffixes, walked, organization)):
        if level.problem:
            raise UnusableRecord(level.problem)
        if level.record:
            return ApplicablePolicy(level.record, _for_name_below(lookups, level.record, domain), organization)
    if walked.trouble:
        raise walked.trouble
    return None


def _covering(suffixes: Suffixes, walked: Walk, organization: str) -> Iterator[Level]:
    """The levels above a domain whose records may speak for it, the nearest first."""
    registered = suffixes.organizational(walked.domain)
    for level in walked.levels[1:]:
        is_registry = level.record and (level.record.psd == "y" or suffixes.is_public(level.domain))
        is_above = len(level.domain) < len(organization)
        if level.domain == organization or (is_registry and is_above) or (level.problem and level.domain == registered):
            yield level


def _is_end(level: Level) -> bool:
    return level.record is not None and level.record.psd in ("y", "n")


def _one_below(top: str, domain: str) -> str:
    labels = domain.split(".")
    return ".".join(labels[-top.count(".") - 2 :])


def _for_name_below(lookups: Lookups, record: DmarcRecord, domain: str) -> str:
    if record.missing_policy == record.subdomain_policy:
        return record.subdomain_policy
    return record.subdomain_policy if lookups.exists(domain) else record.missing_policy


def _level(lookups: Lookups, domain: str) -> Level:
    """What stands at one name. Raises DnsTrouble."""
    texts = []
    for answer in lookups(f"_dmarc.{domain}", "TXT"):
        strings: Any = answer
        texts.append(b"".join(strings.strings).decode("utf-8", "replace"))
    try:
        record = choose(texts)
    except UnusableRecord as error:
        return Level(domain, problem=f"{domain} {error}")
    return Level(domain, None if record is None else replace(record, domain=domain))
