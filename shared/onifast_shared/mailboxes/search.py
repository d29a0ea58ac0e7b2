"""The full-text index: which words a message is found by, and what people type to find it.

The tokenizer takes what stands between spaces and marks for a word, but Japanese, Chinese, Thai and their like write no
spaces. So each character of such scripts is indexed as a word, and a word of them is looked for as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from onifast_shared.db.database import Connection

_MOST_WORDS = 20  # of those that are looked for
# Kana, Han, Hangul (whose words take particles), Thai, Lao, Burmese and Khmer.
_SOLID = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_OF_OTHER_WIDTH = re.compile("[\uff01-\uff9f]+")
_WORD = re.compile(r"\w+(?:[.@+'-]\w+)*")
_COLUMNS = "sender, sender_name, recipient, subject, body"


@dataclass(frozen=True)
class Swept:
    """Rows that were looked at: all with `below` < id <= `position`, and of them those that need not be changed."""

    position: int
    below: int
    unchanged: frozenset[int]


def solid_apart(text: str) -> str:
    """Text with characters of scripts without spaces set apart, and of usual width."""
    if text.isascii():
        return text
    usual = _OF_OTHER_WIDTH.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return _SOLID.sub(r" \g<0> ", usual)


def match_expression(q: str) -> str:
    """A user's words as an FTS5 query: all have to occur, the last one may be unfinished, none is an operator."""
    words = _WORD.findall(_OF_OTHER_WIDTH.sub(lambda match: unicodedata.normalize("NFKC", match[0]), q))
    if not words:
        return '""'
    quoted = [f'"{" ".join(solid_apart(word).split())}"' for word in words[:_MOST_WORDS]]
    return " AND ".join(quoted) + "*"


def add(tx: Connection, email_id: int) -> None:
    """Makes a row searchable."""
    values = _values(tx, email_id)
    if values is not None:
        _insert(tx, email_id, _indexed_as(tx, email_id, values))


def remove(tx: Connection, email_id: int) -> None:
    """Takes a row out of the index, which needs the words that it was indexed with."""
    values = _values(tx, email_id)
    if values is not None:
        _delete(tx, email_id, _indexed_as(tx, email_id, values))


def look(tx: Connection, limit: int = 200) -> Swept | None:
    """What the next rows from before 0011 need; None where there are none left."""
    position = _position(tx)
    ids = [
        int(row[0])
        for row in tx.execute("SELECT id FROM emails WHERE id <= ? ORDER BY id DESC LIMIT ?", (position, limit))
    ]
    if not ids:
        return None
    found = {email_id: _values(tx, email_id) or [] for email_id in ids}
    same = frozenset(each for each, values in found.items() if all(solid_apart(value) == value for value in values))
    return Swept(position, ids[-1] - 1, same)


def sweep(tx: Connection, swept: Swept) -> None:
    """Indexes the rows anew that `look` has found; nothing where another process has done so."""
    if _position(tx) != swept.position:
        return
    sql = "SELECT id FROM emails WHERE id > ? AND id <= ? AND indexed = 1"
    for email_id in [int(row[0]) for row in tx.execute(sql, (swept.below, swept.position))]:
        values = None if email_id in swept.unchanged else _values(tx, email_id)
        if values is not None:
            _delete(tx, email_id, values)
            _insert(tx, email_id, [solid_apart(value) for value in values])
    tx.execute("UPDATE search_sweep SET position = ?", (swept.below,))


def _indexed_as(tx: Connection, email_id: int, values: list[str]) -> list[str]:
    return values if email_id <= _position(tx) else [solid_apart(value) for value in values]


def _position(tx: Connection) -> int:
    """The last row that is indexed as rows were before 0011."""
    return int(tx.execute("SELECT position FROM search_sweep").get or 0)


def _values(tx: Connection, email_id: int) -> list[str] | None:
    row = tx.execute(f"SELECT {_COLUMNS} FROM emails WHERE id = ?", (email_id,)).fetchone()
    return None if row is None else [_text(value) for value in row]


def _text(value: object) -> str:
    # Other programs write what they like into their rows.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)


def _insert(tx: Connection, email_id: int, values: list[str]) -> None:
    tx.execute(f"INSERT INTO mail_search (rowid, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", (email_id, *values))


def _delete(tx: Connection, email_id: int, values: list[str]) -> None:
    sql = f"INSERT INTO mail_search (mail_search, rowid, {_COLUMNS}) VALUES ('delete', ?, ?, ?, ?, ?, ?)"
    tx.execute(sql, (email_id, *values))
