"""The deliverer wakes at a commit of another process, and sleeps when there is none."""

from __future__ import annotations

import asyncio
import time

import sqlite_shell
from onifast_outbox.poller import LOOKS, Poller, Wakeup
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseBusy
from onifast_shared.machine.config import Settings

INSERT = "INSERT INTO outbox (status) VALUES ('held')"


def test_the_looks_cover_what_a_commit_takes() -> None:
    assert LOOKS == (0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)


async def test_every_commit_of_another_process_wakes(settings: Settings, database: Database) -> None:
    wakeup = Wakeup(interval=30)
    async with Poller(settings.database, database.data_version, [wakeup]).watching():
        await wakeup.wait(0.5)
        for _ in range(20):
            began = time.monotonic()
            waiting = asyncio.create_task(wakeup.wait())
            await asyncio.to_thread(sqlite_shell.run, settings.database, INSERT)
            await waiting
            assert time.monotonic() - began < 5
            await wakeup.wait(0.2)  # further looks at the same commit


async def test_commits_that_come_together_are_all_seen(settings: Settings, database: Database) -> None:
    wakeup = Wakeup(interval=30)
    async with Poller(settings.database, database.data_version, [wakeup]).watching():
        await asyncio.to_thread(sqlite_shell.run, settings.database, ";\n".join([INSERT] * 200))
        count = ""
        while count != "200":
            await wakeup.wait()
            count = str(database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get))


async def test_our_own_commits_wake_every_loop(settings: Settings, database: Database) -> None:
    first, second = Wakeup(interval=30), Wakeup(interval=30)
    async with Poller(settings.database, database.data_version, [first, second]).watching():
        await database.awrite(lambda tx: tx.execute(INSERT))
        await asyncio.gather(first.wait(), second.wait())


async def test_an_idle_database_wakes_nobody(settings: Settings, database: Database) -> None:
    looked = 0

    def version() -> int:
        nonlocal looked
        looked += 1
        return database.data_version()

    wakeup = Wakeup(interval=30)
    async with Poller(settings.database, version, [wakeup]).watching():
        await database.aread(lambda tx: tx.execute("SELECT count(*) FROM outbox").get)
        (settings.config_dir / "onifast-mail.toml").write_text("")  # a file beside it is no commit
        began = time.monotonic()
        await wakeup.wait(0.3)
        assert time.monotonic() - began >= 0.3
    assert looked == 0


async def test_a_loop_that_rests_is_woken_once_for_many_commits() -> None:
    wakeup = Wakeup(interval=30, rest=0.2)
    wakeup.wake()
    await wakeup.wait()
    began = time.monotonic()
    wakeup.wake()
    await wakeup.wait()
    assert time.monotonic() - began >= 0.19


async def test_a_wake_before_the_wait_is_not_lost() -> None:
    wakeup = Wakeup(interval=30)
    wakeup.wake()
    await wakeup.wait()


async def test_the_wait_ends_at_the_next_due_time_or_at_the_tick() -> None:
    began = time.monotonic()
    await Wakeup(interval=30).wait(0.05)
    await Wakeup(interval=0.05).wait(30)
    await Wakeup(interval=30).wait(-5)
    assert time.monotonic() - began < 5


async def test_a_database_that_cannot_be_looked_at_does_not_end_the_watch(
    settings: Settings, database: Database
) -> None:
    troubles = 2

    def version() -> int:
        nonlocal troubles
        if troubles:
            troubles -= 1
            raise DatabaseBusy("locked")
        return database.data_version()

    wakeup = Wakeup(interval=30)
    async with Poller(settings.database, version, [wakeup]).watching():
        await database.awrite(lambda tx: tx.execute(INSERT))
        await wakeup.wait()
    assert troubles == 0
