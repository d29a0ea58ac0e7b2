"""Look-alikes: whether a domain can be taken for another one, by its letters alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from onifast_shared.values.address import in_letters
from onifast_shared.values.letters import skeleton
from onifast_shared.values.suffixes import Suffixes

_SHORTEST = 3  # letters of a name that can be told from chance
_MOST_LABELS = 6  # of a domain that is looked for inside another one
_SHORTEST_SLIP = 5  # letters where two neighbours are exchanged, or one is written twice
_RUN = re.compile(r"(.)\1+")


@dataclass(frozen=True)
class _Model:
    """A domain, taken apart; `seen` is how its name looks."""

    seen: str
    label: str
    suffix: str
    domain: str


class Models:
    """Domains that others may pretend to be, and since when each is one, in epoch seconds.

    Domains are organizational ones, lower-case A-labels. Names of `slips` letters or more can differ in any one letter;
    with `suffix_too`, a public suffix that is like another one counts as well.
    """

    def __init__(self, suffixes: Suffixes, since: Mapping[str, float], slips: int, *, suffix_too: bool = False) -> None:
        self._suffixes = suffixes
        self._since = since
        self._slips = slips
        self._suffix_too = suffix_too
        self._by_part: dict[str, list[_Model]] = {}
        for domain in since:
            self._add(domain)

    def _add(self, domain: str) -> None:
        label, suffix = _divide(domain)
        model = _Model(skeleton(label), label, suffix, domain)
        if len(model.seen) >= _SHORTEST:
            for part in _parts(model.seen):
                self._by_part.setdefault(part, []).append(model)

    def like(self, domain: str, before: float = math.inf) -> str | None:
        """The model that a domain can be taken for, which is not one of them itself and came after it."""
        organization = self._suffixes.organizational(domain)
        label, suffix = _divide(organization)
        ours = _Model(skeleton(label), label, suffix, organization)
        for part in _parts(ours.seen):
            for model in self._by_part.get(part, ()):
                if self._since[model.domain] < before and self._is_like(ours, model):
                    return model.domain
        return self._pretended_above(domain, organization, before)

    def _is_like(self, ours: _Model, model: _Model) -> bool:
        if ours.domain == model.domain:
            return False
        if ours.label == model.label:
            return self._suffix_too and _is_slip_of_suffix(ours.suffix, model.suffix)
        return _is_like(ours.seen, model.seen, self._slips) and not _differ_in_numbers(ours.label, model.label)

    def _pretended_above(self, domain: str, organization: str, before: float) -> str | None:
        """`bank.test.evil.test`, `bank.test-login.evil.test`: the model stands where a hurried reader stops."""
        labels = domain.replace("-", ".").split(".")
        for start in range(len(labels) - 2):
            for end in range(start + 2, min(len(labels), start + _MOST_LABELS + 1)):
                model = ".".join(labels[start:end])
                if model != organization and self._since.get(model, math.inf) < before:
                    return model
        return None


def is_homoglyph(suffixes: Suffixes, domain: str, model: str) -> bool:
    """Whether the letters of two domains look the same, rather than merely alike."""
    return skeleton(_divide(suffixes.organizational(domain))[0]) == skeleton(_divide(model)[0])


def _divide(organization: str) -> tuple[str, str]:
    """The name that was registered, in its own script, and the public suffix."""
    label, _, suffix = organization.partition(".")
    return in_letters(label), suffix


def _parts(seen: str) -> tuple[str, str]:
    """One slip, or two letters exchanged, leaves the beginning or the end of a name as it is."""
    return f"{seen[:2]}*", f"*{seen[-2:]}"


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
