"""How much may be sent: the store of `sending_limits`, `sending_usage` and `sending_refusals`.

A message counts against the limits of who sends it, a user who logged in or the Unix user of a local program, and
against those of its sender's domain: itself and its recipients, an hour and a day. What is refused counts nowhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values import submitters
from onifast_shared.values.address import Address, AddressError, parse_domain
from onifast_shared.values.leaky_bucket import Bucket, poured
from onifast_shared.values.set_aside import is_set_aside

Scope = Literal["user", "unix", "domain"]

HOUR, DAY = 3600.0, 86400.0
SCOPES: dict[str, str] = {"user": "user", "unix": "Unix user", "domain": "domain"}
"""The scopes, and their words."""
PERIODS = {"messages_per_hour": HOUR, "messages_per_day": DAY, "recipients_per_hour": HOUR, "recipients_per_day": DAY}
"""What is counted, by the names of the columns, and in which time it leaks away; seconds."""
WORDS = {
    "messages_per_hour": "messages an hour",
    "messages_per_day": "messages a day",
    "recipients_per_hour": "recipients an hour",
    "recipients_per_day": "recipients a day",
}
FOREIGN_SENDER = "foreign_sender"
"""Stands in `sending_refusals` for mail from an address that is not the sender's."""
UNKNOWN_UNIX_USER = "(unknown)"
"""The name that all local programs share whose user cannot be known."""
MOST_LISTED = 500
LARGEST = 1_000_000_000
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,255}")


class Subject(NamedTuple):
    """Who a limit is for."""

    scope: Scope
    name: str

    def __str__(self) -> str:
        return f"{SCOPES[self.scope]} {self.name}"


def subject(scope: str, name: str) -> Subject:
    """The subject that a person or a program names; raises ValueError, which says what is wrong."""
    match scope:
        case "domain":
            try:
                return Subject("domain", parse_domain(name.strip()))
            except AddressError:
                raise ValueError("not a domain name") from None
        case "user" | "unix":
            if not _NAME.fullmatch(name.strip()):
                raise ValueError("not a user name")
            return Subject(scope, name.strip())
    raise ValueError(f"scope is one of {', '.join(SCOPES)}")


class SendingRoom(NamedTuple):
    """What may be sent at the least, from a moment on: time only makes it more."""

    messages: float
    recipients: float


class SubjectUsage(NamedTuple):
    """A subject's limits and what is used of them: a bucket for each limit that there is.

    `limits` holds 0 where there is none; `own` names those that were set for the subject itself.
    """

    subject: Subject
    limits: Mapping[str, int]
    buckets: Mapping[str, Bucket]
    own: frozenset[str] = frozenset()

    def used(self, counted: str, now: float) -> int:
        """How much of a limit is used, in whole units; 0 where there is no limit."""
        bucket = self.buckets.get(counted)
        return math.ceil(bucket.level_at(now) - 1e-6) if bucket else 0

    def used_up_until(self, counted: str, now: float) -> float | None:
        """When a limit that is used up lets the next unit pass; None for one that does so now."""
        bucket = self.buckets.get(counted)
        until = bucket.free_at(1, now) if bucket else now
        return until if until and until > now else None

    def filled(self, recipients: int, now: float, messages: int = 1) -> SubjectUsage:
        """The tally with so many messages more, to so many recipients in all."""
        buckets = {
            name: bucket.filled(_units(name, recipients, messages), now) for name, bucket in self.buckets.items()
        }
        return SubjectUsage(self.subject, self.limits, buckets, self.own)

    def room(self, now: float) -> SendingRoom:
        """What the limits leave."""
        left: dict[str, float] = {"messages": math.inf, "recipients": math.inf}
        for counted, bucket in self.buckets.items():
            unit = counted.partition("_")[0]
            left[unit] = min(left[unit], bucket.capacity - bucket.level_at(now))
        return SendingRoom(**left)


class LimitExceeded(Exception):
    """A message is not sent, since it goes beyond a limit: a sentence without its end.

    `until` is the time (epoch seconds) at which it will have room, None for a message that never will.
    """

    def __init__(self, subject: Subject, counted: str, limit: int, until: float | None, text: str) -> None:
        super().__init__(text)
        self.subject = subject
        self.counted = counted
        self.limit = limit
        self.until = until


@dataclass(frozen=True)
class Hit:
    """How often a subject was refused for one reason: `counted` is a limit's name or FOREIGN_SENDER."""

    subject: Subject
    counted: str
    first_ts: int
    last_ts: int
    times: int


@dataclass(frozen=True)
class SubjectStanding:
    """Where a subject stands: its limits, and how often it hit them."""

    tally: SubjectUsage
    hits: Mapping[str, Hit]


def of(tx: Connection, subject: Subject, settings: Settings) -> SubjectUsage:
    """A subject's limits and their use."""
    row = tx.execute(_TALLY, subject).fetchone()
    return _tally(subject, row, settings)


def judge(tallies: Iterable[SubjectUsage], recipients: int, now: float, *, taken: int = 0) -> LimitExceeded | None:
    """What keeps one message to so many recipients from being sent: of several limits that which lasts longest.

    `taken` of the recipients have been promised their room already.
    """
    wanted = _Wanted(recipients, taken, now)
    found = [
        exceeded
        for tally in tallies
        for counted, bucket in tally.buckets.items()
        if (exceeded := _exceeded(tally.subject, counted, bucket, wanted))
    ]
    return max(found, key=lambda each: float("inf") if each.until is None else each.until, default=None)


def admit(tx: Connection, subjects: Sequence[Subject], recipients: int, settings: Settings, now: float) -> None:
    """Counts one message to so many recipients, in the transaction that queues it; raises LimitExceeded.

    Each message comes here while others wait for the commit: levels are plain numbers, and tallies are made for those
    alone that are refused. What the panel sends for nobody in particular counts for nobody.
    """
    if not subjects:
        return
    units = (1, 1, recipients, recipients)
    fits, counted = True, []
    for row in tx.execute(_all_tallies(len(subjects)), [part for subject in subjects for part in subject]):
        subject = Subject(row[0], row[1])
        limits = _limits(subject, row[2:6], settings)
        if limits == _NO_LIMITS:
            continue
        elapsed, burst = now - (row[10] or 0.0), settings.limit_burst / 100
        levels, has_room = poured(limits, _SECONDS, burst, levels=row[6:10], elapsed=elapsed, units=units)
        fits = fits and has_room
        counted += [*subject, *levels, now]
    if not fits and (exceeded := judge([of(tx, subject, settings) for subject in subjects], recipients, now)):
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
            bucket.level_after_return(_units(counted, recipients), sent, now)
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


def hits(tx: Connection, username: str | None = None) -> list[Hit]:
    """Who was refused what, the latest first; for a user, only what is theirs."""
    rows: list[Any] = tx.execute(f"{_HITS} ORDER BY last_ts DESC").fetchall()
    mine = None if username is None else set(subjects_of(tx, username))
    found = (_hit(row) for row in rows if row[0] in SCOPES and row[2] in _COUNTED)
    return [hit for hit in found if mine is None or hit.subject in mine]


def standing(tx: Connection, subject: Subject, settings: Settings) -> SubjectStanding:
    """Where one subject stands."""
    rows: list[Any] = tx.execute(f"{_HITS} WHERE scope = ? AND name = ? ORDER BY last_ts DESC", subject).fetchall()
    return SubjectStanding(of(tx, subject, settings), {row[2]: _hit(row) for row in rows if row[2] in _COUNTED})


def list_for(tx: Connection, username: str | None, settings: Settings, now: float) -> list[SubjectStanding]:
    """Where everybody stands who has used, hit or been given a limit (None, for administrators), or a user.

    Who was refused lately comes first, then who has used most.
    """
    subjects = _known(tx) if username is None else subjects_of(tx, username)
    standings = [standing(tx, subject, settings) for subject in subjects]
    return sorted(standings, key=lambda each: _order(each, now))[:MOST_LISTED]


def subjects_of(tx: Connection, username: str) -> list[Subject]:
    """Who a panel user is to the limits: themselves, by login and as Unix user, and their domains."""
    domains = addresses.domains_of(tx, username)
    return [Subject("user", username), Subject("unix", username), *(Subject("domain", name) for name in domains)]


def counted_for(submitted_by: str | None, sender: str) -> list[Subject]:
    """Whom a message of the web program counts for, by its queue row; the panel's counts for nobody."""
    username = submitters.user_of(submitted_by)
    if not username:
        return []
    return [Subject("user", username), Subject("domain", Address.parse(sender).domain)]


def default(subject: Subject, counted: str, settings: Settings) -> int:
    """The settings' limit, for who has none of their own."""
    # At the host's own name all sites meet that have no address of their own: one must not use up the others' share.
    if subject.scope == "domain" and subject.name == settings.hostname:
        return 0
    return int(getattr(settings, f"limit_{subject.scope}_{counted}"))


def _limits(subject: Subject, own: Sequence[int | None], settings: Settings) -> tuple[int, ...]:
    """A subject's limits, in the order of PERIODS: its own, else `default`; 0 where there is none."""
    at_host = subject.scope == "domain" and subject.name == settings.hostname
    limits: tuple[int, ...] = _NO_LIMITS if at_host else _OF_SETTINGS[subject.scope](settings)
    if own == _NONE_OF_HIS_OWN:
        return limits
    return tuple(max(0, standard if given is None else given) for given, standard in zip(own, limits, strict=True))


def sweep(tx: Connection, now: float, before: float) -> None:
    """Forgets buckets that have been left alone for days, and refusals whose last was earlier than `before`."""
    tx.execute("DELETE FROM sending_usage WHERE updated_ts < ?", (now - _LEFT_ALONE,))
    tx.execute("DELETE FROM sending_refusals WHERE last_ts < ?", (int(before),))


def moment(until: float, now: float) -> str:
    """A time of release, for people: rounded up to the minute, with its day unless that is today."""
    when = datetime.fromtimestamp(-(-until // 60) * 60, UTC)
    today = datetime.fromtimestamp(now, UTC).date()
    return when.strftime("%H:%M UTC" if when.date() == today else "%Y-%m-%d %H:%M UTC")


_SECONDS = tuple(PERIODS.values())
_NO_LIMITS = (0,) * len(PERIODS)
_NONE_OF_HIS_OWN = (None,) * len(PERIODS)
_OF_SETTINGS = {scope: attrgetter(*(f"limit_{scope}_{counted}" for counted in PERIODS)) for scope in SCOPES}
_COUNTED = {*PERIODS, FOREIGN_SENDER}
_HITS = "SELECT scope, name, counted, first_ts, last_ts, times FROM sending_refusals"
_LEFT_ALONE = 11 * DAY  # the largest burst, ten days' worth, has leaked by then
_COLUMNS = ", ".join(f"CAST(sending_limits.{column} AS INTEGER)" for column in PERIODS)
_LEVELS = ", ".join(f"sending_usage.{column}" for column in PERIODS)
_TALLY = f"""
    SELECT {_COLUMNS}, {_LEVELS}, sending_usage.updated_ts FROM (SELECT ?1 AS scope, ?2 AS name) AS subject
    LEFT JOIN sending_limits ON sending_limits.scope = subject.scope AND sending_limits.name = subject.name
    LEFT JOIN sending_usage ON sending_usage.scope = subject.scope AND sending_usage.name = subject.name
"""
_STORED = 2 + len(PERIODS) + 1


@lru_cache(maxsize=8)
def _all_tallies(subjects: int) -> str:
    """`_TALLY` for several subjects at once: scope and name stand before its columns."""
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


def _tally(subject: Subject, row: Any, settings: Settings) -> SubjectUsage:
    given, levels, updated = row[:4], row[4:8], row[8]
    limits: dict[str, int] = {}
    buckets: dict[str, Bucket] = {}
    for counted, own, level in zip(PERIODS, given, levels, strict=True):
        limit = max(0, int(default(subject, counted, settings) if own is None else own))
        limits[counted] = limit
        if limit:
            buckets[counted] = Bucket(limit, PERIODS[counted], settings.limit_burst / 100, level or 0.0, updated or 0.0)
    return SubjectUsage(
        subject, limits, buckets, frozenset(name for name, own in zip(PERIODS, given, strict=True) if own is not None)
    )


def _units(counted: str, recipients: int, messages: int = 1) -> int:
    return recipients if counted.startswith("recipients") else messages


class _Wanted(NamedTuple):
    """What is to be sent."""

    recipients: int
    taken: int
    now: float


def _exceeded(subject: Subject, counted: str, bucket: Bucket, wanted: _Wanted) -> LimitExceeded | None:
    units, now = _units(counted, wanted.recipients), wanted.now
    until = bucket.free_at(units, now)
    if until == now:
        return None
    limit = f"limit of {bucket.limit} {WORDS[counted]} for {subject}"
    if until is None:
        text = f"{limit} lets no more than {int(bucket.capacity)} in one message"
    elif (room := bucket.room(now) - wanted.taken) > 0:
        text = f"{limit} has room for {room} more now, for {units} at {moment(until, now)}"
    else:
        text = f"{limit} is used up until {moment(until, now)}"
    return LimitExceeded(subject, counted, bucket.limit, until, text)


def _hit(row: Any) -> Hit:
    return Hit(Subject(row[0], row[1]), *row[2:])


def _known(tx: Connection) -> list[Subject]:
    tables = ("sending_usage", "sending_limits", "sending_refusals")
    rows: list[Any] = tx.execute(" UNION ".join(f"SELECT scope, name FROM {table}" for table in tables)).fetchall()
    return [Subject(scope, name) for scope, name in rows if scope in SCOPES and not is_set_aside(name)]


def _order(standing: SubjectStanding, now: float) -> tuple[float, float, Subject]:
    last = max((hit.last_ts for hit in standing.hits.values()), default=0)
    buckets = standing.tally.buckets.values()
    used = max((bucket.level_at(now) / bucket.capacity for bucket in buckets), default=0.0)
    return -last, -used, standing.tally.subject


def _column(counted: str) -> str:
    if counted not in PERIODS:
        raise ValueError(counted)
    return counted
