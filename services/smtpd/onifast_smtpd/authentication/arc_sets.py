"""ARC sets (RFC 8617 section 4) without I/O: the fields of a chain put together, and what each set says."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from dkim.util import InvalidTagValueList, parse_tag_value
from onifast_shared.message.authentication_results import MalformedResults, arc_instance, parse_arc
from onifast_shared.message.headers import fields, unfold
from onifast_shared.values.address import AddressError, parse_domain

MAX_SETS = 50  # section 4.2.1

SEAL, SIGNATURE, RESULTS = "arc-seal", "arc-message-signature", "arc-authentication-results"
_PARTS = {SEAL: "ARC-Seal", SIGNATURE: "ARC-Message-Signature", RESULTS: "ARC-Authentication-Results"}
_NUMBER = re.compile(rb"[0-9]{1,20}")


class BrokenChain(ValueError):
    """The fields do not make a chain, whatever their signatures are worth."""


@dataclass(frozen=True)
class Seal:
    """One set: who sealed it, and what it says the DMARC result was when they got the message."""

    domain: str
    dmarc: str = ""
    header_from: str = ""


def seals(head: bytes) -> tuple[Seal, ...]:
    """What the sets of a header section claim, the newest first; none where there is no ARC field at all.

    A chain is judged by its three fields together (section 5.2): whoever takes one away, or damages the number of one,
    must not make of a broken chain one that is not there. Raises BrokenChain.
    """
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for name, value in fields(head):
        if (part := name.lower()) not in _PARTS:
            continue
        number = _number(part, value)
        if not 1 <= number <= MAX_SETS:
            raise BrokenChain(f"chain has a set with the number {number}")
        if number in found[part]:
            raise BrokenChain(f"chain has two {_PARTS[part]} fields with the number {number}")
        found[part][number] = unfold(value)
    return _joined(found) if found else ()


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


def _joined(found: dict[str, dict[int, str]]) -> tuple[Seal, ...]:
    last = max(number for numbers in found.values() for number in numbers)
    for number in range(1, last + 1):
        if missing := [name for part, name in _PARTS.items() if number not in found[part]]:
            raise BrokenChain(f"Incomplete ARC set {number}: it has no {missing[0]}")
    return tuple(
        seal(_sealer(found[SEAL][number], number, last), found[RESULTS][number]) for number in range(last, 0, -1)
    )


def _sealer(value: str, number: int, last: int) -> str:
    """Who sealed a set; what they found of the chain before must fit its place (section 5.1.1)."""
    tags = _tags(value.encode())
    found = tags.get(b"cv", b"").lower()
    if found == b"fail" and number == last:
        raise BrokenChain(f"ARC-Seal {number} says that the chain had failed before")
    if found != (b"none" if number == 1 else b"pass"):
        raise BrokenChain(f"ARC-Seal {number} has a cv that does not fit its place")
    return tags.get(b"d", b"").decode("utf-8", "replace").lower()


def _number(part: str, value: bytes) -> int:
    if part == RESULTS:
        try:
            return arc_instance(unfold(value))
        except MalformedResults:
            raise BrokenChain("an ARC-Authentication-Results field has no number") from None
    number = _tags(unfold(value).encode()).get(b"i", b"")
    if not _NUMBER.fullmatch(number):
        raise BrokenChain(f"an {_PARTS[part]} field has no number")
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
