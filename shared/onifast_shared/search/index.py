"""The index: which words each message is found by, and in which volume of its owner's these lie.

A volume holds a few thousand messages of one owner. Each word is indexed with the volume's number before it, so that a
search reads what is that owner's alone, the newest volume first. A message is numbered by its volume and a slot there;
slots grow with time in both directions from the middle, so that a volume can be read from its newest message on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.message.parsing import Parsed
from onifast_shared.search.words import words

VOLUME_SIZE = 2048
"""Slots of a volume. A search of the newest mail looks into one volume; one for a rare word looks into all."""

SLOT_BITS = 16
_MIDDLE = 1 << (SLOT_BITS - 1)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIX_LENGTH = 5

COLUMNS = ("sender", "recipient", "cc", "subject", "body", "filename", "list")
"""The columns of `mail_words`."""

MOST_EXTRAS = 4000
"""Characters of each of the extras that are kept."""

SOURCE = "sender, sender_name, recipient, subject, body"
"""The columns of `emails` that a message is found by."""


@dataclass(frozen=True)
class Extras:
    """What a message is found by besides the columns of its row: fields of its header, and its files' names."""

    to: str = ""
    cc: str = ""
    filenames: str = ""
    mailing_list: str = ""

    def stored(self) -> str:
        """As `search_documents` has it."""
        return json.dumps({name: value[:MOST_EXTRAS] for name, value in vars(self).items() if value})

    @classmethod
    def of(cls, parsed: Parsed) -> Extras:
        """What a message has."""
        names = "\n".join(each.filename for each in parsed.attachments)
        return cls(parsed.to, parsed.cc, names, parsed.header("list-id") or "")

    @classmethod
    def parse(cls, text: str | None) -> Extras:
        """What `stored` gave."""
        return cls(**json.loads(text or "{}"))


@dataclass(frozen=True)
class SearchDocument:
    """A message on its way into the index: the row that it was read from, and its words, column by column."""

    email_id: int
    owner: str | None
    received_ts: int
    source: tuple[Any, ...]
    extras: str
    words: tuple[tuple[str, ...], ...]
    checksum: int

    @classmethod
    def of(
        cls, email_id: int, owner: str | None, received_ts: int, source: Sequence[Any], extras: Extras
    ) -> SearchDocument:
        """Finds the words of a row with these columns of SOURCE; a long text takes milliseconds."""
        stored = extras.stored()
        found = _words(source, Extras.parse(stored))
        return cls(email_id, owner, received_ts, tuple(source), stored, found, _checksum(found))


def add(tx: Connection, document: SearchDocument) -> bool:
    """Makes a message searchable; False where it is by now, is gone, or is not any more as it was read."""
    columns = f"SELECT owner, coalesce(received_ts, 0), {SOURCE} FROM emails WHERE id = ?"
    found = tx.execute(columns, (document.email_id,)).fetchone()
    if found is None or tuple(found) != (document.owner, document.received_ts, *document.source):
        return False
    tx.execute("DELETE FROM search_queue WHERE email_id = ?", (document.email_id,))
    sql = "SELECT checksum = ? AND received_ts = ? FROM search_documents WHERE email_id = ?"
    if tx.execute(sql, (document.checksum, document.received_ts, document.email_id)).get:
        return False
    # Of a row that took another one's place (INSERT OR REPLACE), no trigger knows.
    tx.execute("DELETE FROM search_documents WHERE email_id = ?", (document.email_id,))
    document_id = _take_slot(tx, document)
    values = (document_id, document.email_id, document.received_ts, document.extras, document.checksum)
    tx.execute(
        "INSERT INTO search_documents (id, email_id, received_ts, extras, checksum) VALUES (?, ?, ?, ?, ?)", values
    )
    marks = ", ".join("?" * (1 + len(COLUMNS)))
    tx.execute(
        f"INSERT INTO mail_words (rowid, {', '.join(COLUMNS)}) VALUES ({marks})",
        (document_id, *_prefixed(document.words, document_id >> SLOT_BITS)),
    )
    return True


def remove_words(tx: Connection, document_id: int, source: Sequence[Any], extras: str, checksum: int) -> bool:
    """Takes the words of what is in no volume any more out of the index; False where these cannot be told.

    Then they stay until the index is made anew, and nobody finds anything by them.
    """
    found = _words(source, Extras.parse(extras))
    if _checksum(found) != checksum:
        return False
    marks = ", ".join("?" * (2 + len(COLUMNS)))
    tx.execute(
        f"INSERT INTO mail_words (mail_words, rowid, {', '.join(COLUMNS)}) VALUES ({marks})",
        ("delete", document_id, *_prefixed(found, document_id >> SLOT_BITS)),
    )
    return True


def remove_empty_volumes(tx: Connection, numbers: Iterable[int]) -> None:
    """Forgets those of the volumes in which nothing is left."""
    tx.executemany("DELETE FROM search_volumes WHERE id = ? AND documents <= 0", [(each,) for each in set(numbers)])


@lru_cache(maxsize=4096)
def prefix(volume: int) -> str:
    """What each word of a volume begins with in the index."""
    digits = ""
    for _ in range(_PREFIX_LENGTH):
        volume, digit = divmod(volume, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _take_slot(tx: Connection, document: SearchDocument) -> int:
    """The id for a document, in the volume of its owner where it lies best."""
    owner, key = document.owner or "", (document.received_ts, document.email_id)
    rows: list[tuple[Any, ...]] = tx.execute(
        "SELECT id, first_ts, first_id, last_ts, last_id, lowest, highest FROM search_volumes"
        " WHERE owner = ? AND is_full = 0",
        (owner,),
    ).fetchall()
    newer = [row for row in rows if key > (row[3], row[4])]
    older = [row for row in rows if key < (row[1], row[2])]
    if newer:
        volume = max(newer, key=lambda row: (row[3], row[4]))
        slot = volume[6] + 1
        change = "last_ts = ?1, last_id = ?2, highest = ?3"
    elif older:
        volume = min(older, key=lambda row: (row[1], row[2]))
        slot = volume[5] - 1
        change = "first_ts = ?1, first_id = ?2, lowest = ?3"
    elif rows:
        volume = rows[0]
        slot = volume[6] + 1
        change = "in_order = 0, highest = ?3"
    else:
        return _new_volume(tx, owner, key)
    is_full = volume[6] - volume[5] + 2 >= VOLUME_SIZE
    sql = f"UPDATE search_volumes SET {change}, is_full = ?4 WHERE id = ?5"
    tx.execute(sql, (*key, slot, int(is_full), volume[0]))
    return int(volume[0] << SLOT_BITS | slot)


def _new_volume(tx: Connection, owner: str, key: tuple[int, int]) -> int:
    tx.execute(
        "INSERT INTO search_volumes (owner, first_ts, first_id, last_ts, last_id, lowest, highest)"
        " VALUES (?1, ?2, ?3, ?2, ?3, ?4, ?4)",
        (owner, *key, _MIDDLE),
    )
    return tx.last_insert_rowid() << SLOT_BITS | _MIDDLE


def _words(source: Sequence[Any], extras: Extras) -> tuple[tuple[str, ...], ...]:
    sender, sender_name, recipient, subject, body = map(_text, source)
    texts = (
        f"{sender_name}\n{sender}",
        f"{extras.to}\n{recipient}",
        extras.cc,
        subject,
        body,
        extras.filenames,
        extras.mailing_list,
    )
    return tuple(tuple(words(text)) for text in texts)


def _text(value: object) -> str:
    # Other programs write what they like into their rows.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def _checksum(found: Sequence[Sequence[str]]) -> int:
    text = "\n".join(" ".join(column) for column in found)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")


def _prefixed(found: Sequence[Sequence[str]], volume: int) -> list[str]:
    before = prefix(volume)
    return [" ".join([before + word for word in column]) for column in found]
