"""Look-alikes: whether a domain can be taken for another one, by its letters alone."""

from __future__ import annotations

import re

import idna

from onifast_shared.letters import skeleton
from onifast_shared.suffixes import Suffixes

_SHORTEST = 3  # letters of a name that can be told from chance
_SHORTEST_SLIP = 5  # letters where two neighbours are exchanged, or one is written twice
_RUN = re.compile(r"(.)\1+")


class Models:
    """Domains that others may pretend to be; `slips`: names of so many letters can differ in any one of them.

    Domains are organizational ones, lower-case A-labels.
    """

    def __init__(self, suffixes: Suffixes, domains: set[str], slips: int, *, suffix_too: bool = False) -> None:
        self._suffixes = suffixes
        self._slips = slips
        self._suffix_too = suffix_too
        self._domains = sorted(domains)
        self._by_length: dict[int, list[tuple[str, str, str, str]]] = {}
        for domain in self._domains:
            label, suffix = self._divide(domain)
            seen = skeleton(label)
            if len(seen) >= _SHORTEST:
                self._by_length.setdefault(len(seen), []).append((seen, label, suffix, domain))

    def like(self, domain: str) -> str | None:
        """The model that a domain, not one of them itself, can be taken for."""
        organization = self._suffixes.organizational(domain)
        label, suffix = self._divide(organization)
        seen = skeleton(label)
        for length in (len(seen), len(seen) - 1, len(seen) + 1):
            for other, their_label, their_suffix, model in self._by_length.get(length, ()):
                if model == organization:
                    continue
                if label == their_label:
                    if self._suffix_too and _is_slip_of_suffix(suffix, their_suffix):
                        return model
                elif _is_like(seen, other, self._slips) and not _differ_in_numbers(label, their_label):
                    return model
        return self._pretended_above(domain, organization)

    def is_homoglyph(self, domain: str, model: str) -> bool:
        """Whether the letters of both look the same, rather than merely alike."""
        return skeleton(self._divide(self._suffixes.organizational(domain))[0]) == skeleton(self._divide(model)[0])

    def _pretended_above(self, domain: str, organization: str) -> str | None:
        """`bank.test.evil.test`, `bank.test-login.evil.test`: the model stands where a hurried reader stops."""
        labels = f".{domain.replace('-', '.')}"
        if labels.count(".") < 3:
            return None
        return next((each for each in self._domains if each != organization and f".{each}." in labels), None)

    def _divide(self, organization: str) -> tuple[str, str]:
        """The name that was registered, in its own script, and the public suffix."""
        label, _, suffix = organization.partition(".")
        return in_letters(label), suffix


def _is_like(ours: str, theirs: str, slips: int) -> bool:
    if ours == theirs:
        return True
    shorter = min(len(ours), len(theirs))
    if shorter >= _SHORTEST_SLIP and (_is_exchange(ours, theirs) or _RUN.sub(r"\1", ours) == _RUN.sub(r"\1", theirs)):
        return True
    return shorter >= slips and is_one_edit(ours, theirs)


def _is_exchange(ours: str, theirs: str) -> bool:
    """Two neighbours the other way round."""
    if len(ours) != len(theirs):
        return False
    places = [place for place, (our, their) in enumerate(zip(ours, theirs, strict=True)) if our != their]
    if len(places) != 2 or places[1] != places[0] + 1:
        return False
    first, second = places
    return ours[first] == theirs[second] and ours[second] == theirs[first]


def is_one_edit(ours: str, theirs: str) -> bool:
    """Whether one letter more, less or other makes one of the other."""
    short, long = sorted((ours, theirs), key=len)
    if len(long) - len(short) > 1 or short == long:
        return False
    same = next((place for place, letter in enumerate(short) if letter != long[place]), len(short))
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]


def _is_slip_of_suffix(ours: str, theirs: str) -> bool:
    return max(len(ours), len(theirs)) == 3 and is_one_edit(ours, theirs)


def _differ_in_numbers(ours: str, theirs: str) -> bool:
    """`server1`, `server2`: numbered, not alike."""
    return ours != theirs and re.sub(r"\d+", "0", ours) == re.sub(r"\d+", "0", theirs)


def in_letters(domain: str) -> str:
    """A domain as it may be written, whatever it looks like."""
    try:
        return idna.decode(domain) if "xn--" in domain else domain
    except (idna.IDNAError, UnicodeError):
        return domain
