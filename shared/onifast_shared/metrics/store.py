"""The numbers of all programs: since ever, for who computes rates, and by time, for charts.

Of the last days there are five minutes together, and an hour of the time before. What a program counts under one name
in several processes is added up here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.machine.counting import Key

FINE, COARSE = 300, 3600
"""Seconds that are counted together."""

FINE_KEPT = 2 * 86400
MOST_SWEPT = 1000


class Counted(NamedTuple):
    """A number: who counted it, under which name and labels."""

    program: str
    name: str
    labels: Mapping[str, str]
    number: float


class CountedAt(NamedTuple):
    """What was counted from a time on, in epoch seconds, for as long as a bucket is."""

    begin_ts: int
    counted: Counted


def add(tx: Connection, program: str, numbers: Mapping[Key, float], now: float) -> None:
    """Adds what a process has counted since it last told."""
    for (name, labels), number in numbers.items():
        tx.execute(_ADD_TOTAL, (program, name, labels, number))
        for width in (FINE, COARSE):
            tx.execute(_ADD, (width, int(now) // width * width, program, name, labels, number))


def totals(tx: Connection) -> list[Counted]:
    """All numbers since they were first counted."""
    sql = "SELECT program, name, labels, number FROM counter_totals ORDER BY name, labels, program"
    rows: list[Any] = tx.execute(sql).fetchall()
    return [_counted(*row) for row in rows]


def between(tx: Connection, names: Sequence[str], begin: float, end: float, width: int) -> list[CountedAt]:
    """What was counted under these names, by time; `width` is FINE or COARSE."""
    marks = ",".join("?" * len(names))
    sql = f"""
        SELECT begin_ts, program, name, labels, number FROM counters
        WHERE width = ? AND begin_ts >= ? AND begin_ts < ? AND name IN ({marks}) ORDER BY begin_ts
    """
    rows: list[Any] = tx.execute(sql, (width, int(begin), int(end), *names)).fetchall()
    return [CountedAt(begin_ts, _counted(*rest)) for begin_ts, *rest in rows]


def sweep(tx: Connection, now: float, kept: float) -> int:
    """Forgets some of what is too old; 0 when nothing is left to forget."""
    for width, before in ((FINE, now - min(FINE_KEPT, kept)), (COARSE, now - kept)):
        tx.execute(_SWEEP, (width, int(before), MOST_SWEPT))
        if removed := tx.changes():
            return removed
    return 0


def labels_in(text: str) -> dict[str, str]:
    """The labels of a key (`counting.labels_of`)."""
    return dict(pair.split("=", 1) for pair in text.split(",")) if text else {}


def _counted(program: str, name: str, labels: str, number: float) -> Counted:
    return Counted(program, name, labels_in(labels), number)


_ADD_TOTAL = """
    INSERT INTO counter_totals (program, name, labels, number) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (name, labels, program) DO UPDATE SET number = number + ?4
"""
_ADD = """
    INSERT INTO counters (width, begin_ts, program, name, labels, number) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (width, begin_ts, name, labels, program) DO UPDATE SET number = number + ?6
"""
_SWEEP = """
    DELETE FROM counters WHERE (width, begin_ts, name, labels, program) IN
        (SELECT width, begin_ts, name, labels, program FROM counters WHERE width = ? AND begin_ts < ? LIMIT ?)
"""
