"""What the deliverer tells of its destinations, takes over from earlier ones, and reads of their limits."""

from __future__ import annotations

import time

from onifast_outbox.destinations.persistence import DestinationPersistence
from onifast_outbox.destinations.states import DEAD_AFTER, Destinations, Feedback, Limits
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import destinations as stored
from onifast_shared.queue.destinations import OwnLimits, StoredState

BOOT = 1000.0


def known() -> Destinations:
    return Destinations(Limits(), 60.0)


def desk(settings: Settings, db: Database, destinations: Destinations) -> DestinationPersistence:
    return DestinationPersistence(db, settings, destinations, lambda: BOOT)


def states(db: Database) -> list[StoredState]:
    return db.read(lambda tx: stored.list_states(tx, time.time()))


async def test_states_are_told_and_an_idle_deliverer_writes_nothing(settings: Settings, database: Database) -> None:
    destinations = known()
    telling = desk(settings, database, destinations)
    before = database.data_version()
    await telling.round()
    assert database.data_version() == before
    destinations.begin("remote.test", BOOT)
    await telling.round()
    assert [(each.destination, each.in_flight, each.concurrency) for each in states(database)] == [
        ("remote.test", 1, 5)
    ]
    after = database.data_version()
    await telling.round()
    assert database.data_version() == after


async def test_the_next_deliverer_knows_what_is_dead(settings: Settings, database: Database) -> None:
    first, second = known(), known()
    for _ in range(DEAD_AFTER):
        first.begin("dead.test", BOOT)
        first.end("dead.test", Feedback.SILENT, "no answer", BOOT)
    await desk(settings, database, first).round()
    await desk(settings, database, second).round()
    dead = second.allowance("dead.test", BOOT).dead
    assert dead is not None
    assert (dead.last_error, round(dead.next_probe or 0)) == ("no answer", round(BOOT + 60))


async def test_limits_of_its_own_count_and_end(settings: Settings, database: Database) -> None:
    destinations = known()
    telling = desk(settings, database, destinations)
    database.write(lambda tx: stored.set_limits(tx, OwnLimits("small.test", concurrency=1)))
    await telling.round()
    assert destinations.allowance("small.test", BOOT).free == 1
    database.write(lambda tx: stored.clear_limits(tx, "small.test"))
    await telling.round()
    assert destinations.allowance("small.test", BOOT).free == 5
