"""How much a message is like junk, from how often each of its features stood in what a user kept and threw away.

Gary Robinson's method with Fisher's way of combining probabilities, as in SpamBayes: what says nothing counts for
nothing, and evidence for both sides gives one half. Values in, values out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onifast_shared.junk.words import Feature

_STRENGTH, _UNKNOWN = 0.45, 0.5  # how much what is hardly known counts for unknown, and how junky the unknown is
_TELLING = 0.1  # how far from one half a feature has to be
_MOST_TELLING = 150


@dataclass(frozen=True)
class FeatureCounts:
    """In how many of a user's messages something stood: of those that they kept, and of those that they call junk."""

    good: int = 0
    junk: int = 0


@dataclass(frozen=True)
class Clue:
    """A feature that tells something: how probable junk is with it, and how often it stood where."""

    feature: Feature
    probability: float
    counts: FeatureCounts


@dataclass(frozen=True)
class Score:
    """How much a message is like junk, from 0.0 to 1.0, and the clues to it, those of junk first."""

    value: float
    clues: tuple[Clue, ...]


def score(features: Iterable[Feature], known: Mapping[int, FeatureCounts], learned: FeatureCounts) -> Score:
    """The score of a message. `known` has the counts of its features, `learned` how much was learned in all."""
    found = [
        Clue(feature, _probability(counts, learned), counts)
        for feature in features
        if (counts := known.get(feature.number)) is not None
    ]
    telling = sorted((clue for clue in found if abs(clue.probability - 0.5) >= _TELLING), key=_certainty)
    clues = sorted(telling[-_MOST_TELLING:], key=lambda clue: -clue.probability)
    return Score(_combined([clue.probability for clue in clues]), tuple(clues))


def _certainty(clue: Clue) -> float:
    return abs(clue.probability - 0.5)


def _probability(counts: FeatureCounts, learned: FeatureCounts) -> float:
    good, junk = counts.good / max(1, learned.good), counts.junk / max(1, learned.junk)
    seen = counts.good + counts.junk
    raw = min(1.0, junk / (good + junk)) if good + junk else _UNKNOWN
    return (_STRENGTH * _UNKNOWN + seen * raw) / (_STRENGTH + seen)


def _combined(probabilities: Sequence[float]) -> float:
    if not probabilities:
        return _UNKNOWN
    freedom = 2 * len(probabilities)
    junk = 1.0 - _chi_squared(-2.0 * sum(math.log(1.0 - each) for each in probabilities), freedom)
    good = 1.0 - _chi_squared(-2.0 * sum(math.log(each) for each in probabilities), freedom)
    return (junk - good + 1.0) / 2.0


def _chi_squared(value: float, freedom: int) -> float:
    """How probable it is that a chi-squared variable with so many (an even number) degrees of freedom is larger."""
    half = value / 2.0
    term = total = math.exp(-half)
    for step in range(1, freedom // 2):
        term *= half / step
        total += term
    return min(total, 1.0)
