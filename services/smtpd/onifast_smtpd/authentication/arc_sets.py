"""ARC sets (RFC 8617 section 4) without I/O: the fields of a chain put together, and what each set says."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dkim.util import InvalidTagValueList, parse_tag_value
from onifast_shared.message.authentication_results import MalformedResults, arc_instance, parse_arc
from onifast_shared.message.headers import unfold
from onifast_shared.message.sections import HeaderSection
from onifast_shared.values.address import AddressError, parse_domain

MAX_SETS = 50  # section 4.2.1

SEAL, SIGNATURE, RESULTS = "arc-seal", "arc-message-signature", "arc-authentication-results"
PARTS = {RESULTS: "ARC-Authentication-Results", SIGNATURE: "ARC-Message-Signature", SEAL: "ARC-Seal"}
"""The fields of a set, in the order in which seals cover them (section 5.1.1)."""

_NUMBER = re.compile(rb"[0-9]{1,20}")


class BrokenChain(ValueError):
    """The fields do not make a chain, whatever their signatures are worth."""


@dataclass(frozen=True)
class Seal:
    """One set: who sealed it, and what it says the DMARC result was when they got the message."""

    domain: str
    dmarc: str = ""
    header_from: str = ""


@dataclass(frozen=True)
class ArcSet:
    """One set of a chain: its three fields, each (name, value) with its line end, under their names in lower case."""

    number: int
    fields: Mapping[str, tuple[bytes, bytes]]
    seal: Seal


def read(head: HeaderSection) -> tuple[ArcSet, ...]:
    """The sets of a header section, the newest first; none where there is no ARC field at all.

    A chain is judged by its three fields together (section 5.2): whoever takes one away, or damages the number of one,
    must not make of a broken chain one that is not there. Raises BrokenChain.
    """
    found: dict[int, dict[str, tuple[bytes, bytes]]] = defaultdict(dict)
    for field in head.fields:
        part, value = field.key, field.value
        if part not in PARTS:
            continue
        number = _number(part, value)
        if not 1 <= number <= MAX_SETS:
            raise BrokenChain(f"chain has a set with the number {number}")
        if part in found[number]:
            raise BrokenChain(f"chain has two {PARTS[part]} fields with the number {number}")
        found[number][part] = (field.name.encode(), value + b"\r\n")
    return _joined(found)


def seal(domain: str, results: str) -> Seal:
    """A set by its seal's `d=` and its results. Results that cannot be read, or contradict themselves, say nothing."""
    try:
        said = [item for item in parse_arc(results).results if item.method == "dmarc"]
    except MalformedResults:
        return Seal(domain)
    authors = {_domain(value) for item in said for value in item.values("header.from")}
    words = {item.result for item in said}
    if len(words) != 1 or len(authors) != 1:
        return Seal(domain)
    return Seal(domain, words.pop(), authors.pop())


def _joined(found: Mapping[int, Mapping[str, tuple[bytes, bytes]]]) -> tuple[ArcSet, ...]:
    last = max(found, default=0)
    for number in range(1, last + 1):
        if missing := [name for part, name in PARTS.items() if part not in found.get(number, {})]:
            raise BrokenChain(f"Incomplete ARC set {number}: it has no {missing[0]}")
    return tuple(ArcSet(number, found[number], _said(found[number], number, last)) for number in range(last, 0, -1))


def _said(parts: Mapping[str, tuple[bytes, bytes]], number: int, last: int) -> Seal:
    texts = {part: unfold(value) for part, (_, value) in parts.items()}
    return seal(_sealer(texts[SEAL], number, last), texts[RESULTS])


def _sealer(value: str, number: int, last: int) -> str:
    """Who sealed a set; what they found of the chain before must fit its place (section 5.1.1)."""
    tags = _tags(value.encode())
    found = tags.get(b"cv", b"").lower()
    if found == b"fail" and number == last:
        raise BrokenChain(f"ARC-Seal {number} says that the chain had failed before")
    if found != (b"none" if number == 1 else b"pass"):
        raise BrokenChain(f"ARC-Seal {number} has a cv that does not fit its place")
    return tags.get(b"d", b"").decode("utf-8", "replace").strip().lower()


def _number(part: str, value: bytes) -> int:
    if part == RESULTS:
        try:
            return arc_instance(unfold(value))
        except MalformedResults:
            raise BrokenChain("an ARC-Authentication-Results field has no number") from None
    number = _tags(unfold(value).encode()).get(b"i", b"")
    if not _NUMBER.fullmatch(number):
        raise BrokenChain(f"an {PARTS[part]} field has no number")
    return int(number)


def _tags(value: bytes) -> dict[bytes, bytes]:
    try:
        return dict(parse_tag_value(value))
    except (InvalidTagValueList, IndexError):
        raise BrokenChain("an ARC field is no list of tags") from None


def _domain(text: str) -> str:
    try:
        return parse_domain(text.rpartition("@")[2].removesuffix("."))
    except AddressError:
        return ""
