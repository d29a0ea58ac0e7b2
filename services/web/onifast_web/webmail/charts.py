"""Charts of columns, one upon another, as the server draws them: where each lies, and what is said of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onifast_shared.metrics.history import History

WIDTH, HEIGHT = 600, 120
"""Of the picture, in its own units; it is stretched to the room that there is."""

_GAP = 0.25  # of a step
_ROUND = (1, 2, 3, 4, 5, 6, 8, 10)


class ChartColumn(NamedTuple):
    """A rectangle; `kind` is its line's colour."""

    x: float
    y: float
    width: float
    height: float
    kind: str


class ChartLine(NamedTuple):
    """A line: its name in the history, what people call it, its colour, and how much it is in all."""

    name: str
    title: str
    kind: str
    total: int = 0


class Chart(NamedTuple):
    """What a page shows: `top` is the number at the upper edge; `rows` are the numbers of each step, for a table."""

    key: str
    title: str
    lines: Sequence[ChartLine]
    columns: Sequence[ChartColumn]
    top: int
    begins: Sequence[int]
    rows: Sequence[tuple[int, Sequence[int]]]


def drawn(key: str, title: str, lines: Sequence[ChartLine], history: History) -> Chart:
    """A chart of some lines of a history, the first at the bottom."""
    steps = list(zip(*(history.numbers[line.name] for line in lines), strict=True))
    top = nice_top(max((sum(step) for step in steps), default=0))
    columns = [column for place, step in enumerate(steps) for column in _stacked(place, step, lines, len(steps), top)]
    shown = [line._replace(total=history.total(line.name)) for line in lines]
    rows = [(begin, step) for begin, step in zip(history.begins, steps, strict=True) if any(step)]
    return Chart(key, title, shown, columns, top, history.begins, rows)


def nice_top(highest: int) -> int:
    """The next number above that is easily read: 1, 2, 3 … 10, 20, 30."""
    size = 1
    while highest > 10 * size:
        size *= 10
    return next((each * size for each in _ROUND if each * size >= highest), 10 * size)


def _stacked(place: int, step: Sequence[int], lines: Sequence[ChartLine], steps: int, top: int) -> list[ChartColumn]:
    width = WIDTH / steps
    columns, below = [], 0.0
    for number, line in zip(step, lines, strict=True):
        height = number / top * HEIGHT
        if number:
            x, y = (place + _GAP / 2) * width, HEIGHT - below - height
            columns.append(
                ChartColumn(round(x, 2), round(y, 2), round(width * (1 - _GAP), 2), round(height, 2), line.kind)
            )
        below += height
    return columns
