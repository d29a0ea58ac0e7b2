"""Panel users with something in every table that names one, for the tests of who is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import deleting, moving
from onifast_shared.machine.config import Settings

NAMING = re.compile(r"(^|_)(owner|user|username|login|account|customer|member|principal|lane)$|_by$")
"""What columns are called that may name a user."""

_VALUES = {"INTEGER": 1, "REAL": 1.0, "TEXT": "x", "BLOB": b"x"}


def tables(tx: Connection) -> list[str]:
    """The tables of the schema, but for the search index and SQLite's own."""
    others = ("mail_search*", "mail_words*", "sqlite*")
    sql = f"SELECT name FROM sqlite_master WHERE type = 'table'{' AND name NOT GLOB ?' * len(others)}"
    return [str(row[0]) for row in tx.execute(sql, others)]


def columns(tx: Connection, table: str) -> list[tuple[str, str, bool, bool]]:
    """Name, type, whether it must be given a value, and whether it numbers the rows."""
    sql = 'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)'
    found: list[tuple[Any, ...]] = tx.execute(sql, (table,)).fetchall()
    return [
        (name, kind, bool((must or pk) and default is None), bool(pk and kind == "INTEGER"))
        for name, kind, must, default, pk in found
    ]


def naming_columns(tx: Connection) -> Iterator[tuple[str, str]]:
    """Every column of the schema that looks as if it named a user; where a table has scopes, `name` does."""
    for table in tables(tx):
        names = [name for name, *_ in columns(tx, table)]
        for name in names:
            if NAMING.search(name) or (name == "name" and "scope" in names):
                yield table, name


def give(tx: Connection, table: str, **values: Any) -> None:
    """A row of a table with these values, and with something in all else that has to be there."""
    row: dict[str, Any] = {
        name: _VALUES[kind]
        for name, kind, must, numbers in columns(tx, table)
        if must and not numbers and name not in values
    } | values
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    tx.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


def mentions(tx: Connection, username: str) -> set[tuple[str, str]]:
    """Every column in which a user's name stands, alone or as who submitted something."""
    found = set()
    for table in tables(tx):
        for name, *_ in columns(tx, table):
            sql = f'SELECT 1 FROM {table} WHERE "{name}" IN (?, ?) LIMIT 1'
            if tx.execute(sql, (username, f"user:{username}")).fetchone():
                found.add((table, name))
    return found


def dump(tx: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    return {table: sorted(tx.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables(tx)}


def add_file(settings: Settings, *names: str) -> None:
    """Makes panel users."""
    for name in names:
        (settings.users_dir / f"{name}.json").write_text('{"password": "$2b$04$x"}')


def settle(database: Database) -> None:
    """Carries everything that was begun to its end, as outbox does."""
    moving.finish(database)
    deleting.finish(database)
