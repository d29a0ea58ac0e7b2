"""The deliveries under way: how many more may begin, and how much memory their messages take."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from onifast_shared.queue.claims import SMALL
from onifast_shared.queue.store import Claim
from onifast_shared.values.reply import Outcome

SLOW_AFTER = 5.0
"""Seconds after which a delivery is slow: it mostly waits for its server, and its place is free for another one."""

SLOW_SHARE = 10
"""How many slow deliveries there may be for each place; beyond that they keep theirs."""

GIVE_BACK_SECONDS = 10.0
"""How long an end waits for claims to be given back; after that their leases run out."""

UNPROVEN_SHARE = 0.75
"""The share of the places that destinations may take of which nobody knows whether they answer."""


@dataclass
class RunningDelivery:
    """One delivery. `is_slow` once it gave its place away."""

    claim: Claim
    is_proven: bool
    is_slow: bool = False


class RunningDeliveries:
    """Deliveries of one process. `on_room` is called when there may be room for more."""

    def __init__(self, places: int, octets: int, on_room: Callable[[], None]) -> None:
        self._places = places
        self._octets = octets
        self._on_room = on_room
        self._running: dict[asyncio.Task[Sequence[Outcome]], RunningDelivery] = {}
        self._burdens: Counter[int] = Counter()
        self._sizes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._running)

    def room(self) -> int:
        """How many deliveries may begin."""
        return max(0, self._places - sum(not each.is_slow for each in self._running.values()))

    def room_for_unproven(self) -> int:
        """How many of them to destinations that have not proved yet that they answer."""
        most = max(1, int(self._places * UNPROVEN_SHARE))
        return max(0, most - sum(not (each.is_slow or each.is_proven) for each in self._running.values()))

    def octets(self) -> int:
        """Room for messages that are not small."""
        return self._octets - sum(self._sizes.values())

    def held(self) -> list[int]:
        """The contents of such messages that are in memory: another delivery of them takes no more."""
        return list(self._sizes)

    def start(
        self,
        delivery: RunningDelivery,
        work: Coroutine[None, None, Sequence[Outcome]],
        on_end: Callable[[Claim, Sequence[Outcome]], None],
    ) -> None:
        """Begins a delivery; `on_end` gets the recipients' outcomes."""
        claim = delivery.claim
        task = asyncio.create_task(work)
        self._running[task] = delivery
        if claim.size > SMALL:
            self._burdens[claim.content_id] += 1
            self._sizes[claim.content_id] = claim.size
        timer = asyncio.get_running_loop().call_later(SLOW_AFTER, self._grow_slow, delivery)

        def end(done: asyncio.Task[Sequence[Outcome]]) -> None:
            timer.cancel()
            self._remove(done, claim)
            error = None if done.cancelled() else done.exception()
            on_end(claim, () if done.cancelled() or error else done.result())
            self._on_room()
            if error:
                # A bug of ours: its place is free all the same, and the lease brings the rows back.
                done.get_loop().call_exception_handler({"message": "a delivery failed", "exception": error})

        task.add_done_callback(end)

    async def finish(self, limit: float) -> int:
        """Waits at most `limit` seconds for what is in flight, then ends the rest; how many that were."""
        if not self._running:
            return 0
        _, late = await asyncio.wait(self._running, timeout=limit)
        for task in late:
            task.cancel()
        if late:
            # They write down that they give their claims back, which takes a commit.
            await asyncio.wait(late, timeout=max(limit, GIVE_BACK_SECONDS))
        return len(late)

    def _grow_slow(self, delivery: RunningDelivery) -> None:
        if sum(each.is_slow for each in self._running.values()) < SLOW_SHARE * self._places:
            delivery.is_slow = True
            self._on_room()

    def _remove(self, task: asyncio.Task[Sequence[Outcome]], claim: Claim) -> None:
        del self._running[task]
        if claim.size > SMALL:
            self._burdens[claim.content_id] -= 1
            if not self._burdens[claim.content_id]:
                del self._burdens[claim.content_id], self._sizes[claim.content_id]
