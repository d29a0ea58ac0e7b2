"""Compares the index with the mail, and has it made anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.search import index, upkeep
from onifast_shared.search.index import COLUMNS, SLOT_BITS, SOURCE, Extras, SearchDocument
from onifast_shared.values.set_aside import LIVE

AT_ONCE = 200
"""Messages that one snapshot is read for."""

_MOST_WORDS = 5  # of a message that are looked for in the index


@dataclass(frozen=True)
class WrongEntry:
    """A message whose entry in the index is not as it should be, and how."""

    email_id: int
    owner: str
    problem: str


class IndexUnfinished(Exception):
    """The index is being made anew, so there is nothing to compare."""


def check(db: Database, owner: str | None = None) -> Iterator[WrongEntry]:
    """What is wrong with the entries of an owner's mail, or of everybody's; what waits to be indexed is not.

    Raises IndexUnfinished, DatabaseError.
    """
    if not db.read(upkeep.is_ready):
        raise IndexUnfinished("the index is being emptied, to be made anew by outbox")
    after = 0
    while True:
        rows = db.read(lambda tx, after=after: _rows(tx, owner, after))  # type: ignore[misc]
        if not rows:
            break
        after = rows[-1][0]
        yield from db.read(lambda tx, rows=rows: list(_wrong(tx, rows)))  # type: ignore[misc]
    if owner is None:
        yield from db.read(lambda tx: list(_left_over(tx)))


def rebuild(db: Database, owner: str | None = None) -> None:
    """Has outbox index an owner's mail anew, or everybody's: from an empty index then. Raises DatabaseError."""
    if owner is None:
        db.write(upkeep.begin_anew)
        return
    after: int | None = 0
    while after is not None:
        after = db.write(lambda tx, after=after: upkeep.index_again(tx, owner, after))  # type: ignore[misc]


def _rows(tx: Connection, owner: str | None, after: int) -> list[tuple[Any, ...]]:
    mine, bind = (LIVE, ()) if owner is None else ("owner = ?", (owner,))
    sql = f"""
        SELECT id, owner, coalesce(received_ts, 0), {SOURCE} FROM emails
        WHERE id > ? AND {mine} AND indexed = 1 AND id NOT IN (SELECT email_id FROM search_queue)
          AND (id > (SELECT position FROM search_progress) OR id IN (SELECT email_id FROM search_documents))
        ORDER BY id LIMIT ?
    """
    return tx.execute(sql, (after, *bind, AT_ONCE)).fetchall()


def _wrong(tx: Connection, rows: list[tuple[Any, ...]]) -> Iterator[WrongEntry]:
    for email_id, owner, received_ts, *source in rows:
        sql = "SELECT id, received_ts, extras, checksum FROM search_documents WHERE email_id = ?"
        found = tx.execute(sql, (email_id,)).fetchone()
        if found is None:
            yield WrongEntry(email_id, owner or "", "it is not in the index")
            continue
        document = SearchDocument.of(email_id, owner, received_ts, source, Extras.parse(str(found[2])))
        if (document.received_ts, document.checksum) != (found[1], found[3]):
            yield WrongEntry(email_id, owner or "", "it is in the index with other words or another time")
        elif not _has_words(tx, int(str(found[0])), owner or "", document):
            yield WrongEntry(email_id, owner or "", "its words are not in the index")


def _has_words(tx: Connection, document_id: int, owner: str, document: SearchDocument) -> bool:
    """Whether some of its words lie where they should, in a volume of its owner's."""
    volume = document_id >> SLOT_BITS
    if tx.execute("SELECT owner FROM search_volumes WHERE id = ?", (volume,)).get != owner:
        return False
    prefix = index.prefix(volume)
    chosen = [
        f'{name} : "{prefix}{word}"'
        for name, words in zip(COLUMNS, document.words, strict=True)
        for word in sorted(set(words), key=lambda each: (-len(each), each))[:_MOST_WORDS]
    ]
    if not chosen:
        return True
    sql = "SELECT 1 FROM mail_words WHERE mail_words MATCH ? AND rowid = ?"
    return tx.execute(sql, (" AND ".join(chosen), document_id)).fetchone() is not None


def _left_over(tx: Connection) -> Iterator[WrongEntry]:
    sql = "SELECT email_id FROM search_documents WHERE email_id NOT IN (SELECT id FROM emails) LIMIT 1000"
    for (email_id,) in tx.execute(sql):
        yield WrongEntry(int(str(email_id)), "", "it is in the index, and there is no such message")
