"""What this process knows of each destination: how many deliveries at once, how fast, and whether it can be reached.

Judgement only: whoever asks gives the time (`now`, seconds of a clock that nobody sets) and says how deliveries ended.

A destination begins with START deliveries at once. Each one that goes well while all places are taken widens that a
little, so that a window of successes adds one place, up to the limit; each complaint about the connection or the host
takes one away, down to one. DEAD_AFTER failures in a row without an answer in between make it dead: then one delivery
at a time looks for it, at growing intervals, until it answers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from onifast_shared.values.leaky_bucket import Bucket
from onifast_shared.values.reply import Deferred, Delivered, Failed, Outcome

START = 5
DEAD_AFTER = 3
LONGEST_DOUBLING = 5
"""A dead destination is looked for at intervals that double so often: from a minute to half an hour."""

FORGET_AFTER = 600.0
"""Seconds without any delivery after which a destination that lives is forgotten."""

MOST_KNOWN = 10_000
"""Destinations that are remembered; beyond it those that nothing goes to are forgotten at once."""

RATE_BURST = 0.1
"""The share of a minute's messages that may go at once."""


class Feedback(Enum):
    """What a delivery says about its destination."""

    FLOWED = "flowed"
    """It took mail."""

    ANSWERED = "answered"
    """It lives, and had something against the message or the recipient."""

    COMPLAINED = "complained"
    """It asked for less: a temporary refusal of the connection, or of everything."""

    SILENT = "silent"
    """It could not be reached, or broke off."""

    NOTHING = "nothing"
    """The delivery did not get so far."""


def feedback(outcomes: Iterable[Outcome]) -> Feedback:
    """What the recipients' outcomes of one delivery say together: any success is one."""
    found = {_of_one(outcome) for outcome in outcomes}
    order = (Feedback.FLOWED, Feedback.COMPLAINED, Feedback.ANSWERED, Feedback.SILENT)
    return next((each for each in order if each in found), Feedback.NOTHING)


def _of_one(outcome: Outcome) -> Feedback:
    if isinstance(outcome, Delivered):
        return Feedback.FLOWED
    if isinstance(outcome, Failed):
        return Feedback.ANSWERED if outcome.trail.address else Feedback.NOTHING
    return _of_deferred(outcome)


def _of_deferred(outcome: Deferred) -> Feedback:
    reply, trail = outcome.reply, outcome.trail
    _, _, detail = reply.enhanced.partition(".")
    if detail.startswith("4.") and reply.code != 421:
        return Feedback.SILENT
    if not trail.address:
        return Feedback.NOTHING
    last = trail.stages[-1][0] if trail.stages else ""
    if reply.code == 421 or detail in _ABOUT_THE_HOST or last in _BEFORE_RECIPIENTS:
        return Feedback.COMPLAINED
    return Feedback.ANSWERED


# RFC 3463 section 3.4: mail system full, not accepting messages.
_ABOUT_THE_HOST = ("3.1", "3.2")
# A temporary refusal before any recipient was named is about us and the host.
_BEFORE_RECIPIENTS = ("connect", "greeting", "ehlo", "tls", "login", "mail")


@dataclass(frozen=True)
class Limits:
    """What a destination may be asked at most; `per_minute` messages, 0 for as many as it takes."""

    concurrency: int = 20
    per_minute: int = 0


@dataclass(frozen=True)
class DestinationStatus:
    """A destination as it is shown to people. Times are seconds of the caller's clock; None where it lives."""

    name: str
    in_flight: int
    concurrency: int
    dead_since: float | None
    next_probe: float | None
    last_error: str


@dataclass(frozen=True)
class DeliveryAllowance:
    """How many deliveries to a destination may begin now. `dead` is its state where its mail is to be put off.

    `proven` says that it took mail, or answered, the last time that it was asked.
    """

    free: int
    proven: bool = True
    dead: DestinationStatus | None = None


class Destination:
    """One destination's state."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self.window = float(min(START, limits.concurrency))
        self.in_flight = 0
        self.failures = 0
        self.proven = False
        self.dead_since: float | None = None
        self.next_probe = 0.0
        self.probes = 0
        self.has_put_off = False
        self.last_error = ""
        self.used = now
        self._peak = 0
        self._bucket = _bucket(limits)

    def free(self, now: float) -> int:
        """How many deliveries may begin now."""
        if self.dead_since is not None:
            return int(not self.in_flight and now >= self.next_probe)
        room = max(0, int(self.window) - self.in_flight)
        return min(room, self._bucket.room(now)) if self._bucket else room

    def limit(self, limits: Limits) -> None:
        """From now on these limits count."""
        if limits.per_minute != self.limits.per_minute:
            self._bucket = _bucket(limits)
        self.limits = limits
        self.window = max(1.0, min(self.window, limits.concurrency))

    def begin(self, now: float) -> None:
        """A delivery has begun."""
        self.used = now
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)
        if self._bucket:
            self._bucket = self._bucket.filled(1, now)

    def end(self, said: Feedback, error: str, now: float, probe_interval: float) -> None:
        """A delivery has ended."""
        self.used = now
        self.in_flight -= 1
        if said in (Feedback.FLOWED, Feedback.ANSWERED):
            # Only a destination that had all its places taken can tell whether more would do.
            self._lives(widen=said is Feedback.FLOWED and self._peak >= int(self.window))
        elif said is not Feedback.NOTHING:
            self._fails(said, error, now, probe_interval)

    def _lives(self, *, widen: bool) -> None:
        if self.dead_since is not None:
            self.window = float(min(START, self.limits.concurrency))
        elif widen:
            before = int(self.window)
            self.window = min(self.window + 1 / before, float(self.limits.concurrency))
            if int(self.window) > before:
                self._peak = self.in_flight
        self.proven = True
        self.failures = self.probes = 0
        self.dead_since = None
        self.last_error = ""

    def _fails(self, said: Feedback, error: str, now: float, probe_interval: float) -> None:
        self.last_error = error
        self.proven = False
        # A host that asks for less is not dead as long as there is less to be had.
        if said is Feedback.SILENT or self.window <= 1:
            self.failures += 1
        self.window = max(1.0, self.window - 1)
        self._peak = self.in_flight
        if self.dead_since is not None:
            if now >= self.next_probe:
                self.probes = min(self.probes + 1, LONGEST_DOUBLING)
                self.next_probe = now + probe_interval * 2.0**self.probes
        elif self.failures >= DEAD_AFTER:
            self.dead_since = now
            self.next_probe = now + probe_interval

    def wait(self, now: float) -> float | None:
        """Seconds until more may begin by the passing of time alone; None where time changes nothing."""
        if self.dead_since is not None:
            return None if self.in_flight or now >= self.next_probe else self.next_probe - now
        if self._bucket and int(self.window) > self.in_flight and not self._bucket.room(now):
            free_at = self._bucket.free_at(1, now)
            return None if free_at is None else max(0.0, free_at - now)
        return None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return self.in_flight == 0 and self.dead_since is None and not self.has_put_off

    @property
    def is_watched(self) -> bool:
        """Whether time or its mail that was put off may ask for something."""
        return self.dead_since is not None or self.has_put_off or self._bucket is not None


class Destinations:
    """The destinations of one process. `room` may be asked from another thread than the one that does the rest."""

    def __init__(self, limits: Limits, probe_interval: float) -> None:
        self._default = limits
        self._exceptions: Mapping[str, Limits] = {}
        self._probe_interval = probe_interval
        self._known: dict[str, Destination] = {}
        self._watched: dict[str, Destination] = {}
        self._lock = threading.Lock()

    def allowance(self, name: str, now: float) -> DeliveryAllowance:
        """What may be begun with a destination at this moment."""
        with self._lock:
            found = self._known.get(name)
            if found is None:
                return DeliveryAllowance(Destination(self._limits(name), now).free(now), proven=False)
            free = found.free(now)
            if found.dead_since is not None and not free:
                return DeliveryAllowance(0, proven=False, dead=_state(name, found))
            return DeliveryAllowance(free, found.proven)

    def begin(self, name: str, now: float) -> None:
        """A delivery to it has begun."""
        with self._known_one(name, now) as each:
            each.begin(now)

    def end(self, name: str, said: Feedback, error: str, now: float) -> None:
        """A delivery to it has ended; `error` is the last answer, for people."""
        with self._known_one(name, now) as each:
            each.end(said, error, now, self._probe_interval)

    def put_off(self, name: str, now: float, *, some: bool = True) -> None:
        """Some of its mail is put off, which is to be woken when it answers; or none any more."""
        with self._known_one(name, now) as each:
            each.has_put_off = some

    def to_wake(self, now: float) -> list[tuple[str, bool]]:
        """Whose mail is to be woken: (name, whether all of it). A dead one gets a single message, as a probe."""
        with self._lock:
            return [
                (name, each.dead_since is None)
                for name, each in self._watched.items()
                if each.has_put_off and (each.dead_since is None or each.free(now))
            ]

    def next_change(self, now: float) -> float | None:
        """Seconds until something may begin that may not now, by the passing of time alone; None for never."""
        with self._lock:
            waits = [wait for each in self._watched.values() if (wait := each.wait(now)) is not None]
        return min(waits, default=None)

    def limit(self, default: Limits, exceptions: Mapping[str, Limits]) -> None:
        """From now on these limits count."""
        if (default, exceptions) == (self._default, self._exceptions):
            return
        with self._lock:
            self._default, self._exceptions = default, dict(exceptions)
            for name, each in self._known.items():
                each.limit(self._limits(name))
                self._watch(name, each)

    def restore(self, state: DestinationStatus, now: float) -> None:
        """What an earlier process knew of a dead destination, whose mail it may have put off."""
        with self._known_one(state.name, now) as each:
            each.dead_since, each.next_probe, each.last_error = (
                state.dead_since,
                state.next_probe or now,
                state.last_error,
            )
            each.window, each.failures, each.has_put_off = 1.0, DEAD_AFTER, True

    def states(self, now: float) -> list[DestinationStatus]:
        """All that are known; those at rest are forgotten after a while."""
        with self._lock:
            self._forget(now, FORGET_AFTER)
            return [_state(name, each) for name, each in self._known.items()]

    @contextmanager
    def _known_one(self, name: str, now: float) -> Iterator[Destination]:
        """A destination's state, which may be changed in the block."""
        with self._lock:
            found = self._known.get(name)
            if found is None:
                if len(self._known) >= MOST_KNOWN:
                    self._forget(now, age=0.0)
                found = self._known[name] = Destination(self._limits(name), now)
            yield found
            self._watch(name, found)

    def _watch(self, name: str, each: Destination) -> None:
        if each.is_watched:
            self._watched[name] = each
        else:
            self._watched.pop(name, None)

    def _limits(self, name: str) -> Limits:
        return self._exceptions.get(name, self._default)

    def _forget(self, now: float, age: float) -> None:
        for name in [name for name, each in self._known.items() if each.is_at_rest and now - each.used >= age]:
            del self._known[name]
            self._watched.pop(name, None)


def _bucket(limits: Limits) -> Bucket | None:
    return Bucket(limits.per_minute, 60.0, RATE_BURST) if limits.per_minute else None


def _state(name: str, each: Destination) -> DestinationStatus:
    probe = each.next_probe if each.dead_since is not None else None
    return DestinationStatus(name, each.in_flight, int(each.window), each.dead_since, probe, each.last_error)
