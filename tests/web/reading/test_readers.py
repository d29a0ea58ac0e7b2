"""Whom a reader knows is found out once, and anew when they know others."""

from __future__ import annotations

import dataclasses

import sqlite_shell
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_web.reading.impostors import Reader, Readers

KNOWN = """
    INSERT INTO correspondents (owner, address, domain, name, known_ts, last_ts)
    VALUES ('demo', 'bob@remote.test', 'remote.test', 'Bob', 1, 1);
"""


def of(readers: Readers, database: Database, owner: str | None = "demo") -> Reader:
    return database.read(lambda tx: readers.of(tx, owner))


def test_a_reader_is_kept_until_they_know_others(database: Database, settings: Settings) -> None:
    readers = Readers(settings)
    first = of(readers, database)
    assert of(readers, database) is first and not first.people
    sqlite_shell.run(database.path, KNOWN)
    second = of(readers, database)
    assert second is not first and list(second.people) == ["bob@remote.test"]
    sqlite_shell.run(database.path, "UPDATE correspondents SET last_ts = 5;")
    assert of(readers, database) is second


def test_an_address_of_theirs_makes_another_reader(database: Database, settings: Settings) -> None:
    readers = Readers(settings)
    before = of(readers, database)
    sqlite_shell.run(database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('x@new.test', 'demo');")
    assert "new.test" in of(readers, database).own - before.own


def test_each_owner_has_a_reader_and_only_some_are_kept(database: Database, settings: Settings) -> None:
    readers = Readers(settings)
    first = of(readers, database)
    assert of(readers, database, "maria") is not first and not of(readers, database, None).own
    for number in range(Readers.MOST):
        of(readers, database, f"user{number}")
    assert of(readers, database) is not first


def test_other_settings_make_other_readers(database: Database, settings: Settings) -> None:
    other = Readers(dataclasses.replace(settings, well_known_domains=("bank.test",)))
    assert "bank.test" in of(other, database).everybodys - of(Readers(settings), database).everybodys
