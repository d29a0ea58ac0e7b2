"""What can go wrong with the database, as errors that say what a caller may do about it."""

from __future__ import annotations

from pathlib import Path

import apsw

from onifast_shared.db import troubles
from onifast_shared.db.troubles import Troubles


class DatabaseError(Exception):
    """Any trouble with the database. Its text is one line for an administrator, not for a remote client."""


class SchemaTooNew(DatabaseError):
    """The database needs a newer program than this one. It was not touched."""


class SchemaDiffers(DatabaseError):
    """The database's schema is not what its migrations make: a version in development made it. It was not touched."""


class DatabaseBusy(DatabaseError):
    """Another program held the database for too long. Nothing was written; it may work later."""


class DatabaseFull(DatabaseError):
    """The disk is full. Nothing was written."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be used: missing, read-only, not a database, an I/O error. Nothing was written."""


class DatabaseRefused(DatabaseUnavailable):
    """What lies in the database's place is not the one that was there; an administrator has to say what is meant."""


class DatabaseCorrupt(DatabaseUnavailable):
    """The file is damaged, or no database at all. What was asked for was not done."""


_BUSY = (apsw.BusyError, apsw.LockedError)
_CORRUPT = (apsw.CorruptError, apsw.NotADBError)
_UNAVAILABLE = (
    apsw.CantOpenError,
    apsw.IOError,
    apsw.PermissionsError,
    apsw.ReadOnlyError,
    apsw.ConnectionClosedError,
    OSError,
)


class translated:  # noqa: N801 -- a context manager, named as those of the standard library
    """Turns APSW's and the system's errors into those of this module; errors in SQL are bugs and stay what they are.

    A class, since every read and write passes through it, and a generator costs three times as much.
    """

    __slots__ = ("_path", "_troubles")

    def __init__(self, path: Path, noted: Troubles | None = None) -> None:
        self._path = path
        self._troubles = noted

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, _BUSY):
            raise DatabaseBusy(f"database {self._path} is locked by another program") from error
        if isinstance(error, apsw.FullError):
            raise DatabaseFull(f"database {self._path}: the disk is full") from error
        if isinstance(error, _CORRUPT):
            text = f"database {self._path} is damaged: {error}"
            if self._troubles is not None:
                text += "; `onifast-mailctl database check` says where"
                self._troubles.note(troubles.DAMAGED, text)
            raise DatabaseCorrupt(text) from error
        if isinstance(error, _UNAVAILABLE):
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DatabaseUnavailable(f"database {self._path} cannot be used: {reason}") from error
