"""Rows that refer to rows which are not there: what foreign keys forbid, and who writes without them leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.fsck.kinds import STEP, FsckProblem, FsckTools

NAME = "foreign-rows"

_OTHERWISE = {("emails", "content_id"), ("outbox", "content_id")}
"""What `stored.incomplete` looks at: a row of the queue without content would be taken for a script's, and be sent."""


@dataclass(frozen=True)
class _Reference:
    table: str
    parent: str
    columns: tuple[tuple[str, str], ...]
    on_delete: str

    @property
    def broken(self) -> str:
        """The condition of rows `c` whose parent is not there."""
        named = " AND ".join(f'c."{ours}" IS NOT NULL' for ours, _ in self.columns)
        same = " AND ".join(f'p."{theirs}" = c."{ours}"' for ours, theirs in self.columns)
        return f'{named} AND NOT EXISTS (SELECT 1 FROM "{self.parent}" p WHERE {same})'


def look(tools: FsckTools) -> Iterator[FsckProblem]:
    """Each row that refers to nothing, by table."""
    for reference in tools.db.read(lambda tx: list(_references(tx))):
        key = tools.db.read(partial(_key, table=reference.table))
        after: tuple[SqlValue, ...] | None = None
        while True:
            rows, after = tools.db.read(partial(_broken, reference=reference, key=key, after=after))
            for values in rows:
                where = f"{reference.table} {', '.join(str(each) for each in values)}"
                text = f"it refers to {reference.parent}, where there is no such row"
                yield FsckProblem(NAME, where, text, partial(_mend, tools, reference, key, values))
            if after is None:
                break


def _references(tx: Connection) -> Iterator[_Reference]:
    tables = [str(row[0]) for row in tx.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    for table in tables:
        found: dict[int, list[tuple[Any, ...]]] = {}
        for row in tx.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,)):
            found.setdefault(int(str(row[0])), []).append(row)
        for rows in found.values():
            parent = str(rows[0][2])
            keys = _key(tx, parent)
            columns = tuple((str(row[3]), str(row[4] or keys[index])) for index, row in enumerate(rows))
            if (table, columns[0][0]) not in _OTHERWISE:
                yield _Reference(table, parent, columns, str(rows[0][6]))


def _key(tx: Connection, table: str) -> tuple[str, ...]:
    """The columns that tell a table's rows apart."""
    sql = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
    return tuple(str(row[0]) for row in tx.execute(sql, (table,))) or ("rowid",)


def _broken(
    tx: Connection, reference: _Reference, key: tuple[str, ...], after: tuple[SqlValue, ...] | None
) -> tuple[list[tuple[SqlValue, ...]], tuple[SqlValue, ...] | None]:
    """Those of the next rows that refer to nothing, and where to go on."""
    names = ", ".join(f'c."{name}"' for name in key)
    marks = ", ".join("?" * len(key))
    beyond = "" if after is None else f"WHERE ({names}) > ({marks})"
    sql = f'SELECT {names}, ({reference.broken}) FROM "{reference.table}" c {beyond} ORDER BY {names} LIMIT {STEP}'
    rows: list[tuple[Any, ...]] = tx.execute(sql, after or ()).fetchall()
    following = tuple(rows[-1][:-1]) if len(rows) == STEP else None
    return [tuple(row[:-1]) for row in rows if row[-1]], following


def _mend(tools: FsckTools, reference: _Reference, key: tuple[str, ...], values: tuple[SqlValue, ...]) -> str:
    same = " AND ".join(f'c."{name}" IS ?' for name in key)
    row = tools.db.read(partial(_row, table=reference.table, condition=f"{same} AND {reference.broken}", values=values))
    if row is None:
        return "it is right by now"
    kept = tools.lost.keep_row(reference.table, row)
    wanted = f"{same} AND {reference.broken}"  # still: what it refers to may have come meanwhile
    if reference.on_delete == "SET NULL":
        columns = ", ".join(f'"{ours}" = NULL' for ours, _ in reference.columns)
        sql, did = f'UPDATE "{reference.table}" AS c SET {columns} WHERE {wanted}', "refers to nothing any more"
    else:
        sql, did = f'DELETE FROM "{reference.table}" AS c WHERE {wanted}', "removed"
    tools.db.write(lambda tx: tx.execute(sql, values) and None)
    return f"{did}; the row as it was is in {kept}"


def _row(tx: Connection, table: str, condition: str, values: tuple[SqlValue, ...]) -> dict[str, SqlValue] | None:
    cursor = tx.execute(f'SELECT * FROM "{table}" c WHERE {condition}', values)
    row = cursor.fetchone()
    if row is None:
        return None
    names = [str(each[0]) for each in tx.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    return dict(zip(names, row, strict=True))
