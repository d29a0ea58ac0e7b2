"""Lists in pages, newest first or by name: what a page holds, and the cursor that the next one goes on from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")

MOST_ROWS = 2**31
"""The limit of a list that is not cut into pages."""

_BEYOND_ALL = 2**63 - 1


class CursorError(ValueError):
    """A page cursor that this program did not give out."""

    def __init__(self, cursor: str) -> None:
        super().__init__(f"{cursor!r} is not a cursor; give next_cursor of the page before")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, in the list's order, and the cursor of the next page (None at the end)."""

    rows: list[Row]
    next_cursor: str | None


def below(cursor: str | None) -> int:
    """The id that those of the page lie below; raises CursorError."""
    if not cursor:
        return _BEYOND_ALL
    if not re.fullmatch(r"\d{1,15}", cursor):
        raise CursorError(cursor)
    return int(cursor)


def cut(found: Sequence[tuple[Any, ...]], limit: int) -> tuple[Sequence[tuple[Any, ...]], str | None]:
    """Of `limit` rows and one more, by descending id, which stands first in each: those of the page, and the cursor."""
    rows = found[:limit]
    return rows, str(rows[-1][0]) if len(found) > limit else None


def time_and_id(cursor: str) -> list[int]:
    """The time and the id that a cursor of messages names; raises CursorError."""
    match = re.fullmatch(r"(\d{1,12})-(\d{1,15})", cursor)
    if match is None:
        raise CursorError(cursor)
    return [int(match[1]), int(match[2])]


def cut_by_name(found: Sequence[Row], limit: int, name: Callable[[Row], str]) -> Page[Row]:
    """Of `limit` rows and one more, by ascending name: the page, whose cursor is the last one's name."""
    rows = list(found[:limit])
    return Page(rows, name(rows[-1]) if len(found) > limit else None)
