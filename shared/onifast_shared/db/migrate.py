"""Brings a database to this program's schema: numbered files, applied and recorded in one transaction, or not at all.

Whichever program starts first does it, under the writers' turn; the others find it done. Migrations only add, so
programs of two versions can share a database; one that breaks that says so in `OLDEST_COMPATIBLE`. A file that has
landed never changes: its hash is recorded, and a database that was made by another one is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import apsw

from onifast_shared.db import adopt, identity, shape
from onifast_shared.db.errors import DatabaseUnavailable, SchemaDiffers, SchemaTooNew
from onifast_shared.db.turn import Turn

MIGRATIONS = resources.files("onifast_shared.db") / "migrations"

SCHEMA_VERSION = max(int(entry.name[:4]) for entry in MIGRATIONS.iterdir() if entry.name.endswith(".sql"))
"""The newest migration that this program knows: the number of its last file."""

OLDEST_COMPATIBLE = 2
"""The oldest program (by its SCHEMA_VERSION) that can work with a database of SCHEMA_VERSION."""

WAL_ATTEMPTS = 200

MOST_NAMED = 3
"""Differences that a refusal names."""


class Migration(NamedTuple):
    """One of the numbered files."""

    number: int
    name: str
    sql: str
    sha256: str


class Recorded(NamedTuple):
    """A migration as a database remembers it; `sha256` is None where nobody has compared it with its file yet."""

    name: str
    sha256: str | None


def migrate(connect: Callable[[], apsw.Connection], path: Path) -> None:
    """Makes the database at `path` ready for this program, and has it remembered beside it.

    Raises SchemaTooNew for one that is too new, SchemaDiffers for one of another shape, DatabaseRefused for another one
    than was here; none of them is touched.
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
                refuse_unfit(connection, path)
                _apply_missing(connection, path)
                identity.remember(connection, path)
            finally:
                connection.close()
    finally:
        turn.close()


def refuse_unfit(connection: apsw.Connection, path: Path) -> None:
    """Raises SchemaTooNew, SchemaDiffers for a database that `migrate` would refuse; it is not touched."""
    found = recorded(connection)
    if max(found, default=0) > SCHEMA_VERSION:
        _refuse_if_too_old(connection, path)
    known = [each for each in migrations() if each.number in found]
    for each in known:
        was = found[each.number]
        if was.name != each.name or was.sha256 not in {None, each.sha256}:
            raise _differs(path, f"migration {each.number} was {was.name}, in another form than this program's")
    if any(found[each.number].sha256 is None for each in known):
        _refuse_other_shape(connection, path, known)


def _refuse_other_shape(connection: apsw.Connection, path: Path, known: list[Migration]) -> None:
    """Compares the database with what the migrations make that it has recorded."""
    try:
        made = shape.made_by(each.sql for each in known)
    except apsw.SQLError as error:
        raise _differs(path, f"its migrations do not fit together: {error}") from error
    try:
        differences = shape.differences(connection, made)
    finally:
        made.close()
    if differences:
        more = len(differences) - MOST_NAMED
        raise _differs(path, "; ".join(differences[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else ""))


def _differs(path: Path, what: str) -> SchemaDiffers:
    return SchemaDiffers(
        f"database {path} was made by a version in development, and has another schema ({what}); "
        "stop the programs and have it rebuilt with all that is in it: `onifast-mailctl database rebuild`"
    )


def _is_current(connection: apsw.Connection, path: Path) -> bool:
    identity.refuse_another(connection, path)
    refuse_unfit(connection, path)
    found = recorded(connection)
    is_whole = all(each.number in found and found[each.number].sha256 for each in migrations())
    return is_whole and _pragma(connection, "journal_mode") == "wal" and identity.is_settled(connection, path)


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
            if adopt.is_empty(connection):
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
    """Applies what the database has not: two branches of development may have added numbers in any order."""
    found = recorded(connection)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for each in migrations():
            if each.number not in found:
                _apply(connection, each, path, is_new=not found)
        record_hashes(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _apply(connection: apsw.Connection, migration: Migration, path: Path, *, is_new: bool) -> None:
    try:
        connection.execute(migration.sql)
    except apsw.SQLError as error:
        if is_new:
            raise
        raise _differs(path, f"{migration.name} cannot be applied: {error}") from error
    if migration.number == 1:
        adopt.make_usable(connection)
    record(connection, migration)


def record(connection: apsw.Connection, migration: Migration) -> None:
    """Notes that a migration was applied; its hash follows with the others', since 0010 makes the column."""
    connection.execute(
        "INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (?, ?, ?)",
        (migration.number, migration.name, min(migration.number, OLDEST_COMPATIBLE)),
    )


def record_hashes(connection: apsw.Connection) -> None:
    """Records the hashes of all migrations of a database that has just been found, or made, to be what they make."""
    connection.executemany(
        "UPDATE schema_migrations SET sha256 = ? WHERE version = ? AND sha256 IS NULL",
        [(each.sha256, each.number) for each in migrations()],
    )


def recorded(connection: apsw.Connection) -> dict[int, Recorded]:
    """The migrations that a database has, by number; none for one that is empty or the earlier program's."""
    columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(schema_migrations)")}
    if not columns:
        return {}
    hashes = "sha256" if "sha256" in columns else "NULL"
    rows = connection.execute(f"SELECT version, name, {hashes} FROM schema_migrations")
    return {int(str(version)): Recorded(str(name), value and str(value)) for version, name, value in rows}


@cache
def migrations() -> tuple[Migration, ...]:
    """This program's migrations, in their order."""
    names = sorted(entry.name for entry in MIGRATIONS.iterdir() if entry.name.endswith(".sql"))
    texts = [(name, (MIGRATIONS / name).read_bytes()) for name in names]
    return tuple(Migration(int(name[:4]), name, text.decode(), sha256(text).hexdigest()) for name, text in texts)


def _pragma(connection: apsw.Connection, name: str) -> str:
    return str(connection.execute(f"PRAGMA {name}").get)
