"""Rebuilds a database in the shape that the migrations give it now, with all that is in it; the old one is kept.

The migrations are applied one by one to a new file. After each, what it has brought is filled from the old database as
far as that has it: so a column that is new is filled by its migration, as in any other upgrade, and one that is not
keeps what was in it. Tables and columns that no migration knows are taken along.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import apsw

from onifast_shared.db import identity, migrate, shape
from onifast_shared.db.connections import connect
from onifast_shared.db.errors import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseRefused,
    DatabaseUnavailable,
    SchemaTooNew,
    translated,
)
from onifast_shared.db.files import file_size

UNTOUCHED = 2
"""The last migration that takes the earlier program's database over; what ours had before it, it has after it."""

ALONE_SECONDS = 1.0
"""For how long to wait until nobody else has the database open."""


class Rebuilt(NamedTuple):
    """What became of it: where the old database lies, how many rows were copied, what was left behind there."""

    kept: Path
    rows: int
    left_behind: list[str]


def rebuild(path: Path, timeout: float) -> Rebuilt:
    """Puts a database of today's shape in the place of the one at `path`.

    Raises DatabaseError: DatabaseRefused for one that is not ours, SchemaTooNew for a newer program's, DatabaseBusy
    where a program has it open, DatabaseUnavailable for rows that do not fit. Then the old one lies where it lay.
    """
    with translated(path):
        identity.refuse_nothing(path, None)
        _refuse_unsuited(path, timeout)
        new = path.with_name(f"{path.name}.rebuilt-{_now()}")
        _make(new, path)
        try:
            return _rebuilt(new, path)
        finally:
            for suffix in ("-journal", ""):
                new.with_name(new.name + suffix).unlink(missing_ok=True)


def _now() -> str:
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime())


def _refuse_unsuited(path: Path, timeout: float) -> None:
    """Raises DatabaseError for a database whose trouble is not its shape."""
    connection = connect(path, timeout)
    try:
        identity.refuse_another(connection, path)
        found = migrate.recorded(connection)
    finally:
        connection.close()
    if UNTOUCHED not in found:
        raise DatabaseRefused(
            f"database {path} is the earlier program's: any of the programs takes it over at its start"
        )
    is_whole = all(each.number in found and found[each.number].sha256 == each.sha256 for each in migrate.migrations())
    if is_whole and max(found) > migrate.SCHEMA_VERSION:
        raise SchemaTooNew(
            f"database {path} is a newer program's, which may rebuild it; this one would lose what is new"
        )


def _make(new: Path, old: Path) -> None:
    """Makes an empty file with the old one's owner and mode, where there is room for its content."""
    size = file_size(old) + file_size(old.with_name(old.name + "-wal"))
    if shutil.disk_usage(old.parent).free < size:
        raise DatabaseFull(f"no room for {new}, which takes up to {size} bytes")
    found = old.stat()
    fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(fd, found.st_mode & 0o777)
        if os.geteuid() == 0:
            os.fchown(fd, found.st_uid, found.st_gid)
    finally:
        os.close(fd)


def _rebuilt(new: Path, path: Path) -> Rebuilt:
    connection = connect(new, ALONE_SECONDS)
    try:
        _attach_alone(connection, path)
        connection.execute("BEGIN EXCLUSIVE")
        filling = _Filling(connection)
        rows = filling.run()
        connection.execute("COMMIT")
        return Rebuilt(_exchange(new, path), rows, filling.left_behind())
    except apsw.ConstraintError as error:
        raise DatabaseUnavailable(f"database {path} has rows that do not fit today's tables: {error}") from error
    finally:
        connection.close()


def _attach_alone(connection: apsw.Connection, path: Path) -> None:
    """Attaches the old database as `earlier`; nobody else has it open, nor can until the connection is closed.

    It is without a WAL from now on: one that stayed at its path would be taken for that of the new one.
    """
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("ATTACH ? AS earlier", (str(path),))
    try:
        connection.execute("PRAGMA earlier.locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA earlier.journal_mode=DELETE")
    except apsw.BusyError:
        raise DatabaseBusy(f"database {path} is open in another program: stop the programs first") from None


def _exchange(new: Path, path: Path) -> Path:
    """Puts the new file in the old one's place atomically; gives the old one's name."""
    kept = path.with_name(f"{path.name}.before-rebuild-{_now()}")
    kept.hardlink_to(path)
    new.replace(path)
    identity.sync_directory(path.parent)
    return kept


class _Filling:
    """Fills `main`, which is empty, from `earlier`, in one transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tables = _tables(connection, "earlier")
        self._filled: dict[str, set[str]] = {}
        self._known, self._columns = _known()
        self._unknown = [name for name in self._tables if name not in self._known]

    def run(self) -> int:
        """Does it all; gives the number of rows."""
        rows = 0
        for each in migrate.migrations():
            self._connection.execute(each.sql)
            migrate.record(self._connection, each)
            if each.number == UNTOUCHED:
                self._make_unknown_tables()
            if each.number >= UNTOUCHED:
                rows += self._fill_what_is_new()
        self._make_unknown("index", "trigger")
        self._keep_sequences()
        migrate.record_hashes(self._connection)
        return rows

    def left_behind(self) -> list[str]:
        """Indexes, triggers and views that no migration knows: an earlier version's, or an administrator's."""
        rows = self._connection.execute(
            "SELECT type, name FROM earlier.sqlite_master WHERE type <> 'table' AND sql IS NOT NULL"
            " AND lower(name) NOT IN (SELECT lower(name) FROM main.sqlite_master) ORDER BY type, name"
        )
        return [f"{kind} {name}" for kind, name in rows if str(name).lower() not in self._known]

    def _make_unknown_tables(self) -> None:
        statements = [self._tables[name].sql for name in self._unknown if self._tables[name].kind != "shadow"]
        for sql in statements:
            self._connection.execute(sql)

    def _make_unknown(self, *kinds: str) -> None:
        for kind in kinds:
            rows = self._connection.execute(
                "SELECT lower(tbl_name), sql FROM earlier.sqlite_master WHERE type = ? AND sql IS NOT NULL", (kind,)
            ).fetchall()
            for table, sql in rows:
                if table in self._unknown:
                    self._connection.execute(str(sql))

    def _add_unknown_columns(self, name: str, columns: dict[str, _Column]) -> None:
        """Adds what a table had beside its columns. Whoever does not know of it leaves it empty."""
        for each, column in columns.items():
            if each not in self._columns.get(name, columns) and not column.is_generated:
                self._connection.execute(
                    f"ALTER TABLE main.{_quoted(name)} ADD COLUMN {_quoted(column.name)} {column.type}"
                )

    def _fill_what_is_new(self) -> int:
        """Fills the tables and columns of `main` that have not been; gives the number of rows in the tables."""
        rows = 0
        # What triggers would do has been done.
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        for name in self._common():
            columns = _columns(self._connection, "earlier", name)
            if name not in self._filled:
                self._add_unknown_columns(name, columns)
            present = _columns(self._connection, "main", name)
            common = {each for each, column in present.items() if each in columns and not column.is_generated}
            if name not in self._filled:
                rows += self._fill_table(name, [present[each] for each in present if each in common])
            elif (new := common - self._filled[name]) and self._can_be_told_apart(name, columns):
                self._fill_columns(name, [present[each] for each in present if each in new])
            self._filled[name] = common
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)
        return rows

    def _common(self) -> list[str]:
        """The tables that both databases have and that hold rows of their own."""
        return [
            name
            for name, table in _tables(self._connection, "main").items()
            if table.kind != "virtual" and name in self._tables and name != "schema_migrations"
        ]

    def _fill_table(self, name: str, columns: list[_Column]) -> int:
        table = _quoted(name)
        names = [_quoted(column.name) for column in columns]
        values = [_value(column) for column in columns]
        if self._key(name) == [_ROWID]:
            names, values = [_ROWID, *names], [_ROWID, *values]
        self._connection.execute(f"DELETE FROM main.{table}")
        self._connection.execute(
            f"INSERT INTO main.{table} ({', '.join(names)}) SELECT {', '.join(values)} FROM earlier.{table}"
        )
        return self._connection.changes()

    def _fill_columns(self, name: str, columns: list[_Column]) -> None:
        table = _quoted(name)
        changes = ", ".join(f"{_quoted(each.name)} = {_value(each, 'old.')}" for each in columns)
        same = " AND ".join(f"old.{key} = new.{key}" for key in self._key(name))
        self._connection.execute(f"UPDATE main.{table} AS new SET {changes} FROM earlier.{table} AS old WHERE {same}")

    def _key(self, name: str) -> list[str]:
        """What tells a table's rows apart in both databases."""
        columns = _columns(self._connection, "main", name)
        keys = [column for column in columns.values() if column.is_key]
        has_rowid = _tables(self._connection, "main")[name].has_rowid and self._tables[name].has_rowid
        if has_rowid and [key.type.upper() for key in keys] != ["INTEGER"] and _ROWID not in columns:
            return [_ROWID]
        return [_quoted(key.name) for key in keys]

    def _can_be_told_apart(self, name: str, columns: dict[str, _Column]) -> bool:
        return all(key == _ROWID or key.strip('"').lower() in columns for key in self._key(name))

    def _keep_sequences(self) -> None:
        """Has no id given again that a deleted row had."""
        self._connection.execute(
            """
            DELETE FROM main.sqlite_sequence WHERE name IN (SELECT name FROM earlier.sqlite_sequence);
            INSERT INTO main.sqlite_sequence (name, seq)
            SELECT name, max(seq) FROM earlier.sqlite_sequence
            WHERE name IN (SELECT name FROM main.sqlite_master WHERE type = 'table') GROUP BY name
            """
        )


class _Table(NamedTuple):
    kind: str  # table, virtual, shadow
    has_rowid: bool
    sql: str


class _Column(NamedTuple):
    name: str
    type: str
    is_required: bool
    default: str | None
    is_key: bool
    is_generated: bool


_ROWID = "rowid"


def _known() -> tuple[set[str], dict[str, set[str]]]:
    """What any migration makes, even if a later one drops it again; and the columns of each table in the end."""
    names: set[str] = set()
    made = shape.made_by([])
    for each in migrate.migrations():
        made.execute(each.sql)
        names |= {str(name) for (name,) in made.execute("SELECT lower(name) FROM sqlite_master")}
    columns = {name: set(_columns(made, "main", name)) for name in _tables(made, "main")}
    made.close()
    return names, columns


def _tables(connection: apsw.Connection, schema: str) -> dict[str, _Table]:
    """All tables but SQLite's own, by name; a virtual one before those that it makes itself."""
    rows = connection.execute(
        f"""
        SELECT lower(list.name), list.type, list.wr, made.sql
        FROM pragma_table_list AS list JOIN {schema}.sqlite_master AS made ON made.name = list.name
        WHERE list.schema = ? AND made.type = 'table' AND list.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        ORDER BY list.type = 'virtual' DESC, made.rowid
        """,
        (schema,),
    )
    return {str(name): _Table(str(kind), not without, str(sql)) for name, kind, without, sql in rows}


def _columns(connection: apsw.Connection, schema: str, table: str) -> dict[str, _Column]:
    rows = connection.execute(f"PRAGMA {schema}.table_xinfo({_quoted(table)})")
    return {
        str(name).lower(): _Column(
            str(name), str(kind), bool(required), None if default is None else str(default), bool(key), hidden in (2, 3)
        )
        for _, name, kind, required, default, key, hidden in rows
    }


def _value(column: _Column, of: str = "") -> str:
    """What a column is filled with: an old table may have let it be NULL."""
    name = of + _quoted(column.name)
    return f"coalesce({name}, ({column.default}))" if column.is_required and column.default is not None else name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
