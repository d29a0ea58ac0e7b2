"""The database that measurements are made on is what the programs would have made of the same messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from onifast_outbox.filing import indexer
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, counts, mailbox
from onifast_shared.search import check

from bench import mailbox_database
from bench.letters import Letters, Numbers
from bench.mailbox_database import AUTHENTICATION

NUMBERS = Numbers(messages=2600, inbox=2200, users=5)
"""Enough for a volume of the index that is full, and for one owner with mail in all folders."""

IGNORED = {
    "contents": {"created_ts"},  # when this was run
    "conversation_keys": {"id"},  # nothing refers to it
    "folder_counts": {"version"},  # how often something changed
    "domains": {"created_at"},
    "mail_addresses": {"created_at"},
    "put_away": {"since_ts"},
    "schema_migrations": {"applied_at"},
}
LEFT_OUT = ("mail_words", "mail_search", "sqlite_", "database_identity")

TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
WORDS = "SELECT term, doc, col, offset FROM temp.instances"


@pytest.fixture(scope="module")
def in_bulk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database as `make bench-web` has it made."""
    directory = tmp_path_factory.mktemp("bulk")
    opened = Database.open(mailbox_database.build(directory, NUMBERS))
    yield opened
    opened.close()


@pytest.fixture
async def one_by_one(tmp_path: Path) -> Any:
    """The same messages, accepted and indexed as all mail is."""
    path = Settings(root=tmp_path, hostname="mail.bench.test").database
    letters = Letters(NUMBERS)
    mailbox_database.prepare(path, letters)
    database = Database.open(path)
    database.write(lambda tx: _accept_all(tx, letters))
    while await indexer.run_once(database):
        pass
    yield database
    database.close()


def _accept_all(tx: Connection, letters: Letters) -> None:
    for envelope in letters.envelopes():
        raw = letters.raw(envelope, letters.text(envelope))
        mailbox.add(
            tx,
            owner=envelope.owner,
            recipient=envelope.recipient,
            reverse_path=envelope.author[1],
            content_id=contents.attach(tx, contents.ContentRef(len(raw), raw, None)),
            size=len(raw),
            now=envelope.at,
            folder=envelope.folder,
            is_read=envelope.is_read,
            authentication=AUTHENTICATION,
            queue_id=mailbox_database.queue_id(envelope.number),
        )


def _rows(tx: Connection, table: str) -> set[tuple[Any, ...]]:
    columns = [row[1] for row in tx.execute(f"PRAGMA table_info ({table})") if row[1] not in IGNORED.get(table, ())]
    return set(tx.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall())


def _words(tx: Connection) -> list[tuple[Any, ...]]:
    tx.execute("PRAGMA query_only=OFF")
    tx.execute("CREATE VIRTUAL TABLE temp.instances USING fts5vocab (main, mail_words, instance)")
    found = tx.execute(WORDS).fetchall()
    tx.execute("DROP TABLE temp.instances")
    return found


@pytest.mark.slow
async def test_rows_that_are_written_in_bulk_are_those_of_messages_that_are_indexed_one_by_one(
    in_bulk: Database, one_by_one: Database
) -> None:
    names = [str(name) for (name,) in one_by_one.read(lambda tx: tx.execute(TABLES).fetchall())]
    for name in names:
        if not name.startswith(LEFT_OUT):
            made, wanted = (each.read(lambda tx, name=name: _rows(tx, name)) for each in (in_bulk, one_by_one))  # type: ignore[misc]
            assert made == wanted, name
    assert in_bulk.read(_words) == one_by_one.read(_words)
    for sql in ("SELECT * FROM sqlite_sequence ORDER BY name", "SELECT id, sz FROM mail_words_docsize", SCHEMA):
        made, wanted = (each.read(lambda tx, sql=sql: tx.execute(sql).fetchall()) for each in (in_bulk, one_by_one))  # type: ignore[misc]
        assert made == wanted


@pytest.mark.slow
def test_a_database_that_is_made_in_bulk_is_sound(in_bulk: Database) -> None:
    assert in_bulk.read(lambda tx: tx.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]
    in_bulk.write(lambda tx: tx.execute("INSERT INTO mail_words (mail_words) VALUES ('integrity-check')"))
    assert list(counts.check(in_bulk)) == []
    assert list(check.check(in_bulk)) == []


def test_a_letter_is_the_same_from_whichever_process() -> None:
    one, other = Letters(NUMBERS), Letters(NUMBERS)
    later = one.envelope(2000), one.envelope(7)
    assert later == (other.envelope(2000), other.envelope(7))
    assert [one.raw(each, one.text(each)) for each in later] == [other.raw(each, other.text(each)) for each in later]
