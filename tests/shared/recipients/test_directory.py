"""The directory's answers: kept while nothing changes, read anew after every change, whoever made it."""

from __future__ import annotations

import asyncio

import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.recipients import directory as directory_module
from onifast_shared.recipients.directory import CachedDirectory


@pytest.fixture
def directory(database: Database) -> CachedDirectory:
    return CachedDirectory(database)


class Question:
    """Counts the owner's addresses, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, tx: Connection) -> int:
        self.asked += 1
        return int(tx.execute("SELECT count(*) FROM mail_addresses").get)


async def test_an_answer_is_kept_while_only_mail_comes_in(database: Database, directory: CachedDirectory) -> None:
    question = Question()
    assert await directory.ask("count", question) == 0
    await database.awrite(lambda tx: tx.execute("INSERT INTO emails (recipient) VALUES ('x@y.test')"))
    assert await directory.ask("count", question) == 0
    assert question.asked == 1


async def test_what_one_turn_of_the_loop_asks_takes_one_look(database: Database, directory: CachedDirectory) -> None:
    question = Question()
    for _ in range(2):
        assert await directory.ask("count", question) == 0
    sqlite_shell.run(database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('b@x.test', 'b')")
    assert await directory.ask("count", question) == 0
    await asyncio.sleep(0)
    assert await directory.ask("count", question) == 1


CHANGES = [
    "INSERT INTO mail_addresses (address, owner) VALUES ('b@x.test', 'b')",
    "UPDATE mail_addresses SET owner = 'b'",
    "DELETE FROM mail_addresses",
    "INSERT OR REPLACE INTO domains (domain, owner) VALUES ('x.test', 'b')",
    "UPDATE domains SET owner = 'b'",
    "DELETE FROM domains",
    "INSERT INTO domain_aliases (alias, domain) VALUES ('z.test', 'x.test')",
    "UPDATE domain_aliases SET domain = 'w.test'",
    "DELETE FROM domain_aliases",
    "INSERT INTO mail_forwards (address, target) VALUES ('c@x.test', 'd@x.test')",
    "UPDATE mail_forwards SET target = 'e@x.test'",
    "DELETE FROM mail_forwards",
    "INSERT INTO mail_quotas (scope, name, bytes) VALUES ('owner', 'b', 1)",
    "UPDATE mail_quotas SET bytes = 2",
    "DELETE FROM mail_quotas",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_what_another_program_changes_counts_at_once(
    database: Database, directory: CachedDirectory, change: str
) -> None:
    sqlite_shell.run(
        database.path,
        "INSERT INTO mail_addresses (address, owner) VALUES ('a@x.test', 'a');"
        "INSERT INTO domain_aliases (alias, domain) VALUES ('y.test', 'x.test');"
        "INSERT INTO mail_forwards (address, target) VALUES ('a@x.test', 'b@x.test');"
        "INSERT INTO mail_quotas (scope, name, bytes) VALUES ('owner', 'a', 1);",
    )
    question = Question()
    await directory.ask("count", question)
    sqlite_shell.run(database.path, f"{change};")
    await directory.ask("count", question)
    assert question.asked == 2


async def test_a_stranger_cannot_make_us_keep_without_end(
    directory: CachedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "MOST_KEPT", 3)
    question = Question()
    for number in range(5):
        await directory.ask(number, question)
    await directory.ask(0, question)
    assert question.asked == 6
    await directory.ask(4, question)
    assert question.asked == 6
