"""Between the destinations in memory and the database: reads the limits, tells people the states, and remembers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import destinations as stored
from onifast_shared.queue.destinations import OwnLimits, StoredState

from onifast_outbox.destinations.states import START, Destinations, DestinationStatus, Limits

ROUND_SECONDS = 5.0
"""How often the limits are read and the states are written."""

REPEAT_AFTER = stored.STALE_AFTER / 3
"""Seconds after which it says again what has not changed."""

MOST_TOLD = 1000
"""Destinations whose state is written: the dead first."""


class DestinationPersistence:
    """`clock` is the one that the destinations count on; its offset from the wall clock may change at any time."""

    def __init__(
        self, db: Database, settings: Settings, destinations: Destinations, clock: Callable[[], float]
    ) -> None:
        self._db = db
        self._default = Limits(settings.destination_concurrency, settings.destination_rate)
        self._destinations = destinations
        self._clock = clock
        self._process = str(os.getpid())
        self._told: list[StoredState] = []
        self._told_at = 0.0
        self._is_open = False

    async def round(self) -> None:
        """Reads the limits, and tells the states if they have changed. Raises DatabaseError."""
        if not self._is_open:
            await self._restore()
            self._is_open = True
        own = await self._db.aread(stored.list_limits)
        self._destinations.limit(self._default, {each.destination: self._limits(each) for each in own})
        states, now = self._states(), self._clock()
        if states == self._told and (not states or now - self._told_at < REPEAT_AFTER):
            return
        await self._db.awrite(lambda tx: stored.publish(tx, self._process, states, time.time()))
        self._told, self._told_at = states, now

    async def _restore(self) -> None:
        """Takes over what earlier deliverers knew."""
        offset = time.time() - self._clock()
        for each in await self._db.aread(stored.known_dead):
            if each.dead_since_ts is None:
                continue
            since, probe = each.dead_since_ts - offset, (each.next_probe_ts or 0) - offset
            self._destinations.restore(
                DestinationStatus(each.destination, 0, 1, since, probe, each.last_error), self._clock()
            )

    def _limits(self, own: OwnLimits) -> Limits:
        concurrency = self._default.concurrency if own.concurrency is None else own.concurrency
        return Limits(concurrency, self._default.per_minute if own.per_minute is None else own.per_minute)

    def _states(self) -> list[StoredState]:
        now = self._clock()
        offset = time.time() - now
        worth = [each for each in self._destinations.states(now) if _is_worth_telling(each)]
        worth.sort(key=lambda each: (each.dead_since is None, -each.in_flight))
        return [self._stored(each, offset) for each in worth[:MOST_TOLD]]

    def _stored(self, each: DestinationStatus, offset: float) -> StoredState:
        dead_since = None if each.dead_since is None else round(each.dead_since + offset)
        next_probe = None if each.next_probe is None else round(each.next_probe + offset)
        return StoredState(
            each.name, self._process, each.in_flight, each.concurrency, dead_since, next_probe, each.last_error
        )


def _is_worth_telling(state: DestinationStatus) -> bool:
    return bool(state.in_flight or state.dead_since is not None or state.last_error or state.concurrency != START)
