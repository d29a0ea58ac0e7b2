"""The search index of made-up mail, all at once: what `search.index` makes of the same messages one by one.

A text is sentences, and these are few: their words are found once. Messages come volume by volume, so that each word is
written at the index's end.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import apsw
from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.search import index
from onifast_shared.search.index import COLUMNS, SLOT_BITS, VOLUME_SIZE, Extras
from onifast_shared.search.words import words

from bench.letters import FILE_NAME, Envelope, Letters, Numbers, address_of

_MIDDLE = 1 << (SLOT_BITS - 1)
_IN_MEMORY = 64 << 20
"""Octets of words that FTS5 gathers before it writes them."""
_SHADOWS = ("data", "idx", "docsize")
_TABLES = f"""
    CREATE VIRTUAL TABLE mail_words USING fts5 ({", ".join(COLUMNS)}, content = '', tokenize = 'ascii');
    INSERT INTO mail_words (mail_words, rank) VALUES ('hashsize', {_IN_MEMORY});
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY, email_id INTEGER, received_ts INTEGER, extras TEXT, checksum INTEGER
    );
"""


_VOLUME = """
    INSERT INTO search_volumes (owner, first_ts, first_id, last_ts, last_id, lowest, highest, is_full, documents)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Volume(NamedTuple):
    """One volume of the index, and the messages in it, the oldest first."""

    owner: str
    numbers: array[int]

    @property
    def is_full(self) -> bool:
        """Whether the next message begins another one."""
        return len(self.numbers) >= VOLUME_SIZE


def build(numbers: Numbers, path: Path) -> None:
    """Makes the index of so much mail in a database of its own."""
    letters = Letters(numbers)
    found = _Words(letters)
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE").fetchall()
        with connection:
            connection.execute(_TABLES)
            for number, volume in enumerate(volumes(letters), 1):
                _add(connection, number, [(letters.envelope(each), found) for each in volume.numbers])
    finally:
        connection.close()


def take(connection: Connection, letters: Letters, path: Path) -> None:
    """Copies the index that `build` made at `path`, and writes the volumes."""
    connection.execute("ATTACH ? AS words", (str(path),))
    with connection:
        for shadow in _SHADOWS:
            connection.execute(f"DELETE FROM main.mail_words_{shadow}")
            connection.execute(
                f"INSERT INTO main.mail_words_{shadow} SELECT * FROM words.mail_words_{shadow} ORDER BY 1"
            )
        connection.execute("INSERT INTO search_documents SELECT * FROM words.documents ORDER BY id")
        connection.executemany(_VOLUME, [_volume_row(letters, volume) for volume in volumes(letters)])
    connection.execute("DETACH words")


def volumes(letters: Letters) -> list[Volume]:
    """All volumes, in the order in which their first messages came: that of their numbers."""
    found = [
        Volume(owner, mine[first : first + VOLUME_SIZE])
        for owner in letters.users
        for mine in (letters.numbers_of(owner),)
        for first in range(0, len(mine), VOLUME_SIZE)
    ]
    return sorted(found, key=lambda volume: volume.numbers[0])


def _volume_row(letters: Letters, volume: Volume) -> tuple[SqlValue, ...]:
    first, last, count = volume.numbers[0], volume.numbers[-1], len(volume.numbers)
    times = (letters.at(first), first, letters.at(last), last)
    return volume.owner, *times, _MIDDLE, _MIDDLE + count - 1, int(volume.is_full), count


class _Words:
    """The words of all that messages are made of, parted by spaces."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters
        self._sentences = [_joined(sentence) for sentence in letters.sentences]
        self._subjects = [_joined(subject) for subject in letters.subjects]
        self._people = {person: _joined("\n".join(person)) for each in letters.people.values() for person in each}
        self._owners = {owner: _joined(address_of(owner)) for owner in letters.users}
        self._file_name = _joined(FILE_NAME)

    def of(self, envelope: Envelope) -> tuple[str, ...]:
        """Those of a message, column by column."""
        person, owner = self._people[envelope.person], self._owners[envelope.owner]
        address = _joined(envelope.person[1]) if envelope.is_sent else owner
        answer = "re " if envelope.ancestors else ""
        return (
            *(owner if envelope.is_sent else person, f"{address} {address}", ""),
            answer + self._subjects[envelope.subject_number],
            " ".join([self._sentences[each] for each in self._letters.lines(envelope)]),
            *(self._file_name if envelope.has_file else "", ""),
        )


def _add(connection: Connection, volume: int, messages: Sequence[tuple[Envelope, _Words]]) -> None:
    before = index.prefix(volume)
    documents = list[tuple[int, int, int, str, int]]()

    def rows() -> Iterator[tuple[int | str, ...]]:
        for slot, (envelope, found) in enumerate(messages, _MIDDLE):
            columns, id = found.of(envelope), volume << SLOT_BITS | slot
            extras = Extras(to=envelope.recipient, filenames=FILE_NAME if envelope.has_file else "").stored()
            checksum = blake2b("\n".join(columns).encode(), digest_size=7).digest()
            documents.append((id, envelope.number, envelope.at, extras, int.from_bytes(checksum, "big")))
            yield id, *(before + each.replace(" ", " " + before) if each else "" for each in columns)

    marks = ", ".join("?" * (1 + len(COLUMNS)))
    connection.executemany(f"INSERT INTO mail_words (rowid, {', '.join(COLUMNS)}) VALUES ({marks})", rows())
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", documents)


def _joined(text: str) -> str:
    return " ".join(words(text))
