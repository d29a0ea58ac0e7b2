"""Messages' bytes: stored once, shared by the rows that need them.

A small message goes in whole with the transaction that makes it visible. A large one goes in by pieces before it, each
in a short transaction of its own, so that nobody waits long for the writers' turn; what a crash leaves of such pieces
is swept after a day.
"""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection, Database

INLINE_LIMIT = 256 * 1024
"""Bytes up to which a message is stored in one row."""

PIECE_SIZE = 512 * 1024
ORPHAN_AGE = 86400
"""Seconds after which stored bytes that no row refers to are removed."""


@dataclass(frozen=True)
class ContentRef:
    """Bytes on their way into the database: still in memory (`raw`), or already there in pieces (`content_id`)."""

    size: int
    raw: bytes | None
    content_id: int | None


def store(db: Database, raw: bytes) -> ContentRef:
    """Prepares bytes for `attach`: large ones are written now, in pieces. Blocks; raises DatabaseError."""
    if len(raw) <= INLINE_LIMIT:
        return ContentRef(len(raw), raw, None)
    content_id = db.write(lambda tx: _insert(tx, len(raw), None))
    for seq, piece in _pieces(raw):
        db.write(lambda tx, seq=seq, piece=piece: _insert_piece(tx, content_id, seq, piece))  # type: ignore[misc]
    db.write(_shrink)
    return ContentRef(len(raw), None, content_id)


async def astore(db: Database, raw: bytes) -> ContentRef:
    """`store`, off the event loop."""
    if len(raw) <= INLINE_LIMIT:
        return ContentRef(len(raw), raw, None)
    content_id = await db.awrite(lambda tx: _insert(tx, len(raw), None))
    for seq, piece in _pieces(raw):
        await db.awrite(lambda tx, seq=seq, piece=piece: _insert_piece(tx, content_id, seq, piece))  # type: ignore[misc]
    await db.awrite(_shrink, lasting=False)
    return ContentRef(len(raw), None, content_id)


def attach(tx: Connection, ref: ContentRef) -> int:
    """The id of the bytes, to be put into a row in this same transaction."""
    if ref.content_id is not None:
        return ref.content_id
    return _insert(tx, ref.size, ref.raw)


def read(tx: Connection, content_id: int, before: bytes = b"") -> bytes:
    """The bytes, with others before them. Raises KeyError for an id that does not exist."""
    row = tx.execute("SELECT data FROM contents WHERE id = ?", (content_id,)).fetchone()
    if row is None:
        raise KeyError(content_id)
    if row[0] is not None:
        return before + bytes(row[0])
    raw = _joined(itertools.chain([before], _read_pieces(tx, content_id)))
    _shrink(tx)
    return raw


def is_whole(tx: Connection, content_id: int) -> bool:
    """Whether the bytes are there, all of them; their lengths alone are read."""
    sql = """
        SELECT size = coalesce(length(data), (SELECT total(length(data)) FROM content_pieces WHERE content_id = c.id))
        FROM contents c WHERE id = ?
    """
    return bool(tx.execute(sql, (content_id,)).get)


def head(tx: Connection, content_id: int, limit: int = 65536) -> bytes:
    """The first `limit` bytes: enough for any sane header section. Raises KeyError for an id that is not there."""
    row = tx.execute("SELECT substr(data, 1, ?) FROM contents WHERE id = ?", (limit, content_id)).fetchone()
    if row is None:
        raise KeyError(content_id)
    if row[0] is not None:
        return bytes(row[0])
    first = "SELECT substr(data, 1, ?) FROM content_pieces WHERE content_id = ? AND seq = 0"
    return bytes(tx.execute(first, (limit, content_id)).get or b"")


def octets(db: Database, content_id: int, start: int, end: int) -> Iterator[bytes]:
    """Some octets of what is stored in pieces, as they are asked for, each in a snapshot of its own.

    Raises KeyError where they are gone, DatabaseError.
    """
    sql = "SELECT substr(data, ?, ?) FROM content_pieces WHERE content_id = ? AND seq = ?"
    while start < end:
        seq, within = divmod(start, PIECE_SIZE)
        asked = (within + 1, min(PIECE_SIZE - within, end - start), content_id, seq)
        piece = db.read(lambda tx, asked=asked: tx.execute(sql, asked).get)  # type: ignore[misc]
        if not piece:
            raise KeyError(content_id)
        yield bytes(piece)
        start += len(piece)


def orphans(tx: Connection, now: float, after: int = 0, limit: int = 1000) -> tuple[list[int], int | None]:
    """Ids of old bytes that no row refers to, among the next `limit` after `after`; and where to go on, if anywhere."""
    rows: list[tuple[Any, ...]] = tx.execute(
        """
        SELECT c.id,
               c.created_ts < ?
               AND NOT EXISTS (SELECT 1 FROM emails e WHERE e.content_id = c.id)
               AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.content_id = c.id)
               AND NOT EXISTS (SELECT 1 FROM refused_messages r WHERE r.content_id = c.id)
        FROM contents c WHERE c.id > ? ORDER BY c.id LIMIT ?
        """,
        (int(now) - ORPHAN_AGE, after, limit),
    ).fetchall()
    unused = [int(row[0]) for row in rows if row[1]]
    return unused, (int(rows[-1][0]) if len(rows) == limit else None)


def remove_unused(tx: Connection, content_ids: Iterable[int]) -> int:
    """Removes those of the bytes that no row refers to; returns how many."""
    removed = 0
    for content_id in content_ids:
        if _is_used(tx, content_id):
            continue
        tx.execute("DELETE FROM content_pieces WHERE content_id = ?", (content_id,))
        tx.execute("DELETE FROM contents WHERE id = ?", (content_id,))
        removed += 1
    return removed


def _is_used(tx: Connection, content_id: int) -> bool:
    sql = """
        SELECT EXISTS (SELECT 1 FROM emails WHERE content_id = ?1)
            OR EXISTS (SELECT 1 FROM outbox WHERE content_id = ?1)
            OR EXISTS (SELECT 1 FROM refused_messages WHERE content_id = ?1)
    """
    return bool(tx.execute(sql, (content_id,)).get)


def _insert(tx: Connection, size: int, raw: bytes | None) -> int:
    sql = "INSERT INTO contents (size, data, created_ts) VALUES (?, ?, ?)"
    tx.execute(sql, (size, raw, int(time.time())))
    return tx.last_insert_rowid()


def _insert_piece(tx: Connection, content_id: int, seq: int, piece: bytes) -> None:
    tx.execute("INSERT INTO content_pieces (content_id, seq, data) VALUES (?, ?, ?)", (content_id, seq, piece))


def _pieces(raw: bytes) -> Iterator[tuple[int, bytes]]:
    for seq, start in enumerate(range(0, len(raw), PIECE_SIZE)):
        yield seq, raw[start : start + PIECE_SIZE]


def _shrink(tx: Connection) -> None:
    """Empties the connection's cache: the pages of a large message fill it to no use, since each is needed once."""
    tx.execute("PRAGMA shrink_memory")


def _joined(pieces: Iterable[bytes]) -> bytes:
    """The pieces one after the other; each is let go once it is copied."""
    whole = io.BytesIO()
    whole.writelines(pieces)
    return whole.getvalue()


def _read_pieces(tx: Connection, content_id: int) -> Iterator[bytes]:
    for (piece,) in tx.execute("SELECT data FROM content_pieces WHERE content_id = ? ORDER BY seq", (content_id,)):
        yield bytes(piece)
