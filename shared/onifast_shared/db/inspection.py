"""Looks at a database without opening it for work: whether it is the one that was here, and whether it is sound."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import apsw

from onifast_shared.db import adopt, identity, migrate
from onifast_shared.db.connections import connect
from onifast_shared.db.errors import DatabaseError, DatabaseRefused, translated

MOST_FINDINGS = 20
STEPS = 100_000
"""Instructions of SQLite's machine between two looks at the clock."""


class Soundness(NamedTuple):
    """What was found damaged, in SQLite's words; `complete` is False where time did not suffice to look at it all."""

    findings: list[str]
    complete: bool = True


def refuse(path: Path, timeout: float) -> str:
    """The id of the database that lies at `path`; nothing is made or changed.

    Raises DatabaseRefused, SchemaTooNew, SchemaDiffers, DatabaseCorrupt, DatabaseUnavailable, as a program that opens
    it would.
    """
    with translated(path):
        identity.refuse_nothing(path, None)
        connection = connect(path, timeout)
        try:
            identity.refuse_another(connection, path)
            migrate.refuse_unfit(connection, path)
            return identity.id_of(connection)
        finally:
            connection.close()


def refuse_foreign(path: Path, timeout: float) -> None:
    """Raises DatabaseRefused where the database holds something else than mail; DatabaseError."""
    with translated(path):
        connection = connect(path, timeout)
        try:
            if not adopt.is_ours(connection):
                raise DatabaseRefused(f"database {path} is the database of something else")
        finally:
            connection.close()


def soundness(path: Path, timeout: float, seconds: float | None = None) -> Soundness:
    """Looks at every page of the database, for so many `seconds` at the most. Raises DatabaseError.

    With a limit, that indexes fit their tables is left out, since that takes several times as long.
    """
    pragma = "integrity_check" if seconds is None else "quick_check"
    findings: list[str] = []
    with translated(path):
        connection = connect(path, timeout)
        try:
            if seconds is not None:
                deadline = time.monotonic() + seconds
                connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
            for (finding,) in connection.execute(f"PRAGMA {pragma}({MOST_FINDINGS})"):
                findings.append(str(finding))
        except apsw.InterruptError:
            return Soundness(findings, complete=False)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            return Soundness(findings or [str(error)])  # SQLite says where it is, and then may give up
        finally:
            connection.close()
    return Soundness([] if findings == ["ok"] else findings)


def trouble_with(path: Path, timeout: float) -> DatabaseError | None:
    """Why a program would not open the database; None where it would, or would make a new one."""
    if identity.remembered(path) is None and not path.exists():
        return None
    try:
        refuse(path, timeout)
    except DatabaseError as error:
        return error
    return None
