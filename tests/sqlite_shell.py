"""Another program on the database: SQL as panels and scripts run it, by the SQLite of the system.

Python's sqlite3 module never opens a file that APSW has open in the same process: closing one library's handle drops
the other's locks. So it runs in a process of its own: `COMMAND`, followed by the database's path, reads SQL as Debian's
sqlite3 does, and writes rows with `|` between their columns.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-I", __file__)
WAIT_SECONDS = 10.0


def run(database: Path, sql: str, *, timeout_ms: int = int(WAIT_SECONDS * 1000)) -> list[str]:
    """Runs SQL on the file; returns the rows, columns with `|` between them."""
    done = subprocess.run(
        [*COMMAND, str(database), str(timeout_ms / 1000)],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.splitlines()


def main(path: str, wait: str = str(WAIT_SECONDS)) -> int:
    """Runs what standard input says, a statement as soon as it is whole; 1 if one of them failed."""
    connection = sqlite3.connect(path, timeout=float(wait), isolation_level=None)
    # What another program wrote into a column of text need not be UTF-8.
    connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
    failed = False
    for statement in _statements(sys.stdin):
        try:
            for row in _rows(connection, statement):
                print("|".join(map(_shown, row)))
        except sqlite3.Error as error:
            print(f"{error}: {statement.strip()}", file=sys.stderr)
            failed = True
        sys.stdout.flush()
    connection.close()
    return int(failed)


def _statements(lines: Iterable[str]) -> Iterable[str]:
    statement = ""
    for line in lines:
        if not statement and line.startswith("."):
            yield line
            continue
        for part in line.splitlines(keepends=True):
            *whole, rest = part.split(";")
            for piece in whole:
                statement += f"{piece};"
                if sqlite3.complete_statement(statement):
                    yield statement
                    statement = ""
            statement += rest
            if not statement.strip():
                statement = ""
    if statement:
        yield statement


def _rows(connection: sqlite3.Connection, statement: str) -> Iterable[tuple[Any, ...]]:
    match statement.split():
        case [".dump"]:
            return ((line,) for line in connection.iterdump())
        case [".backup", target]:
            with sqlite3.connect(target) as copy:
                connection.backup(copy)
            copy.close()
            return ()
        case [".quit"]:
            sys.exit(0)
    return connection.execute(statement)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    sys.exit(main(*sys.argv[1:]))
