"""Reads the mail of a user from another onifast-mail database, such as one that a backup gave back.

It is opened for reading alone, and a database that nothing is open of is not even given its WAL.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from onifast_shared.message import columns
from onifast_shared.moving.found import Bounds, Finds, Marks, PassedOver, SourceError, SourceMessage

_SCALE = 1_000_000
_OLDEST = {"owner", "content_id", "received_ts"}


def read(path: Path, owner: str, bounds: Bounds, position: str = "") -> Finds:
    """The messages of an owner in that database, with folders, marks and labels; raises SourceError."""
    try:
        connection = _opened(path)
    except (apsw.Error, OSError) as error:
        raise SourceError(f"{path} cannot be opened: {error}.") from None
    with closing(connection):
        try:
            yield from _messages(connection, path, owner, bounds, int(position or 0))
        except apsw.Error as error:
            raise SourceError(f"{path} cannot be read any further: {error}.") from None


def _opened(path: Path) -> apsw.Connection:
    if not path.is_file():
        raise OSError("it is no file")
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "?immutable=1"
    uri = f"{path.absolute().as_uri()}{alone}"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _messages(connection: apsw.Connection, path: Path, owner: str, bounds: Bounds, last: int) -> Finds:
    there = {str(row[1]) for row in connection.execute("PRAGMA table_info(emails)")}
    if not there >= _OLDEST:
        raise SourceError(f"{path} is no database of onifast-mail's.")
    most = int(connection.execute("SELECT coalesce(max(id), 0) FROM emails").get)
    known: list[str] = [name for name in ("is_starred", "is_answered", "is_forwarded") if name in there]
    sql = f"""
        SELECT id, folder, coalesce(is_read, 0), received_ts, coalesce(size, 0), sender, recipient, subject, body
               {"".join(f", {name}" for name in known)}
        FROM emails WHERE owner = ? AND id > ? ORDER BY id LIMIT 100
    """
    while rows := connection.execute(sql, (owner, last)).fetchall():
        for row in rows:
            last = int(str(row[0]))
            yield _message(connection, row, dict(zip(known, map(bool, row[9:]), strict=True)), bounds, most)


def _message(
    connection: apsw.Connection, row: Any, marked: dict[str, bool], bounds: Bounds, most: int
) -> SourceMessage | PassedOver:
    email_id, folder, is_read, received_ts, size, *texts = row[:9]
    at = {"name": f"message {email_id}", "position": str(email_id), "octets": email_id * _SCALE // max(1, most)}
    if size > bounds.message:
        return PassedOver(why=f"it has {size:,} octets, and {bounds.message:,} are the most", **at)
    raw = connection.execute("SELECT bytes FROM email_bytes WHERE id = ?", (email_id,)).get
    data = bytes(raw) if raw else _from_columns(texts, int(received_ts or 0))
    own, labels = _labels(connection, email_id)
    return SourceMessage(
        data,
        place=own or str(folder or ""),
        use="" if own else str(folder or ""),
        marks=Marks(is_read=bool(is_read), labels=labels, **marked),
        received_ts=received_ts,
        **at,
    )


def _labels(connection: apsw.Connection, email_id: int) -> tuple[str, tuple[str, ...]]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'email_labels'").get:
        return "", ()
    sql = """
        SELECT l.name, l.is_folder FROM email_labels e JOIN labels l ON l.id = e.label_id
        WHERE e.email_id = ? ORDER BY l.id
    """
    found = [(str(name), bool(is_folder)) for name, is_folder in connection.execute(sql, (email_id,))]
    own = next((name for name, is_folder in found if is_folder), "")
    return own, tuple(name for name, is_folder in found if not is_folder)


def _from_columns(texts: list[Any], received_ts: int) -> bytes:
    sender, recipient, subject, body = (str(each or "") for each in texts)
    return columns.to_message(sender, recipient, subject, body, received_ts)
