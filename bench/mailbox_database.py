"""python -m bench.mailbox_database DIRECTORY - a database with a million messages, for what measures mailboxes.

    .venv/bin/python -m bench.mailbox_database DIRECTORY [--messages N] [--inbox N] [--users N]

Makes a panel's root in DIRECTORY (`users/`, `config/onifast-mail.db`), as the programs leave it once everything is
indexed: by default 1,000,000 messages of 450 users (bench/letters.py), some 7 GB. One of them, `large`, has 100,000 in
the inbox; the others share the rest, in all folders, as it would have come in over three years. A directory that has
been filled with the same numbers is left as it is. The password of every user is their name.

Rows are written in bulk: finished, sorted, with no index and no trigger there, which are made again at the end; what
triggers count is counted by SQL. Two more processes make the search index (bulk_words) and the conversations
(bulk_conversations) meanwhile. A test holds it to what the programs make of the same messages one by one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import apsw
from onifast_shared.db.database import Connection, Database, SqlValue
from onifast_shared.machine.config import Settings
from onifast_shared.message.parsing import SNIPPET_LENGTH
from onifast_shared.search import upkeep
from onifast_shared.values import times

from bench import bulk_conversations, bulk_words
from bench.bulk_conversations import Conversations
from bench.letters import NEWEST, YEARS, Envelope, Letters, Numbers, address_of, message_id

AUTHENTICATION = {"spf": {"result": "pass"}, "dkim": [{"result": "pass", "domain": "other.test"}]}
"""What was found out about the sender of each message."""

_BULK_TABLES = ("emails", "contents", "conversations", "conversation_keys", "search_documents")
_CONTENT = "INSERT INTO contents (id, size, data, created_ts) VALUES (?, ?, ?, ?)"
_EMAIL = """
    INSERT INTO emails (id, sender, sender_name, recipient, subject, body, raw_content, file_path, received_at,
                        received_ts, is_read, folder, owner, content_id, trace, reverse_path, size, authentication,
                        snippet, message_id, has_attachments, indexed, filing, queue_id, conversation_id, is_answered)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', '', ?7, ?8, ?9, ?10, ?11, ?1, x'', ?2, ?12, ?13, ?14, ?15, ?16, 1, 0, ?17,
            ?18, ?19)
"""
_CORRESPONDENT = """
    INSERT INTO correspondents (owner, address, domain, name, known_ts, written_ts, last_ts)
    VALUES (?, ?, ?, ?, ?, NULL, ?)
"""
# What the triggers of `emails` count and note.
_COUNTS = """
    INSERT INTO folder_counts (owner, folder, total, unread, version)
    SELECT owner, folder, count(*), total(is_read = 0), 1 FROM emails GROUP BY owner, folder;
    INSERT INTO folder_counts (owner, folder, total, unread, version)
    SELECT '*', folder, sum(total), sum(unread), 1 FROM folder_counts GROUP BY folder;
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'owner', owner, sum(size), count(*) FROM emails GROUP BY owner;
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'address', lower(recipient), sum(size), count(*) FROM emails
    WHERE folder NOT IN ('sent', 'drafts') GROUP BY lower(recipient);
    INSERT INTO put_away (email_id, folder, since_ts)
    SELECT id, folder, CAST(strftime('%s', 'now') AS INTEGER) FROM emails WHERE folder IN ('trash', 'junk');
"""
_PASSED = json.dumps(AUTHENTICATION)


def build(directory: Path, numbers: Numbers) -> Path:
    """Fills `directory`, unless that has been done with the same numbers; returns the database's path."""
    settings = Settings(root=directory, hostname="mail.bench.test")
    done = directory / "filled.json"
    if done.exists() and json.loads(done.read_text()) == asdict(numbers):
        Database.open(settings.database).close()  # migrations may take longer than a program has to start
        return settings.database
    if settings.database.exists():
        raise FileExistsError(f"{settings.database} holds something else: remove it, or name another directory")
    directory.mkdir(parents=True, exist_ok=True)
    letters = Letters(numbers)
    make_users(settings.users_dir, letters.users)
    words = directory / "words.db"
    words.unlink(missing_ok=True)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as others:
        conversations = others.submit(bulk_conversations.find, numbers)
        index = others.submit(bulk_words.build, numbers, words)
        prepare(settings.database, letters)
        with _bulk(settings.database) as connection:
            _store_contents(connection, letters)
            _store_emails(connection, letters, conversations.result())
            index.result()
            bulk_words.take(connection, letters, words)
    words.unlink()
    Database.open(settings.database).close()
    done.write_text(json.dumps(asdict(numbers)))
    return settings.database


def prepare(path: Path, letters: Letters) -> None:
    """Makes the database with its users' addresses and correspondents, and no mail."""
    db = Database.open(path)
    try:
        db.write(lambda tx: _register(tx, letters))
        while db.write(upkeep.empty_some):
            pass
    finally:
        db.close()


def make_users(directory: Path, users: Sequence[str]) -> None:
    """Writes the panel's files."""
    directory.mkdir(parents=True, exist_ok=True)
    for user in users:
        salt = user.encode().ljust(8, b"-")
        digest = hashlib.scrypt(user.encode(), salt=salt, n=1024, r=8, p=1, dklen=32)
        stored = f"scrypt:1024:8:1${salt.decode()}${digest.hex()}"
        (directory / f"{user}.json").write_text(json.dumps({"username": user, "password": stored}))


def _register(tx: Connection, letters: Letters) -> None:
    addresses = [(address_of(user), user) for user in letters.users]
    tx.executemany("INSERT INTO mail_addresses (address, owner) VALUES (?, ?)", addresses)
    known = NEWEST - YEARS
    for owner in letters.users:
        people = {address: name for name, address in letters.people[owner]}
        rows = [(owner, at, at.partition("@")[2], name, known, NEWEST) for at, name in people.items()]
        tx.executemany(_CORRESPONDENT, rows)
    # Who is proposed as a recipient is learned from the same mail, and nothing that is measured asks for it.
    seen = "INSERT INTO correspondents_seen (source, last_id) VALUES (?, ?)"
    tx.executemany(seen, [(source, letters.numbers.messages) for source in ("emails", "addressees emails")])


@contextmanager
def _bulk(path: Path) -> Iterator[Connection]:
    """The database with nothing that each row would have to pay for; whoever is killed meanwhile begins anew."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute(
            "PRAGMA journal_mode=DELETE; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF;"
            " PRAGMA synchronous=OFF; PRAGMA cache_size=-64000; PRAGMA mmap_size=17179869184; PRAGMA threads=2;"
            " PRAGMA temp_store=MEMORY"
        ).fetchall()
        made = f"SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND type <> 'table' AND {_OF_BULK}"
        taken = connection.execute(made).fetchall()
        connection.execute("".join(f"DROP {kind} {name};" for kind, name, _ in taken))
        yield connection
        for _, _, sql in sorted(taken):  # indexes before triggers
            connection.execute(str(sql))
        with connection:
            connection.execute(_COUNTS)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
    finally:
        connection.close()


_OF_BULK = f"tbl_name IN {_BULK_TABLES}"


def _store_contents(connection: Connection, letters: Letters) -> None:
    def rows() -> Iterator[tuple[SqlValue, ...]]:
        for envelope in letters.envelopes():
            raw = letters.raw(envelope, letters.text(envelope))
            yield envelope.number, len(raw), raw, envelope.at

    with connection:
        connection.executemany(_CONTENT, rows())


def _store_emails(connection: Connection, letters: Letters, conversations: Conversations) -> None:
    with connection:
        ids = bulk_conversations.store(connection, letters, conversations)
        sizes = connection.execute("SELECT size FROM contents ORDER BY id")
        rows = (
            _row(letters, envelope, int(str(size)), ids, conversations.answered)
            for envelope, (size,) in zip(letters.envelopes(), sizes, strict=True)
        )
        connection.executemany(_EMAIL, rows)


def _row(
    letters: Letters, envelope: Envelope, size: int, conversations: array[int], answered: bytearray
) -> tuple[SqlValue, ...]:
    (name, address), number, text = envelope.author, envelope.number, letters.text(envelope)
    return (
        *(number, address, name, envelope.recipient, letters.subject(envelope), text),
        *(times.stored(envelope.at), envelope.at, int(envelope.is_read), envelope.folder, envelope.owner, size),
        *(_PASSED, text[:SNIPPET_LENGTH].replace("\n", " "), message_id(number), int(envelope.has_file)),
        *(queue_id(number), conversations[number], answered[number]),
    )


def queue_id(number: int) -> str:
    """The name of a message in logs."""
    return f"{number:010d}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills the directory that is named, and says how long that took."""
    parser = argparse.ArgumentParser(description="Make a database with many messages.")
    parser.add_argument("directory", type=Path)
    for name, default in asdict(Numbers()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args(arguments)
    os.umask(0o027)
    began = time.monotonic()
    path = build(asked.directory, Numbers(asked.messages, asked.inbox, asked.users))
    used = os.times()
    spent = used.user + used.system + used.children_user + used.children_system
    print(f"{path}: {path.stat().st_size / 1e9:.2f} GB, {time.monotonic() - began:.0f} s ({spent:.0f} s of CPU)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
