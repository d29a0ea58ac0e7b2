"""The numbers as Prometheus reads them: its text format, version 0.0.4.

Written here, and not by its library: that adds up what one process counts, whereas these numbers lie in the database,
where all processes have added theirs; of the library only a printer would be left, in memory that idle programs hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import BOUNDS, BUCKET, SUM
from onifast_shared.metrics import gauges, store
from onifast_shared.metrics.declared import METRICS, PROGRAM, Metric, MetricKind
from onifast_shared.metrics.gauges import GaugeNow
from onifast_shared.metrics.store import Counted

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Labels = tuple[tuple[str, str], ...]


def page(settings: Settings, database: Database) -> str:
    """All metrics as they are now. Raises DatabaseError."""
    return render(database.read(store.totals), gauges.look(settings, database))


def render(counted: Iterable[Counted], looked_up: Iterable[GaugeNow]) -> str:
    """The text; what nobody has counted yet is left out, and what is not declared is not shown."""
    by_name: dict[str, list[tuple[_Labels, float]]] = defaultdict(list)
    for each in counted:
        by_name[each.name].append((_sorted({PROGRAM: each.program, **each.labels}), each.number))
    for gauge in looked_up:
        by_name[gauge.name].append((_sorted(gauge.labels), gauge.number))
    return "".join(f"{line}\n" for metric in METRICS for line in _lines(metric, by_name))


def _lines(metric: Metric, found: Mapping[str, list[tuple[_Labels, float]]]) -> Iterator[str]:
    samples = list(_histogram(metric, found) if metric.kind is MetricKind.HISTOGRAM else _plain(metric, found))
    if samples:
        yield f"# HELP {metric.exposed} {metric.meaning}"
        yield f"# TYPE {metric.exposed} {metric.kind}"
        yield from samples


def _plain(metric: Metric, found: Mapping[str, list[tuple[_Labels, float]]]) -> Iterator[str]:
    for labels, number in found.get(metric.name, ()):
        yield f"{metric.exposed}{_braces(labels)} {number:.15g}"


def _histogram(metric: Metric, found: Mapping[str, list[tuple[_Labels, float]]]) -> Iterator[str]:
    """Stored is how many lie between two bounds; shown, as the format wants it, how many lie below each."""
    buckets: dict[_Labels, dict[str, float]] = defaultdict(dict)
    for labels, number in found.get(metric.name + BUCKET, ()):
        buckets[tuple(each for each in labels if each[0] != "le")][dict(labels)["le"]] = number
    sums = dict(found.get(metric.name + SUM, ()))
    for labels, between in buckets.items():
        total = 0.0
        for bound in (*(f"{each:g}" for each in BOUNDS), "+Inf"):
            total += between.get(bound, 0)
            yield f"{metric.exposed}_bucket{_braces((*labels, ('le', bound)))} {total:.15g}"
        yield f"{metric.exposed}_sum{_braces(labels)} {sums.get(labels, 0.0):.15g}"
        yield f"{metric.exposed}_count{_braces(labels)} {total:.15g}"


def _sorted(labels: Mapping[str, str]) -> _Labels:
    return tuple(sorted(labels.items()))


def _braces(labels: _Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
