"""Which database this is: an id in it, the same one in a small file beside it, and what follows where they differ.

Without the file, an empty place is a new installation. With it, there was a database: one that is missing, empty or
another is refused until an administrator says that it is meant (`onifast-mailctl database init` or `adopt`). An older
copy of the same database has the same id, and is taken without a question.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import apsw

from onifast_shared.db import adopt
from onifast_shared.db.errors import DatabaseRefused

MODE = 0o660


class IdentityMark(NamedTuple):
    """What the file beside a database remembers: its id, and the inode of the file that was opened last."""

    id: str
    inode: int


UNKNOWN = IdentityMark("", 0)
"""There was a database, and nobody knows which: the file cannot be understood."""


def mark_path(database: Path) -> Path:
    """The file beside the database. A pattern that removes the database and its `-wal` leaves it where it is."""
    return database.with_suffix(".id")


def remembered(database: Path) -> IdentityMark | None:
    """What is known of the database that was here; None where there was none. Raises OSError."""
    try:
        text = mark_path(database).read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    try:
        values = json.loads(text)
        return IdentityMark(str(values["id"]), int(values["inode"]))
    except (ValueError, KeyError, TypeError):
        return UNKNOWN


def refuse_nothing(database: Path, opened_before: IdentityMark | None) -> None:
    """Raises DatabaseRefused where there was a database, and is none any more, or one with another's WAL; OSError.

    `opened_before` is what the caller knows already: the folder may have gone with all that is in it.
    """
    mark = remembered(database) or opened_before
    if mark is None:
        return
    try:
        found = database.stat()
    except FileNotFoundError:
        raise _refused(database, "is gone; put it back", init=True) from None
    if found.st_size == 0:
        raise _refused(database, "is empty, though there was one here; put it back", init=True)
    if mark.inode not in {0, found.st_ino} and _has_older_wal(database, found):
        raise _refused(
            database,
            f"was put here beside the {database.name}-wal of its predecessor, which would damage it; "
            f"move {database.name}-wal and {database.name}-shm away",
            otherwise="or, if they belong together",
        )


def _has_older_wal(database: Path, found: os.stat_result) -> bool:
    """Whether the WAL was there before the database: SQLite would replay a predecessor's commits into it."""
    try:
        wal = database.with_name(database.name + "-wal").stat()
    except FileNotFoundError:
        return False
    return wal.st_size > 0 and wal.st_ctime_ns <= found.st_ctime_ns


def refuse_another(connection: apsw.Connection, database: Path) -> None:
    """Raises DatabaseRefused where the database is not the one that was here, or no database of ours at all."""
    mark = remembered(database)
    if not adopt.is_ours(connection) and not (mark is None and adopt.is_empty(connection)):
        raise _refused(database, "is the database of something else; put ours back", init=True)
    if mark is None or mark is UNKNOWN or mark.id == id_of(connection):
        return
    raise _refused(database, "is another one than was here (a copy from before databases had ids looks so too)")


def is_settled(connection: apsw.Connection, database: Path) -> bool:
    """Whether the file beside the database says what is so."""
    return remembered(database) == IdentityMark(id_of(connection), database.stat().st_ino)


def remember(connection: apsw.Connection, database: Path) -> None:
    """Writes the file beside the database, durably. Raises OSError."""
    found = database.stat()
    path = mark_path(database)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    text = json.dumps({"id": id_of(connection), "inode": found.st_ino, "of": database.name})
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        os.fchmod(fd, MODE)
        if os.geteuid() == 0:
            os.fchown(fd, found.st_uid, found.st_gid)
        os.write(fd, text.encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
    sync_directory(path.parent)


def forget(database: Path) -> None:
    """Removes the file: what lies here next is meant."""
    mark_path(database).unlink(missing_ok=True)
    sync_directory(database.parent)


def sync_directory(directory: Path) -> None:
    """Makes what was renamed in a directory last."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def id_of(connection: apsw.Connection) -> str:
    """The database's id; empty for one that has none yet."""
    return _column(connection, "id", "")


def reopenings(connection: apsw.Connection) -> int:
    """How often the database's WAL was made anew by a program that was alone on it."""
    return int(_column(connection, "reopenings", "0"))


def _column(connection: apsw.Connection, name: str, otherwise: str) -> str:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'database_identity'").fetchone() is None:
        return otherwise
    row = connection.execute(f"SELECT {name} FROM database_identity").fetchone()
    return str(row[0]) if row else otherwise


def _refused(database: Path, what: str, *, init: bool = False, otherwise: str = "if it is meant") -> DatabaseRefused:
    if init:
        return DatabaseRefused(f"database {database} {what}, or make a new one: `onifast-mailctl database init`")
    return DatabaseRefused(f"database {database} {what}; {otherwise}: `onifast-mailctl database adopt`")
