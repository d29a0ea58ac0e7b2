"""Who is served next: claims over the rows that are ready, fair by lane and by domain, in bounded steps.

A row that is due is `ready`. One index holds the ready rows by lane (who the mail is from) and domain, so that a claim
walks round lane by lane, and in each lane round domain by domain, with one seek a step: 50,000 messages of one sender
are as many steps away from another's single one as one message is. However many rows wait, are put off or are done
with, a round costs the same.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import contents
from onifast_shared.queue import hold_rules, ready_rows
from onifast_shared.queue.next_hops import LOCAL, NextHops
from onifast_shared.queue.ready_rows import LaneHead, ReadyRow
from onifast_shared.queue.store import Claim, Lease
from onifast_shared.values.reply import Reply

GROUP_LIMIT = 100
"""Recipients claimed together: RFC 5321 section 4.5.3.1.8 lets a server refuse more in one transaction."""

MOST_STEPS = 500
"""Seeks that one round may cost; what it did not get to, the next round begins with."""

MOST_BARREN = 64
"""Seeks in a row that find nothing to claim, after which a round ends: where a relay that is busy takes the mail of a
thousand domains, each round would look at all of them, and keep other writers waiting meanwhile."""

MOST_PUT_OFF = 500
"""Rows that are put off in one step, so that no transaction is long."""

SPREAD = 600
"""Seconds over which rows that are put off together come due again, so that they do not come all at once."""

MOST_LANES_KEPT = 10_000
"""Lanes whose turn is remembered; after that all begin anew, which nobody notices."""

SMALL = contents.INLINE_LIMIT
"""Octets up to which a message is no burden on memory: it never waits for a large one."""


@dataclass(frozen=True)
class Unreachable:
    """That nothing is brought to a destination now: the answer instead of one, and until when its mail is put off."""

    reply: Reply
    until_ts: int


@dataclass(frozen=True)
class ClaimAllowance:
    """How many claims may go to a destination, and whether it took mail when it was last asked."""

    free: int = GROUP_LIMIT
    is_proven: bool = True
    unreachable: Unreachable | None = None


Gate = Callable[[str], ClaimAllowance]
"""What the deliverer says of a destination, by name. It is asked on the writer's thread."""


def wide_open(_: str) -> ClaimAllowance:
    """A gate that lets everything through."""
    return ClaimAllowance()


@dataclass
class LaneTurns:
    """Whose turn it is: the lane that was served last, and in each lane the domain. Kept in memory by each process."""

    lane: str = ""
    domains: dict[str, str] = field(default_factory=dict)

    def copy(self) -> LaneTurns:
        """One that may be changed while this one stays: a transaction can be run again from the start."""
        return LaneTurns(self.lane, dict(self.domains))


@dataclass(frozen=True)
class ClaimCapacity:
    """What the deliverer has room for at this moment: `total` claims, of which `unproven` to unproven destinations.

    `octets` is the room for messages that are not SMALL; those in `held` are in memory already and take none, and where
    there are none one of any size goes. Mail is given up after `lifetime` seconds, so none is put off for longer.
    """

    total: int
    unproven: int = 2**31
    gate: Gate = wide_open
    octets: int = 2**40
    held: Collection[int] = ()
    lifetime: int = 2**31
    turns: LaneTurns = field(default_factory=LaneTurns)


@dataclass(frozen=True)
class LaneRound:
    """What one round gave. `put_off` counts rows by destination; `more` says that it ended before it had seen all."""

    claims: list[Claim]
    turns: LaneTurns
    put_off: Mapping[str, int]
    more: bool


def claim(tx: Connection, hops: NextHops, lease: Lease, wanted: ClaimCapacity, now: float) -> LaneRound:
    """Claims messages that are ready, each for one destination, one after the other by lane and domain."""
    walk = _LaneWalk(tx, hops, lease, wanted, int(now))
    claims = list(walk)
    return LaneRound(claims, walk.turns, walk.put_off, walk.more)


class _LaneWalk:
    """One round through the lanes; iterating claims."""

    def __init__(self, tx: Connection, hops: NextHops, lease: Lease, wanted: ClaimCapacity, now: int) -> None:
        self._tx = tx
        self._hops = hops
        self._lease = lease
        self._wanted = wanted
        self._now = now
        self._total = wanted.total
        self._unproven = wanted.unproven
        self._octets = wanted.octets
        self._held = set(wanted.held)
        self._openings: dict[str, ClaimAllowance] = {}
        self._taken: Counter[str] = Counter()
        self._steps = MOST_STEPS
        self._barren = 0
        self._contents: dict[int, bytes] = {}
        self._circle: list[str] = []
        self._has_closed = False
        self.turns = wanted.turns.copy()
        self.put_off: Counter[str] = Counter()
        self.more = False

    def __iter__(self) -> Iterator[Claim]:
        barren: set[str] = set()
        passed: set[str] = set()
        while self._total > 0:
            lane = self._next_lane()
            if lane is None or lane in passed or self.more:
                return
            passed.add(lane)
            if lane in barren:
                continue
            found = self._from_lane(lane)
            if found is None:
                barren.add(lane)
                continue
            self._total -= 1
            self._barren = 0
            passed.clear()
            yield found

    def _next_lane(self) -> str | None:
        """The lane whose turn is next. Nobody adds one meanwhile, so each is looked for once."""
        if self._has_closed:
            self._circle.append(self._circle.pop(0))
            self.turns.lane = self._circle[0]
            return self.turns.lane
        lane = ready_rows.next_lane(self._tx, self.turns.lane) if self._may_seek() else None
        if lane is None:
            return None
        if lane in self._circle:
            self._has_closed = True
            del self._circle[: self._circle.index(lane)]  # those before it are gone by now
        else:
            self._has_closed = lane == self.turns.lane  # it follows itself
            self._circle.append(lane)
        self.turns.lane = lane
        return lane

    def _from_lane(self, lane: str) -> Claim | None:
        """The lane's next claim; None where nothing of it can go anywhere now."""
        after = self.turns.domains.get(lane, "")
        passed: set[str] = set()
        while (head := self._next_head(lane, after)) and head.first.domain not in passed and not self.more:
            if self._hold([head.first.row.id]):
                continue  # the next row of this domain has its turn
            after = head.first.domain
            passed.add(after)
            self._remember(lane, after)
            found = self._from_head(lane, head)
            if found is not None:
                return found
        return None

    def _next_head(self, lane: str, after: str) -> LaneHead | None:
        return ready_rows.next_head(self._tx, lane, after) if self._may_seek() else None

    def _may_seek(self) -> bool:
        """Counts a seek; False where the round has had enough of them."""
        self._steps -= 1
        self._barren += 1
        self.more = self.more or self._steps < 0 or self._barren > MOST_BARREN
        return not self.more

    def _remember(self, lane: str, domain: str) -> None:
        if len(self.turns.domains) >= MOST_LANES_KEPT:
            self.turns.domains.clear()
        self.turns.domains[lane] = domain

    def _from_head(self, lane: str, head: LaneHead) -> Claim | None:
        destination = self._hop(head.first)
        allowance = self._allowance(destination)
        if allowance.unreachable is None:
            return self._claim(head, destination) if self._take(head, destination, allowance) else None
        if head.waits_for == destination:
            # It was put off before and is due again: its age decides what becomes of it, as after an attempt.
            return self._claim(head, destination, allowance.unreachable.reply)
        self._put_off(lane, head.first.domain, destination, allowance.unreachable)
        return None

    def _hop(self, row: ReadyRow) -> str:
        return self._hops.of(row.sender or "", row.submitted_by, row.domain)

    def _allowance(self, destination: str) -> ClaimAllowance:
        if destination == LOCAL:
            return ClaimAllowance()
        if destination not in self._openings:
            self._openings[destination] = self._wanted.gate(destination)
        return self._openings[destination]

    def _take(self, head: LaneHead, destination: str, allowance: ClaimAllowance) -> bool:
        """Takes the room that a claim needs; False where there is none."""
        is_burden = head.size > SMALL and head.content_id not in self._held
        if is_burden and self._held and head.size > self._octets:
            return False
        if destination != LOCAL:
            if self._taken[destination] >= allowance.free or (not allowance.is_proven and self._unproven <= 0):
                return False
            self._taken[destination] += 1
            self._unproven -= not allowance.is_proven
        if is_burden:
            self._octets -= head.size
            self._held.add(head.content_id)
        return True

    # Claiming

    def _claim(self, head: LaneHead, destination: str, unreachable: Reply | None = None) -> Claim:
        token = secrets.token_hex(16)
        lease = (token, self._lease.boot_id, self._lease.boot_now_ms + self._lease.duration_ms)
        rows = [head.first] if head.alone else self._siblings(head, destination)
        for each in rows:
            self._tx.execute(_CLAIM, (*lease, each.row.id))
        return Claim(
            token,
            head.content_id,
            rows[0].submission,
            tuple(each.row for each in rows),
            destination=destination,
            size=head.size,
            content=self._content(head),
            unreachable=unreachable,
        )

    def _siblings(self, head: LaneHead, destination: str) -> list[ReadyRow]:
        """The rows of the head's message that go the same way, the head's among them, the oldest first."""
        own = head.first.domain
        found = self._of_domain(head, own, GROUP_LIMIT)
        if self._hops.many(destination, own):
            found += self._of_other_domains(head, destination, GROUP_LIMIT - len(found))
        return sorted(found, key=lambda each: each.row.id)

    def _of_other_domains(self, head: LaneHead, destination: str, limit: int) -> list[ReadyRow]:
        found: list[ReadyRow] = []
        after = ""
        for _ in range(GROUP_LIMIT):
            domain = ready_rows.next_domain(self._tx, head.content_id, after)
            if domain is None or len(found) >= limit:
                break
            after = domain
            if domain != head.first.domain and self._hop(head.first._replace(domain=domain)) == destination:
                found += self._of_domain(head, domain, limit - len(found))
        return found

    def _of_domain(self, head: LaneHead, domain: str, limit: int) -> list[ReadyRow]:
        found = ready_rows.siblings(self._tx, head, domain, limit)
        held = self._hold([each.row.id for each in found])
        return [each for each in found if each.row.id not in held]

    def _hold(self, row_ids: list[int]) -> set[int]:
        """Those of the rows that a rule holds: they are claimed by nobody before a person has let them go."""
        return hold_rules.hold(self._tx, row_ids, self._now) if self._hops.standing.has_hold_rules else set()

    def _content(self, head: LaneHead) -> bytes | None:
        """A small message's bytes, read on the way; a large one's would keep other writers waiting."""
        if head.content is not None or head.size > SMALL:
            return head.content
        if head.content_id not in self._contents:
            try:
                self._contents[head.content_id] = contents.read(self._tx, head.content_id)
            except KeyError:
                return None
        return self._contents[head.content_id]

    # Putting off

    def _put_off(self, lane: str, domain: str, destination: str, unreachable: Unreachable) -> None:
        rows = ready_rows.waiting(self._tx, lane, domain, MOST_PUT_OFF)
        ids = [
            row_id
            for row_id, sender, submitted_by, waits_for in rows
            if waits_for != destination and self._hops.of(sender or "", submitted_by, domain) == destination
        ]
        until = (self._now + 1, unreachable.until_ts, SPREAD, self._wanted.lifetime)
        self._tx.executemany(_PUT_OFF, [(destination, str(unreachable.reply), *until, row_id) for row_id in ids])
        self.put_off[destination] += len(ids)
        self.more = self.more or len(rows) == MOST_PUT_OFF


_CLAIM = """
    UPDATE outbox SET status = 'sending', ready = 0, waits_for = NULL, lease_token = ?, lease_boot = ?, lease_until = ?
    WHERE id = ?
"""
_PUT_OFF = """
    UPDATE outbox SET ready = 0, waits_for = ?, last_error = ?,
                      next_attempt_ts = max(?, min(? + id % ?, coalesce(queued_ts, 0) + ?))
    WHERE id = ?
"""
