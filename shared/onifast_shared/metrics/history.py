"""The numbers over time as people look at them: an hour, a day or a month, in as many steps as a chart has room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.metrics import store
from onifast_shared.metrics.store import COARSE, FINE, CountedAt


class Span(NamedTuple):
    """How far one looks back, and how much one step holds, in seconds; `width` is that of the stored numbers."""

    seconds: int
    step: int
    width: int


SPANS = {
    "hour": Span(3600, 300, FINE),
    "day": Span(86400, 1800, FINE),
    "month": Span(30 * 86400, 12 * 3600, COARSE),
}


class Line(NamedTuple):
    """What is added up to one line of a chart: a metric, where its labels are wanted."""

    name: str
    metric: str
    wanted: Callable[[Mapping[str, str]], bool] = lambda _labels: True


class History(NamedTuple):
    """When each step begins (epoch seconds), and what each line counted in it; the last step is not over yet."""

    begins: Sequence[int]
    numbers: Mapping[str, Sequence[int]]

    def total(self, name: str) -> int:
        """What a line counted in all."""
        return sum(self.numbers[name])


def of(tx: Connection, lines: Sequence[Line], span: Span, now: float) -> History:
    """These lines up to now."""
    last = int(now) // span.step * span.step
    begins = list(range(last - span.seconds + span.step, last + span.step, span.step))
    found = store.between(tx, sorted({line.metric for line in lines}), begins[0], last + span.step, span.width)
    return History(begins, {line.name: _counted(line, found, begins, span.step) for line in lines})


def by_label(tx: Connection, metric: str, label: str, span: Span, now: float) -> list[tuple[str, int]]:
    """How much of a metric each value of a label has within the span, the most first."""
    counted: Counter[str] = Counter()
    begin = int(now) // span.step * span.step - span.seconds + span.step
    for each in store.between(tx, [metric], begin, now + 1, span.width):
        counted[each.counted.labels.get(label, "")] += round(each.counted.number)
    return counted.most_common()


def _counted(line: Line, found: Sequence[CountedAt], begins: Sequence[int], step: int) -> list[int]:
    numbers = [0.0] * len(begins)
    for begin_ts, counted in found:
        if counted.name == line.metric and line.wanted(counted.labels):
            numbers[(begin_ts - begins[0]) // step] += counted.number
    return [round(number) for number in numbers]
