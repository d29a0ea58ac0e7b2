"""The WAL under readers that hold on: it grows, who is in the way is named, and what grew is given back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.db import checkpointer, connections, keeper, long_readers, troubles
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.files import Files

PATIENCE = 60.0
LIMIT = 1024 * 1024
GROWN = 4 * LIMIT


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def reader(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program of somebody else, in the middle of a read transaction."""
    command = [*sqlite_shell.COMMAND, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("BEGIN;\nSELECT count(*) FROM mail_config;\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A WAL is large, and a reader slow, sooner than in a program."""
    for module in (checkpointer, connections, keeper):
        monkeypatch.setattr(module, "WAL_LIMIT", LIMIT)
    monkeypatch.setattr(checkpointer, "FULL_CHECKPOINT_PAGES", 10)
    monkeypatch.setattr(long_readers, "WARN_SECONDS", 0.1)
    monkeypatch.setattr(long_readers, "LOOKS", 2)


@pytest.fixture
def grown(small_limits: None, database: Database) -> Iterator[Database]:
    """A database of this process, opened with small limits."""
    with closing(Database.open(database.path, timeout=10)) as opened:
        yield opened


def wal_size(database: Database) -> int:
    return database.sizes()[1]


def grow(database: Database) -> None:
    row = "INSERT INTO mail_config (key, value) VALUES (hex(randomblob(8)), zeroblob(262144))"
    while wal_size(database) < GROWN:
        database.write(lambda tx: tx.execute(row))


def kinds(database: Database) -> list[str]:
    return [each.kind for each in troubles.present(database.path)]


def test_a_wal_that_grew_under_a_reader_is_given_back_when_he_ends_though_nobody_writes(grown: Database) -> None:
    with reader(grown.path) as process:
        grow(grown)
        assert process.stdin is not None
        process.stdin.close()
    eventually(lambda: wal_size(grown) <= LIMIT)


def test_who_holds_on_is_named_until_he_lets_go(grown: Database) -> None:
    with reader(grown.path) as process:
        grow(grown)
        eventually(lambda: kinds(grown) == [troubles.LONG_READER])
        (trouble,) = troubles.present(grown.path)
        assert f"process {process.pid} ({sqlite_shell.COMMAND[0]} " in trouble.text
        assert process.stdin is not None
        process.stdin.close()
    eventually(lambda: kinds(grown) == [])


def test_a_read_of_ones_own_is_named_as_well(grown: Database) -> None:
    def hold(tx: Connection) -> None:
        tx.execute("SELECT count(*) FROM mail_config").fetchone()
        grow(grown)
        eventually(lambda: kinds(grown) == [troubles.LONG_READER])

    grown.read(hold)
    eventually(lambda: kinds(grown) == [])


def test_holders_are_told_from_who_only_has_the_database_open(database: Database) -> None:
    shm = Files.at(database.path).shm
    assert shm is not None
    assert long_readers.holders(shm) == []
    with reader(database.path) as process:
        (holder,) = long_readers.holders(shm) or []
        assert (holder.pid, holder.name.split(" ")[0]) == (process.pid, sqlite_shell.COMMAND[0])
        assert process.stdin is not None
        process.stdin.close()
    assert long_readers.holders(shm) == []
