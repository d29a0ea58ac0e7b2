"""A list that may be long, on one page: what of it fits a search, and how much of that is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

MOST = 100
"""Rows on one page: more than anybody reads."""

_FEW = 12  # rows that nobody needs a search for
_LONGEST_QUERY = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Shown(Generic[T]):
    """The first `rows` of the `fitting` ones, which have `q` in them; there are `total` without the search."""

    rows: list[T]
    q: str
    fitting: int
    total: int

    @property
    def left_out(self) -> int:
        """How many more would fit."""
        return self.fitting - len(self.rows)

    @property
    def wants_search(self) -> bool:
        """Whether the page has a field to search with."""
        return bool(self.q) or self.total > _FEW


def wanted() -> str:
    """What the page's address says is searched for."""
    return request.args.get("q", "").strip()[:_LONGEST_QUERY]


def shown(rows: Sequence[T], words: Callable[[T], str]) -> Shown[T]:
    """The part of a list that the page shows; `words` are what a row is found by."""
    q = wanted().casefold()
    fitting = [row for row in rows if q in words(row).casefold()]
    return Shown(fitting[:MOST], wanted(), len(fitting), len(rows))
