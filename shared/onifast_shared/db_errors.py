"""What can go wrong with the database, as errors that say what a caller may do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw


class DatabaseError(Exception):
    """Any trouble with the database. Its text is one line for an administrator, not for a remote client."""


class SchemaTooNew(DatabaseError):
    """The database needs a newer program than this one. It was not touched."""


class DatabaseBusy(DatabaseError):
    """Another program held the database for too long. Nothing was written; it may work later."""


class DatabaseFull(DatabaseError):
    """The disk is full. Nothing was written."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be used: missing, read-only, not a database, an I/O error. Nothing was written."""


_BUSY = (apsw.BusyError, apsw.LockedError)
_UNAVAILABLE = (
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.IOError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ReadOnlyError,
    apsw.ConnectionClosedError,
    OSError,
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns APSW's and the system's errors into those of this module; errors in SQL are bugs and stay what they are."""
    try:
        yield
    except _BUSY as error:
        raise DatabaseBusy(f"database {path} is locked by another program") from error
    except apsw.FullError as error:
        raise DatabaseFull(f"database {path}: the disk is full") from error
    except _UNAVAILABLE as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DatabaseUnavailable(f"database {path} cannot be used: {reason}") from error
