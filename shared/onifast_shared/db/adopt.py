"""Adopts the database of the earlier program: mends what its four tables may lack, and loses nothing.

Its documentation gives the tables' columns but not their types. `id` has to be SQLite's row number for every later
step, so a table in which it is an ordinary column is rebuilt with all its rows and columns.
"""

from __future__ import annotations

import apsw

COLUMNS = {
    "emails": (
        "id", "sender", "recipient", "subject", "body", "raw_content", "received_at", "is_read", "folder", "file_path",
    ),
    "outbox": ("id", "sender", "recipient", "subject", "body", "status", "attempts", "last_error", "created_at"),
    "mail_addresses": ("address", "domain", "local_part", "owner", "created_at"),
    "mail_config": ("key", "value"),
}  # fmt: skip
NUMBERED = ("emails", "outbox")


def is_empty(connection: apsw.Connection) -> bool:
    """Whether the database has no table at all."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def is_ours(connection: apsw.Connection) -> bool:
    """Whether the database is this project's, of whatever version, or the earlier program's."""
    names = ("schema_migrations", *COLUMNS)
    marks = ", ".join("?" * len(names))
    return connection.execute(f"SELECT 1 FROM sqlite_master WHERE name IN ({marks})", names).fetchone() is not None


def make_usable(connection: apsw.Connection) -> None:
    """Gives the contract's tables all their columns, and `id` its meaning. Runs inside the first migration."""
    for table, columns in COLUMNS.items():
        present = {name.lower() for name in _columns(connection, table)}
        for column in columns:
            if column not in present:
                connection.execute(f'ALTER TABLE {table} ADD COLUMN "{column}" TEXT')
    for table in NUMBERED:
        if not _is_numbered(connection, table):
            _number(connection, table)


def _columns(connection: apsw.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]


def _is_numbered(connection: apsw.Connection, table: str) -> bool:
    """Whether `id` is an alias of the row number: the one column declared INTEGER PRIMARY KEY."""
    rows = list(connection.execute(f"PRAGMA table_info({table})"))
    keys = [(str(row[1]).lower(), str(row[2]).upper()) for row in rows if row[5]]
    return keys == [("id", "INTEGER")]


def _number(connection: apsw.Connection, table: str) -> None:
    """Rebuilds a table so that `id` is its row number; an id missing or used twice is given anew."""
    others = [name for name in _columns(connection, table) if name.lower() != "id"]
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in others)
    connection.execute(f"ALTER TABLE {table} RENAME TO earlier_{table}")
    connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, {quoted})")
    connection.execute(
        f"""
        INSERT INTO {table} (id, {quoted})
        SELECT CASE WHEN typeof(id) = 'integer' AND turn = 1 THEN id END, {quoted}
        FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY rowid) AS turn, rowid AS place FROM earlier_{table})
        ORDER BY typeof(id) = 'integer' AND turn = 1 DESC, place
        """
    )
    connection.execute(f"DROP TABLE earlier_{table}")
