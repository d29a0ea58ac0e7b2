"""How much is sent: the store of `sending_limits`, `sending_usage` and `sending_refusals`.

A message counts against the limits of who sends it, a user who logged in or the Unix user of a local program, and
against those of its sender's domain: itself and its recipients, an hour and a day. What is refused counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.limits import usage
from onifast_shared.limits.subjects import DAY, NO_LIMITS, PERIODS, Subject, limits_of
from onifast_shared.limits.usage import SubjectUsage
from onifast_shared.machine.config import Settings
from onifast_shared.values.leaky_bucket import Bucket, poured


def of(tx: Connection, subject: Subject, settings: Settings) -> SubjectUsage:
    """A subject's limits and their use."""
    return _usage(tx.execute(_usages(1), subject).fetchone(), settings)


def admit(tx: Connection, subjects: Sequence[Subject], recipients: int, settings: Settings, now: float) -> None:
    """Counts one message to so many recipients, in the transaction that queues it; raises LimitExceeded.

    Each message comes here while others wait for the commit: levels are plain numbers, and tallies are made for those
    alone that are refused. What the panel sends for nobody in particular counts for nobody.
    """
    if not subjects:
        return
    units = (1, 1, recipients, recipients)
    fits = True
    counted: list[SqlValue] = []
    for row in tx.execute(_usages(len(subjects)), [part for subject in subjects for part in subject]):
        subject = Subject(row[0], row[1])
        limits = limits_of(subject, row[_OWN], settings)
        if limits == NO_LIMITS:
            continue
        elapsed, burst = now - (row[_UPDATED] or 0.0), settings.limit_burst / 100
        levels, has_room = poured(limits, _SECONDS, burst, levels=row[_USED], elapsed=elapsed, units=units)
        fits = fits and has_room
        counted += [*subject, *levels, now]
    if not fits and (exceeded := usage.judge([of(tx, subject, settings) for subject in subjects], recipients, now)):
        raise exceeded
    if counted:
        tx.execute(_store(len(counted) // _STORED), counted)


def give_back(
    tx: Connection, subjects: Iterable[Subject], recipients: int, settings: Settings, *, sent: float, now: float
) -> None:
    """Counts a message no longer that was admitted at `sent` and will reach nobody.

    What has leaked away since stays gone, as if the room had been kept for it: else who writes much for later, and
    calls it back, could send all of that at once. So there is room for it again, and no more than there was before.
    """
    for subject in subjects:
        tally = of(tx, subject, settings)
        if not tally.buckets:
            continue
        levels = [
            bucket.level_after_return(usage.units_of(counted, recipients), sent, now)
            if (bucket := tally.buckets.get(counted))
            else 0.0
            for counted in PERIODS
        ]
        tx.execute(_store(1), (*subject, *levels, now))


def record(tx: Connection, subject: Subject, counted: str, now: float) -> None:
    """Notes that a subject hit a limit, or sent as somebody else."""
    tx.execute(
        """
        INSERT INTO sending_refusals (scope, name, counted, first_ts, last_ts, times) VALUES (?, ?, ?, ?, ?, 1)
        ON CONFLICT (scope, name, counted) DO UPDATE SET last_ts = excluded.last_ts, times = times + 1
        """,
        (*subject, counted, int(now), int(now)),
    )
    # A clock that once was ahead must not keep a bucket full until it gets there again.
    tx.execute("UPDATE sending_usage SET updated_ts = min(updated_ts, ?) WHERE scope = ? AND name = ?", (now, *subject))


def put(tx: Connection, subject: Subject, limits: Mapping[str, int | None]) -> None:
    """Sets some of a subject's own limits, 0 for none; None gives one back to the settings. The others stay."""
    for counted, limit in limits.items():
        tx.execute(
            f"INSERT INTO sending_limits (scope, name, {_column(counted)}) VALUES (?, ?, ?)"
            f" ON CONFLICT (scope, name) DO UPDATE SET {_column(counted)} = excluded.{_column(counted)}",
            (*subject, limit),
        )
    empty = " AND ".join(f"{column} IS NULL" for column in PERIODS)
    tx.execute(f"DELETE FROM sending_limits WHERE scope = ? AND name = ? AND {empty}", subject)


def reset(tx: Connection, subject: Subject) -> bool:
    """Forgets what a subject has used, and what it was refused; its limits stay. False if there was nothing."""
    tx.execute("DELETE FROM sending_usage WHERE scope = ? AND name = ?", subject)
    changed = tx.changes()
    tx.execute("DELETE FROM sending_refusals WHERE scope = ? AND name = ?", subject)
    changed += tx.changes()
    tx.execute("DELETE FROM limit_alerts WHERE scope = ? AND name = ?", subject)
    return changed > 0


def sweep(tx: Connection, now: float, before: float) -> None:
    """Forgets buckets that have been left alone for days, and refusals whose last was earlier than `before`."""
    tx.execute("DELETE FROM sending_usage WHERE updated_ts < ?", (now - _LEFT_ALONE,))
    tx.execute("DELETE FROM sending_refusals WHERE last_ts < ?", (int(before),))


_SECONDS = tuple(PERIODS.values())
_LEFT_ALONE = 11 * DAY  # the largest burst, ten days' worth, has leaked by then
_COLUMNS = ", ".join(f"CAST(sending_limits.{column} AS INTEGER)" for column in PERIODS)
_LEVELS = ", ".join(f"sending_usage.{column}" for column in PERIODS)
# Where the parts stand in a row of `_usages`, and how many columns one of `_store` has.
_OWN = slice(2, 2 + len(PERIODS))
_USED = slice(_OWN.stop, _OWN.stop + len(PERIODS))
_UPDATED = _USED.stop
_STORED = 2 + len(PERIODS) + 1


@lru_cache(maxsize=8)
def _usages(subjects: int) -> str:
    """Scope and name of so many subjects, their own limits, what they have used, and when that was counted last."""
    return f"""
        SELECT subject.column1, subject.column2, {_COLUMNS}, {_LEVELS}, sending_usage.updated_ts
        FROM (VALUES {", ".join(["(?, ?)"] * subjects)}) AS subject
        LEFT JOIN sending_limits ON sending_limits.scope = column1 AND sending_limits.name = column2
        LEFT JOIN sending_usage ON sending_usage.scope = column1 AND sending_usage.name = column2
    """


@lru_cache(maxsize=8)
def _store(subjects: int) -> str:
    return f"""
        INSERT INTO sending_usage (scope, name, {", ".join(PERIODS)}, updated_ts)
        VALUES {", ".join([f"({', '.join('?' * _STORED)})"] * subjects)}
        ON CONFLICT (scope, name) DO UPDATE
        SET {", ".join(f"{column} = excluded.{column}" for column in (*PERIODS, "updated_ts"))}
    """


def _usage(row: Any, settings: Settings) -> SubjectUsage:
    subject, own, updated = Subject(row[0], row[1]), row[_OWN], row[_UPDATED] or 0.0
    limits = dict(zip(PERIODS, limits_of(subject, own, settings), strict=True))
    levels = dict(zip(PERIODS, row[_USED], strict=True))
    burst = settings.limit_burst / 100
    buckets = {
        counted: Bucket(limit, PERIODS[counted], burst, levels[counted] or 0.0, updated)
        for counted, limit in limits.items()
        if limit
    }
    given = frozenset(counted for counted, limit in zip(PERIODS, own, strict=True) if limit is not None)
    return SubjectUsage(subject, limits, buckets, given)


def _column(counted: str) -> str:
    if counted not in PERIODS:
        raise ValueError(counted)
    return counted
