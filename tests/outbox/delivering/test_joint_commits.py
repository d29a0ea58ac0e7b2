"""Results that come together are one change of the database, and none of them pays for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from onifast_outbox.delivering.joint_commits import JointCommits, JointTransaction
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.queue.store import DeliveryAttempt, HistoryEntry


@pytest.fixture
def commits(database: Database) -> JointCommits:
    database.write(lambda tx: tx.execute("CREATE TABLE notes (text TEXT NOT NULL)"))
    return JointCommits(database)


def note(text: str | None) -> Callable[[JointTransaction], JointTransaction]:
    """A write that gives the sheet that it was made on."""

    def write(sheet: JointTransaction) -> JointTransaction:
        sheet.tx.execute("INSERT INTO notes VALUES (?)", (text,))
        return sheet

    return write


def notes(database: Database) -> list[str]:
    return database.read(lambda tx: sorted(row[0] for row in tx.execute("SELECT text FROM notes")))


@contextmanager
def writer_held(database: Database) -> Iterator[None]:
    """The writer works on something else meanwhile."""
    begun, may_end = threading.Event(), threading.Event()

    def work(_: Connection) -> None:
        begun.set()
        assert may_end.wait(30)

    holding = threading.Thread(target=database.write, args=(work,))
    holding.start()
    assert begun.wait(30)
    try:
        yield
    finally:
        may_end.set()
        holding.join()


async def test_what_has_gathered_is_one_change(database: Database, commits: JointCommits) -> None:
    with writer_held(database):
        works = [asyncio.ensure_future(commits.write(note(f"{number}"))) for number in range(5)]
        await asyncio.sleep(0)
    sheets = await asyncio.gather(*works)
    assert len({id(sheet) for sheet in sheets}) == 1
    assert notes(database) == ["0", "1", "2", "3", "4"]
    assert await commits.write(note("5")) is not sheets[0]


async def test_one_that_cannot_be_written_fails_alone(database: Database, commits: JointCommits) -> None:
    def wrong(sheet: JointTransaction) -> None:
        sheet.tx.execute("INSERT INTO notes VALUES ('half')")
        raise ValueError("a bug")

    with writer_held(database):
        writes = (note("a"), wrong, note(None), note("b"))
        works = [asyncio.ensure_future(commits.write(each)) for each in writes]
        await asyncio.sleep(0)
    found = await asyncio.gather(*works, return_exceptions=True)
    assert [type(each) for each in found[::3]] == [JointTransaction, JointTransaction]
    assert isinstance(found[1], ValueError) and isinstance(found[2], Exception)
    assert notes(database) == ["a", "b"]


async def test_what_was_handed_over_is_written_though_its_caller_is_cancelled(
    database: Database, commits: JointCommits
) -> None:
    with writer_held(database):
        works = [asyncio.ensure_future(commits.write(note(text))) for text in ("gone", "there")]
        await asyncio.sleep(0)
        works[0].cancel()
        await asyncio.sleep(0)
        assert not works[0].done()  # it waits: what it began is being written
    with pytest.raises(asyncio.CancelledError):
        await works[0]
    await works[1]
    assert notes(database) == ["gone", "there"]


async def test_nobody_waits_for_a_commit_that_was_cancelled_with_him(database: Database, commits: JointCommits) -> None:
    with writer_held(database):
        work = asyncio.ensure_future(commits.write(note("a")))
        await asyncio.sleep(0)
        for task in (work, *commits._commits):
            task.cancel()
        done, _ = await asyncio.wait({work}, timeout=10)
        assert done and work.cancelled()


async def test_nobody_waits_for_a_commit_that_the_end_of_the_loop_cut_off(
    database: Database, commits: JointCommits
) -> None:
    with writer_held(database):
        works = [asyncio.ensure_future(commits.write(note(text))) for text in ("a", "b")]
        await asyncio.sleep(0)
        (commit,) = commits._commits
        await asyncio.sleep(0)
        commit.cancel()
        found = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in found)
    await commits.write(note("c"))
    assert "c" in notes(database)


async def test_a_commit_that_never_began_is_everybodys_trouble(database: Database, commits: JointCommits) -> None:
    database.close()
    works = [commits.write(note(text)) for text in ("a", "b")]
    found = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(each, DatabaseError) for each in found)


async def test_what_is_gathered_for_the_history_goes_with_its_own_write(
    database: Database, commits: JointCommits
) -> None:
    database.write(
        lambda tx: tx.execute("INSERT INTO outbox (id, sender, recipient) VALUES (1, '', ''), (2, '', ''), (3, '', '')")
    )

    def remember(number: int, *, fails: bool = False) -> Callable[[JointTransaction], None]:
        def write(sheet: JointTransaction) -> None:
            sheet.history.append(HistoryEntry(number, DeliveryAttempt(0, number, "delivered")))
            sheet.sent[number] = f"<{number}@x.test>"
            if fails:
                raise ValueError(number)

        return write

    with writer_held(database):
        works = [asyncio.ensure_future(commits.write(remember(number, fails=number == 2))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*works, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]
    for sql in ("SELECT outbox_id FROM delivery_attempts", "SELECT content_id FROM sent_messages"):
        assert database.read(lambda tx, sql=sql: sorted(row[0] for row in tx.execute(sql))) == [1, 3]  # type: ignore[misc]
