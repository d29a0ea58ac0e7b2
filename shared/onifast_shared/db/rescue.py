"""What to do when the database's files were removed or exchanged while they were open.

What was committed is in the open files still, whether these have a name or not. So it is copied into the database
first, and only then they are let go. The WAL is made anew by a program that SQLite's own locks say is alone on the
database: while others hold on to the old one, there would be two, and each would hide the other's commits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

import apsw

from onifast_shared.db import identity, split_wal
from onifast_shared.db.connections import DatabaseConnections, connect
from onifast_shared.db.files import Files
from onifast_shared.db.turn import Turn

_MAGIC = b"SQLite format 3\0"  # how every database's file begins
_DATABASE_FILE = 0  # of those that `Connection.read` reads; 1 is the WAL

COPY_PAGES = 10_000
"""Pages that are copied at once."""


def put_away(connections: DatabaseConnections, path: Path) -> bool:
    """Copies all that was committed from the open WAL into the open database, and empties it; False if it was empty.

    Raises apsw.Error where that cannot be done now: then nothing may be closed.
    """
    turn = Turn(path)
    try:
        with turn.taken():
            connections.peek(lambda observer: _make_whole(observer, connections.files, path))
            pages, _ = connections.peek(lambda observer: observer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE))
            connections.peek(lambda observer: observer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
            return pages > 0
    finally:
        turn.close()


def _make_whole(observer: apsw.Connection, files: Files, path: Path) -> None:
    """Brings into the open WAL what others have committed into one that they made anew at its path."""
    wal = path.with_name(path.name + "-wal")
    if files.wal is None or Files.at(path).database != files.database:
        return
    observer.execute("PRAGMA query_only=OFF")
    observer.execute("BEGIN IMMEDIATE")
    try:
        split_wal.complete(files.wal, wal)
    finally:
        observer.execute("ROLLBACK")


def take_away_wal(files: Files, path: Path, *, keep: bool) -> None:
    """Removes the WAL that lies at the path, where it belongs to a database that does not lie there any more.

    What is there by then of another database stays. Who could not put away what is in it is to `keep` it, under another
    name. Raises OSError.
    """
    turn = Turn(path)
    try:
        with turn.taken():
            now = Files.at(path)
            wal = path.with_name(path.name + "-wal")
            if now.wal is not None and now.wal == files.wal:
                if keep and wal.stat().st_size:
                    wal.rename(path.with_name(f"{path.name}.rescued-wal-{_now()}"))
                else:
                    wal.unlink()
            if now.shm is not None and now.shm == files.shm:
                path.with_name(path.name + "-shm").unlink()
    finally:
        turn.close()


def _now() -> str:
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime())


def is_deleted(files: Files) -> bool:
    """Whether the open database has no name in any directory any more: it is gone once it is closed."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found = link.stat()
            if found.st_ino == files.database and "(deleted)" in str(link.readlink()):
                return found.st_nlink == 0
    return False


def copy(connections: DatabaseConnections, path: Path, *, again: bool) -> Path | None:
    """Copies a deleted database, while it is open, to a new file beside its place.

    None where another program has done so, unless it is to be done `again`: for what was committed since. Raises
    apsw.Error, OSError.
    """
    inode = connections.files.database
    target = path.with_name(f"{path.name}.rescued-{inode}")
    part = target.with_name(target.name + ".part")
    turn = Turn(path)
    try:
        with turn.taken():
            if target.exists() and not again:
                return None
            connections.peek(lambda source: _copy(source, part))
            part.rename(target)
            identity.sync_directory(path.parent)
    finally:
        part.unlink(missing_ok=True)
        turn.close()
    return target


def _copy(source: apsw.Connection, target: Path) -> None:
    needed = int(source.execute("PRAGMA page_count").get) * int(source.execute("PRAGMA page_size").get)
    if shutil.disk_usage(target.parent).free < needed:
        raise apsw.FullError(f"no room for the {needed} bytes of {target}")
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660))
    destination = apsw.Connection(str(target))
    try:
        with destination.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(COPY_PAGES)
    finally:
        destination.close()


def renewed(path: Path, seen: int) -> bool:
    """Whether the WAL was made anew since it was seen so: by us now, or by another program that was alone before us.

    `seen` is the database's count of that, as it was when it was opened last. Raises apsw.Error, but not for programs
    that still hold the old WAL: then the answer is False.
    """
    try:
        _renew(path)
    except apsw.BusyError:
        return _reopenings(path) != seen
    return True


def _renew(path: Path) -> None:
    """Makes the WAL anew. Raises BusyError while anybody else has the database open."""
    connection = connect(path, 0)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE database_identity SET reopenings = reopenings + 1")
        connection.execute("COMMIT")
    finally:
        connection.close()


def _reopenings(path: Path) -> int:
    with contextlib.closing(_aside(path)) as connection:
        return identity.reopenings(connection)


def id_in_open_file(connection: apsw.Connection) -> str:
    """The id that stands in the open files now, whatever the connection remembers of them; "" for no database's.

    Of pages that the WAL has, no change of the file would show: so its first octets are looked at by themselves. A
    connection of its own would have to read the schema for each look, in fifty times the time. Raises apsw.Error.
    """
    _, begin = connection.read("main", _DATABASE_FILE, 0, len(_MAGIC))
    if begin != _MAGIC:
        return ""
    connection.execute("PRAGMA shrink_memory")
    return identity.id_of(connection)


def _aside(path: Path) -> apsw.Connection:
    """A connection that leaves the WAL alone when it is closed: it may have another one than the others."""
    connection = connect(path, 0)
    # The last one to close would copy the WAL into the database.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def id_in(path: Path) -> str:
    """The id in a file that nobody writes to, without a look at its -wal and -shm. Raises apsw.Error."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"{path.absolute().as_uri()}?immutable=1", flags=flags)
    try:
        return identity.id_of(connection)
    finally:
        connection.close()
