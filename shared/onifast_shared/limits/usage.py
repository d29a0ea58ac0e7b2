"""How much of its limits a subject has used, and what that says to one more message; no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from onifast_shared.limits.subjects import WORDS, Subject
from onifast_shared.values.leaky_bucket import Bucket


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
            name: bucket.filled(units_of(name, recipients, messages), now) for name, bucket in self.buckets.items()
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


def moment(until: float, now: float) -> str:
    """A time of release, for people: rounded up to the minute, with its day unless that is today."""
    when = datetime.fromtimestamp(-(-until // 60) * 60, UTC)
    today = datetime.fromtimestamp(now, UTC).date()
    return when.strftime("%H:%M UTC" if when.date() == today else "%Y-%m-%d %H:%M UTC")


def units_of(counted: str, recipients: int, messages: int = 1) -> int:
    """How much one message, or several, to so many recipients in all are of what is counted."""
    return recipients if counted.startswith("recipients") else messages


class _Wanted(NamedTuple):
    """What is to be sent."""

    recipients: int
    taken: int
    now: float


def _exceeded(subject: Subject, counted: str, bucket: Bucket, wanted: _Wanted) -> LimitExceeded | None:
    units, now = units_of(counted, wanted.recipients), wanted.now
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
