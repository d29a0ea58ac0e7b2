"""The deliverer's loop: waits for work, claims as much as there is room for, and hands it to couriers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue.claims import ClaimAllowance, ClaimCapacity, LaneRound, LaneTurns, Unreachable
from onifast_shared.queue.due import MOST_AT_ONCE, Glance
from onifast_shared.queue.next_hops import LOCAL, NextHops
from onifast_shared.queue.store import Claim
from onifast_shared.values.reply import Outcome, Reply

from onifast_outbox import maillog
from onifast_outbox.claiming import script_rows
from onifast_outbox.claiming.capacity import RunningDeliveries, RunningDelivery
from onifast_outbox.claiming.leases import Leases
from onifast_outbox.delivering.courier import ClaimFacts, Courier
from onifast_outbox.delivering.snapshot import DeliverySnapshot
from onifast_outbox.destinations import states
from onifast_outbox.destinations.states import Destinations, DestinationStatus
from onifast_outbox.poller import Wakeup

PUT_OFF_SECONDS = 3000
"""How long mail for a dead destination is put off, give or take: then its age is looked at. It is woken before that
where the destination answers again."""


LONGEST_PUT_OFF = PUT_OFF_SECONDS + queue_claims.SPREAD

MOST_CLAIMS = 20
"""Claims of one transaction, so that it is short."""

BARREN_REST = 0.02
"""Seconds before the next claim where the last one found only what may not go now, unless a delivery ends: each commit
of other programs wakes us, and claims take the writers' turn."""

BARREN_SHARE = 4
"""How many times as long as such a claim took the rest is at least."""


@dataclass(frozen=True)
class ClaimedWork:
    """What one transaction changed: rows made ready, rows woken by destination, and the claims with what they need."""

    readied: int
    woken: dict[str, int]
    found: LaneRound
    facts: list[ClaimFacts | None]


class Dispatcher:
    """Keeps claims in work. One claim is one message with up to a hundred of its recipients, for one destination."""

    def __init__(self, db: Database, settings: Settings, courier: Courier, leases: Leases, wakeup: Wakeup) -> None:
        self._db = db
        self._settings = settings
        self._courier = courier
        self._leases = leases
        self._wakeup = wakeup
        self._turns = LaneTurns()
        self._hops: NextHops | None = None
        self._barren_until = 0.0
        self._has_more = False
        self._running = RunningDeliveries(settings.outbox_concurrency, settings.outbox_memory, wakeup.wake)
        limits = states.Limits(settings.destination_concurrency, settings.destination_rate)
        self.destinations = Destinations(limits, settings.probe_interval)

    async def run(self) -> None:
        """Works until cancelled; `finish` then deals with what is in flight."""
        while True:
            pause: float | None = 1.0
            try:
                pause = await self.drain()
            except DatabaseError as error:
                maillog.trouble("claiming", error)
            except Exception:
                maillog.unforeseen("claiming")
            await self._wakeup.wait(pause)

    async def drain(self) -> float | None:
        """Starts whatever is due; seconds until more is, or None where only an event brings more."""
        while True:
            seen = await self._db.apeek(queue_due.glance)
            if seen.unprepared:
                await self._prepare()  # some of them; then those that are ready have their turn
            now = boot_clock()
            to_wake = self.destinations.to_wake(now)
            due = None if seen.due_ts is None else seen.due_ts - time.time()
            is_due = seen.ready or seen.unplaced or to_wake or (due is not None and due <= 0)
            rest = 0.0 if to_wake else self._barren_until - now
            if is_due and rest <= 0 and self._running.room() and await self._claim(seen, to_wake):
                continue
            if seen.unprepared:
                continue
            # What a round did not get to is looked at after the rest; what may not go, when something happens.
            rest = self._barren_until - boot_clock() if is_due and (rest > 0 or self._has_more) else 0.0
            waits = (due, self.destinations.next_change(now), rest)
            return min((wait for wait in waits if wait is not None and wait > 0), default=None)

    @property
    def in_flight(self) -> int:
        """How many deliveries are under way."""
        return len(self._running)

    async def finish(self, limit: float) -> int:
        """Waits at most `limit` seconds for what is in flight, then gives the rest back; how many were given back."""
        return await self._running.finish(limit)

    async def close(self) -> None:
        """Waits for what is computed still, after `finish`."""
        await self._courier.close()

    async def _prepare(self) -> None:
        rows = await self._db.aread(queue_scripts.unprepared)
        await script_rows.prepare(self._db, rows, self._settings.hostname)

    # Claiming

    async def _claim(self, seen: Glance, to_wake: Sequence[tuple[str, bool]]) -> bool:
        """Claims what there is room for and starts it; whether anything was changed, so that more may follow."""
        wanted, began = self._wanted(), boot_clock()

        def take(tx: Connection) -> ClaimedWork:
            return self._take(tx, seen, wanted, to_wake)

        # Not to be cancelled half-way: rows that were claimed for nobody would wait for their lease to end.
        # Nor does it wait for the disk: a power cut ends all claims anyway, and a result takes its claim to the disk.
        claiming = asyncio.ensure_future(self._db.awrite(take, lasting=False))
        try:
            taken = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            self._start(await claiming)
            raise
        self._start(taken)
        self._note(taken, to_wake)
        found = taken.found
        self._has_more = found.more
        changed = bool(taken.readied or any(taken.woken.values()) or found.claims or found.put_off)
        now = boot_clock()
        self._barren_until = 0.0 if changed else now + max(BARREN_REST, BARREN_SHARE * (now - began))
        return changed

    def _wanted(self) -> ClaimCapacity:
        return ClaimCapacity(
            total=min(self._running.room(), MOST_CLAIMS),
            unproven=self._running.room_for_unproven(),
            gate=self._allowance,
            octets=self._running.octets(),
            held=self._running.held(),
            lifetime=int(self._settings.queue_lifetime),
            turns=self._turns,
        )

    def _take(
        self, tx: Connection, seen: Glance, wanted: ClaimCapacity, to_wake: Sequence[tuple[str, bool]]
    ) -> ClaimedWork:
        """Makes ready what is due, claims it, and reads what is claimed, in one transaction."""
        now = time.time()
        readied = queue_due.place(tx) if seen.unplaced else 0
        if seen.due_ts is not None and seen.due_ts <= now:
            readied += queue_due.promote(tx, now)
        woken = {name: queue_due.wake(tx, name, now, MOST_AT_ONCE if alive else 1) for name, alive in to_wake}
        hops = self._hops = NextHops(tx, self._settings, self._hops)
        found = queue_claims.claim(tx, hops, self._leases.new(), wanted, now)
        snapshot = DeliverySnapshot(tx, self._settings, hops)
        facts = [self._courier.load(snapshot, claim) for claim in found.claims]
        return ClaimedWork(readied, woken, found, facts)

    def _allowance(self, destination: str) -> ClaimAllowance:
        """The gate of a round of claims. It runs on the writer's thread."""
        allowance = self.destinations.allowance(destination, boot_clock())
        if allowance.dead is None:
            return ClaimAllowance(allowance.free, allowance.proven)
        return ClaimAllowance(0, False, Unreachable(_answer_for(allowance.dead), int(time.time()) + PUT_OFF_SECONDS))

    def _note(self, taken: ClaimedWork, to_wake: Sequence[tuple[str, bool]]) -> None:
        """What the round says about mail that waits for destinations."""
        now = boot_clock()
        for name, alive in to_wake:
            if taken.woken[name] < (MOST_AT_ONCE if alive else 1):
                self.destinations.put_off(name, now, some=False)
        for name, rows in taken.found.put_off.items():
            self.destinations.put_off(name, now)
            maillog.put_off(name, rows)

    def _start(self, taken: ClaimedWork) -> None:
        self._turns = taken.found.turns
        for claim, facts in zip(taken.found.claims, taken.facts, strict=True):
            is_counted = _is_counted(claim)
            allowance = self.destinations.allowance(claim.destination, boot_clock()) if is_counted else None
            if is_counted:
                self.destinations.begin(claim.destination, boot_clock())
            self._leases.keep(claim.token)
            delivery = RunningDelivery(claim, is_proven=allowance is None or allowance.proven)
            self._running.start(delivery, self._courier.deliver(claim, facts), self._end)

    def _end(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        self._leases.drop(claim.token)
        self._barren_until = 0.0
        if _is_counted(claim):
            error = next((str(each.reply) for each in reversed(outcomes) if not each.reply.is_positive), "")
            self.destinations.end(claim.destination, states.feedback(outcomes), error, boot_clock())


def _is_counted(claim: Claim) -> bool:
    """Whether a claim is a delivery to a destination that has limits."""
    return claim.unreachable is None and claim.destination != LOCAL


def _answer_for(dead: DestinationStatus) -> Reply:
    """What mail for a dead destination gets instead of an answer."""
    offset = time.time() - boot_clock()
    since = _clock_time(offset + (dead.dead_since or 0.0))
    probe = _clock_time(offset + max(dead.next_probe or 0.0, boot_clock()))
    text = f"{dead.name} cannot be reached since {since}; it is looked for again about {probe}, and nothing is tried"
    return Reply(451, "4.4.1", f"{text} before that. Its last answer: {dead.last_error or 'none'}")


def _clock_time(epoch: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(epoch))


def boot_clock() -> float:
    """Seconds on the boot clock, which nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
