"""Brings a database to this program's schema: numbered files, each applied and recorded in a transaction of its own.

Whichever program starts first does it, under the writers' turn; the others find it done. Migrations only add, so
programs of two versions can share a database; one that breaks that says so in `OLDEST_COMPATIBLE`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import apsw

from onifast_shared.db import adopt, identity
from onifast_shared.db.errors import DatabaseUnavailable, SchemaTooNew
from onifast_shared.db.turn import Turn

MIGRATIONS = resources.files("onifast_shared.db") / "migrations"

SCHEMA_VERSION = max(int(entry.name[:4]) for entry in MIGRATIONS.iterdir() if entry.name.endswith(".sql"))
"""The newest migration that this program knows: the number of its last file."""

OLDEST_COMPATIBLE = 2
"""The oldest program (by its SCHEMA_VERSION) that can work with a database of SCHEMA_VERSION."""

WAL_ATTEMPTS = 200


def migrate(connect: Callable[[], apsw.Connection], path: Path) -> None:
    """Makes the database at `path` ready for this program, and has it remembered beside it.

    Raises SchemaTooNew for one that is too new, DatabaseRefused for another one than was here; neither is touched.
    """
    connection = connect()
    try:
        if _is_current(connection, path):
            return
    finally:
        connection.close()
    turn = Turn(path)
    try:
        with turn.taken():
            _set_up(connect)
            connection = connect()
            try:
                identity.refuse_another(connection, path)
                _apply_missing(connection, path)
                identity.remember(connection, path)
            finally:
                connection.close()
    finally:
        turn.close()


def _is_current(connection: apsw.Connection, path: Path) -> bool:
    identity.refuse_another(connection, path)
    version = _version(connection)
    if version > SCHEMA_VERSION:
        _refuse_if_too_old(connection, path)
    is_newest = version >= SCHEMA_VERSION and _pragma(connection, "journal_mode") == "wal"
    return is_newest and identity.is_settled(connection, path)


def _refuse_if_too_old(connection: apsw.Connection, path: Path) -> None:
    row = connection.execute("SELECT max(oldest_compatible) FROM schema_migrations").fetchone()
    oldest = int(row[0]) if row and row[0] is not None else 0
    if oldest > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"database {path} needs a program with schema version {oldest} or newer; "
            f"this program has {SCHEMA_VERSION}: upgrade it"
        )


def _set_up(connect: Callable[[], apsw.Connection]) -> None:
    """Sets what cannot be changed later, then WAL mode.

    Another program's first look can make the switch to WAL fail at once, whatever the busy timeout: reopen and retry.
    """
    for attempt in range(WAL_ATTEMPTS):
        connection = connect()
        try:
            if _version(connection) == 0 and adopt.is_empty(connection):
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            if _pragma(connection, "journal_mode=WAL") == "wal":
                return
            raise DatabaseUnavailable("the database's file system cannot hold a WAL")
        except apsw.BusyError:
            time.sleep(min(0.001 * 2**attempt, 0.1))
        finally:
            connection.close()
    raise apsw.BusyError("switching to WAL")


def _apply_missing(connection: apsw.Connection, path: Path) -> None:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        _refuse_if_too_old(connection, path)
    for number, name, sql in _files():
        if number > version:
            _apply(connection, number, name, sql)


def _apply(connection: apsw.Connection, number: int, name: str, sql: str) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(sql)
        if number == 1:
            adopt.make_usable(connection)
        connection.execute(
            "INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (?, ?, ?)",
            (number, name, min(number, OLDEST_COMPATIBLE)),
        )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _files() -> list[tuple[int, str, str]]:
    names = sorted(entry.name for entry in MIGRATIONS.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), name, (MIGRATIONS / name).read_text("utf-8")) for name in names]


def _version(connection: apsw.Connection) -> int:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone() is None:
        return 0
    return int(connection.execute("SELECT max(version) FROM schema_migrations").get or 0)


def _pragma(connection: apsw.Connection, name: str) -> str:
    return str(connection.execute(f"PRAGMA {name}").get)
