"""The upkeep of the index: what changed is followed, what is missing is added, and all of it is made anew if need be.

Every step is a short transaction of its own: whoever stops in between goes on later, and several processes may work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.search import index
from onifast_shared.search.index import SLOT_BITS, SOURCE, Extras, SearchDocument
from onifast_shared.search.words import FORM
from onifast_shared.values.set_aside import is_set_aside

AT_ONCE = 50
"""Messages that one transaction adds."""

MOST_CHARACTERS = 300_000
"""Characters of text, more or less, that one transaction adds or removes."""

_PAGES = 500  # pages of an index that one transaction throws away
_SPARSE = index.VOLUME_SIZE // 8


@dataclass(frozen=True)
class UnsearchableMessage:
    """A row that is to be added to the index."""

    id: int
    owner: str | None
    received_ts: int
    source: tuple[Any, ...]

    @property
    def is_findable(self) -> bool:
        """Whether anybody may find it: nobody sees what is set aside with its owner."""
        return not is_set_aside(self.owner or "")

    def document(self, extras: Extras) -> SearchDocument:
        """The row with its words."""
        return SearchDocument.of(self.id, self.owner, self.received_ts, self.source, extras)


@dataclass(frozen=True)
class SearchBatch:
    """Rows to be added. Those with an id up to `position`, and above `below`, were looked at if that is not None."""

    items: list[UnsearchableMessage]
    position: int | None = None
    below: int = 0


def is_ready(tx: Connection) -> bool:
    """Whether words can be added; not while the index is being emptied."""
    return _form(tx) == FORM


def is_behind(tx: Connection) -> bool:
    """Whether the index may have anything to follow, or is being emptied; a few seeks."""
    sql = f"""
        SELECT EXISTS (SELECT 1 FROM search_queue) OR EXISTS (SELECT 1 FROM search_removals)
            OR EXISTS (SELECT 1 FROM search_volumes WHERE is_full = 1 AND documents < {_SPARSE})
            OR (SELECT form FROM search_progress) IS NOT ?
    """
    return bool(tx.execute(sql, (FORM,)).get)


def has_removals(tx: Connection) -> bool:
    """Whether any words are to be taken out of the index."""
    return _form(tx) == FORM and tx.execute("SELECT 1 FROM search_removals LIMIT 1").fetchone() is not None


def has_sparse(tx: Connection) -> bool:
    """Whether a volume has lost most of its messages."""
    return _sparse(tx) is not None


def rows(tx: Connection, ids: Iterable[int]) -> list[UnsearchableMessage]:
    """These rows as they stand; those that are gone are not among them."""
    found = [tx.execute(f"SELECT {_ROW} FROM emails e WHERE e.id = ?", (each,)).fetchone() for each in ids]
    return _taken(row for row in found if row is not None)


def queued(tx: Connection) -> SearchBatch:
    """The next rows that changed, or came."""
    if _form(tx) != FORM:
        return SearchBatch([])
    sql = f"SELECT {_ROW} FROM search_queue q JOIN emails e ON e.id = q.email_id ORDER BY q.email_id LIMIT ?"
    return SearchBatch(_taken(tx.execute(sql, (AT_ONCE,))))


def missing(tx: Connection) -> SearchBatch | None:
    """The next rows, from the newest down, that were there before the index was; None where there are none left."""
    position = _position(tx)
    if _form(tx) != FORM or position <= 0:
        return None
    sql = f"SELECT {_ROW} FROM emails e WHERE e.id <= ? ORDER BY e.id DESC LIMIT ?"
    items = _taken(tx.execute(sql, (position, AT_ONCE)))
    below = items[-1].id - 1 if items else 0
    unknown = f"SELECT 1 FROM emails e WHERE id = ? AND indexed = 1 AND NOT EXISTS {_DOCUMENT}"
    wanted = [each for each in items if each.is_findable and tx.execute(unknown, (each.id,)).fetchone()]
    return SearchBatch(sorted(wanted, key=lambda each: (each.received_ts, each.id), reverse=True), position, below)


def store(tx: Connection, batch: SearchBatch, documents: Sequence[SearchDocument]) -> None:
    """Adds the documents of a batch; nothing where another process has done so.

    What is not among the documents leaves the queue all the same: nobody is to find it.
    """
    if _form(tx) != FORM or (batch.position is not None and _position(tx) != batch.position):
        return
    wanted = {document.email_id for document in documents}
    for document in documents:
        index.add(tx, document)
    unwanted = [(item.id,) for item in batch.items if item.id not in wanted]
    tx.executemany("DELETE FROM search_queue WHERE email_id = ?", unwanted)
    if batch.position is not None:
        tx.execute("UPDATE search_progress SET position = ?", (batch.below,))


def follow_removals(tx: Connection) -> int:
    """Takes the words of some of what changed or is gone out of the index; how many messages these were."""
    if _form(tx) != FORM:
        return 0
    sql = f"SELECT document_id, {SOURCE}, extras, checksum FROM search_removals ORDER BY document_id LIMIT ?"
    done, characters = list[int](), 0
    removals: list[tuple[Any, ...]] = tx.execute(sql, (AT_ONCE,)).fetchall()
    for document_id, *source, extras, checksum in removals:
        index.remove_words(tx, document_id, source, extras, checksum)
        done.append(document_id)
        characters += _length(source)
        if characters > MOST_CHARACTERS:
            break
    tx.executemany("DELETE FROM search_removals WHERE document_id = ?", [(each,) for each in done])
    index.remove_empty_volumes(tx, [each >> SLOT_BITS for each in done])
    return len(done)


def gather_sparse(tx: Connection) -> int:
    """Has the messages of a volume that has lost most of its own put into others; how many there are."""
    number = _sparse(tx)
    return 0 if number is None else _index_again(tx, number)


def index_again(tx: Connection, owner: str, after: int = 0) -> int | None:
    """Has the next volume of an owner's indexed anew; where to go on after it, None at the end."""
    sql = "SELECT id FROM search_volumes WHERE owner = ? AND id > ? ORDER BY id LIMIT 1"
    number = tx.execute(sql, (owner, after)).get
    if number is None:
        return None
    _index_again(tx, int(number))
    return int(number)


def index_message(tx: Connection, email_id: int) -> None:
    """Has one message indexed anew; its words as they are in its row are taken out of the index before."""
    columns = "d.id, e.sender, e.sender_name, e.recipient, e.subject, e.body, d.extras, d.checksum"
    here = "FROM search_documents d JOIN emails e ON e.id = d.email_id WHERE e.id = ?"
    tx.execute(f"INSERT OR IGNORE INTO search_removals SELECT {columns} {here}", (email_id,))
    tx.execute("DELETE FROM search_documents WHERE email_id = ?", (email_id,))
    tx.execute("INSERT OR IGNORE INTO search_queue SELECT id FROM emails WHERE id = ?", (email_id,))


def begin_anew(tx: Connection) -> None:
    """Has the whole index made anew."""
    tx.execute("UPDATE search_progress SET form = ''")


def empty_some(tx: Connection) -> bool:
    """Throws away some of an index that is to be made anew; False where there is nothing to throw away."""
    form = _form(tx)
    if form == FORM:
        return False
    if form:
        begin_anew(tx)
    volumes: list[tuple[Any, ...]] = tx.execute("SELECT id FROM search_volumes LIMIT 1").fetchall()
    for (number,) in volumes:
        tx.execute("DELETE FROM search_volumes WHERE id = ?", (number,))
        tx.execute("DELETE FROM search_documents WHERE id BETWEEN ? AND ?", _span(number))
    if volumes or _throw_away(tx, "mail_words"):
        return True
    tx.execute("DELETE FROM search_removals")
    tx.execute(
        "UPDATE search_progress SET form = ?, position = (SELECT coalesce(max(id), 0) FROM emails)",
        (FORM,),
    )
    return True


def empty_former(tx: Connection) -> bool:
    """Throws away some of the index of earlier versions, once this one is complete; False where nothing is left."""
    return _form(tx) == FORM and _position(tx) == 0 and _throw_away(tx, "mail_search")


_DOCUMENT = "(SELECT 1 FROM search_documents d WHERE d.email_id = e.id)"
_ROW = "e.id, e.owner, coalesce(e.received_ts, 0), e.sender, e.sender_name, e.recipient, e.subject, e.body"


def _sparse(tx: Connection) -> int | None:
    sql = f"SELECT id FROM search_volumes WHERE is_full = 1 AND documents < {_SPARSE} LIMIT 1"
    number = tx.execute(sql).get if _form(tx) == FORM else None
    return None if number is None else int(number)


def _taken(rows: Iterable[Any]) -> list[UnsearchableMessage]:
    """As many rows as one transaction can add."""
    found, characters = list[UnsearchableMessage](), 0
    for email_id, owner, received_ts, *source in rows:
        found.append(UnsearchableMessage(email_id, owner, received_ts, tuple(source)))
        characters += _length(source)
        if characters > MOST_CHARACTERS:
            break
    return found


def _length(source: Sequence[Any]) -> int:
    return sum(len(value) for value in source if isinstance(value, str | bytes))


def _index_again(tx: Connection, volume: int) -> int:
    here = "FROM search_documents d JOIN emails e ON e.id = d.email_id WHERE d.id BETWEEN ? AND ?"
    columns = "d.id, e.sender, e.sender_name, e.recipient, e.subject, e.body, d.extras, d.checksum"
    tx.execute(f"INSERT OR IGNORE INTO search_removals SELECT {columns} {here}", _span(volume))
    tx.execute(f"INSERT OR IGNORE INTO search_queue SELECT d.email_id {here}", _span(volume))
    tx.execute("DELETE FROM search_documents WHERE id BETWEEN ? AND ?", _span(volume))
    return tx.changes()


def _throw_away(tx: Connection, table: str) -> bool:
    """Takes pages out of a full-text index that nobody uses; False where there are none."""
    for part, key in (("data", "id"), ("docsize", "id")):
        first = f"SELECT {key} FROM {table}_{part} WHERE {key} > 10 LIMIT {_PAGES}"
        tx.execute(f"DELETE FROM {table}_{part} WHERE {key} IN ({first})")
        if tx.changes():
            return True
    # What is left of it: an empty one is whole again.
    if tx.execute(f"SELECT 1 FROM {table}_idx LIMIT 1").fetchone() is None:
        return False
    tx.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")
    return True


def _span(volume: int) -> tuple[int, int]:
    return volume << SLOT_BITS, (volume + 1 << SLOT_BITS) - 1


def _form(tx: Connection) -> str:
    return str(tx.execute("SELECT form FROM search_progress").get)


def _position(tx: Connection) -> int:
    return int(tx.execute("SELECT position FROM search_progress").get or 0)
