"""What each folder holds is kept, whoever writes, and its version tells whether a list has changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
import sqlite_shell
from onifast_shared.db import migrate
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, counts, indexing, labelling, labels, mailbox
from onifast_shared.mailboxes.counts import FolderCount, WrongCount
from onifast_shared.mailboxes.indexing import MessageIndex
from onifast_shared.recipients import addresses, correspondents
from onifast_shared.values.address import Address
from onifast_shared.values.label_names import COLOURS

RAW = b"From: bob@remote.test\r\nSubject: lunch\r\n\r\nToday?\r\n"


def deliver(database: Database, owner: str = "ann", *, folder: str = "inbox") -> int:
    ref = contents.store(database, RAW)

    def add(tx: Connection) -> int:
        return mailbox.add(
            tx,
            owner=owner,
            recipient=f"{owner}@example.test",
            reverse_path="bob@remote.test",
            content_id=contents.attach(tx, ref),
            size=ref.size,
            now=1000.0,
            folder=folder,
        )

    return database.write(add)


def kept(database: Database, owner: str | None = "ann", folder: str = "inbox") -> tuple[int, int]:
    found = database.read(lambda tx: counts.of(tx, owner))[folder]
    return found.total, found.unread


def version(database: Database, owner: str | None = "ann", folder: str | None = "inbox") -> str:
    return database.read(lambda tx: counts.version(tx, owner, folder))


def is_right(database: Database) -> bool:
    return not list(counts.check(database))


def test_every_folder_has_its_numbers_mail_or_not(database: Database) -> None:
    ids = [deliver(database) for _ in range(3)]
    database.write(lambda tx: mailbox.set_read(tx, "ann", ids[:1], is_read=True))
    assert list(database.read(lambda tx: counts.of(tx, "ann"))) == list(mailbox.FOLDERS)
    assert (kept(database), kept(database, folder="trash")) == ((3, 2), (0, 0))


def test_what_is_moved_and_removed_is_counted_where_it_went(database: Database) -> None:
    first, second = deliver(database), deliver(database)
    database.write(lambda tx: mailbox.move(tx, "ann", [first, second], "trash"))
    assert (kept(database), kept(database, folder="trash")) == ((0, 0), (2, 2))
    database.write(lambda tx: mailbox.purge(tx, "ann", [second]))
    assert kept(database, folder="trash") == (1, 1)
    assert is_right(database)


def test_an_administrator_sees_everybodys_but_what_is_set_aside(database: Database) -> None:
    deliver(database), deliver(database, "bob")
    assert kept(database, None) == (2, 2)
    database.write(lambda tx: tx.execute("UPDATE emails SET owner = '~1:bob' WHERE owner = 'bob'"))
    assert (kept(database, None), kept(database, "bob"), kept(database, "~1:bob")) == ((1, 1), (0, 0), (1, 1))
    assert is_right(database)


SCRIPTS = {
    "a row with the contract's columns": (
        "INSERT INTO emails (sender, recipient, subject, body) VALUES ('b@r.test', 'ann@example.test', 's', 'b');",
        (1, 1),
    ),
    "a folder in other letters": (
        "INSERT INTO emails (sender, recipient, folder) VALUES ('b@r.test', 'ann@example.test', 'INBOX');",
        (1, 1),
    ),
    "a folder that there is not": (
        "INSERT INTO emails (sender, recipient, folder) VALUES ('b@r.test', 'ann@example.test', 'Spam');",
        (1, 1),
    ),
    "read, as a word": (
        "INSERT INTO emails (sender, recipient, is_read) VALUES ('b@r.test', 'ann@example.test', 'yes');",
        (1, 0),
    ),
    "read, then not known": (
        "INSERT INTO emails (sender, recipient, is_read) VALUES ('b@r.test', 'ann@example.test', 1);"
        "UPDATE emails SET is_read = NULL;",
        (1, 1),
    ),
    "all read at once": (
        "INSERT INTO emails (sender, recipient) VALUES ('b@r.test', 'ann@example.test'), ('c@r.test',"
        " 'ann@example.test'); UPDATE emails SET is_read = 1;",
        (2, 0),
    ),
    "somebody else's now": (
        "INSERT INTO emails (sender, recipient) VALUES ('b@r.test', 'ann@example.test');"
        "UPDATE emails SET owner = 'bob', folder = 'archive';",
        (0, 0),
    ),
    "nobody's": ("INSERT INTO emails (sender, recipient) VALUES ('b@r.test', 'x@y.test');", (0, 0)),
    "with its owner": (
        "INSERT INTO emails (sender, recipient, owner, received_ts) VALUES ('b@r.test', 'x@y.test', 'ann', 5);",
        (1, 1),
    ),
    "all deleted": (
        "INSERT INTO emails (sender, recipient) VALUES ('b@r.test', 'ann@example.test'); DELETE FROM emails;",
        (0, 0),
    ),
    "another id": (
        "INSERT INTO emails (sender, recipient) VALUES ('b@r.test', 'ann@example.test'); UPDATE emails SET id = 9;",
        (1, 1),
    ),
    "taken back": (
        "INSERT INTO emails (sender, recipient) VALUES ('b@r.test', 'ann@example.test');"
        "BEGIN; DELETE FROM emails; ROLLBACK;",
        (1, 1),
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_scripts_do_is_counted(database: Database, name: str) -> None:
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@example.test"), "ann"))
    sql, wanted = SCRIPTS[name]
    sqlite_shell.run(database.path, sql)
    assert kept(database) == wanted
    assert is_right(database)


def test_whatever_happens_in_whatever_order_the_numbers_are_right(database: Database) -> None:
    lot = random.Random(5)
    statements = []
    for _ in range(400):
        owner = lot.choice(["'ann'", "'bob'", "NULL", "''", "'~1:eve'"])
        folder = lot.choice(["'inbox'", "'trash'", "'Sent'", "NULL", "'x'"])
        read = lot.choice(["0", "1", "NULL", "'no'", "2.5"])
        some = f"id % {lot.randint(2, 9)} = {lot.randint(0, 1)}"
        statements.append(
            lot.choice(
                [
                    f"INSERT INTO emails (owner, folder, is_read) VALUES ({owner}, {folder}, {read});",
                    f"INSERT INTO emails (owner, folder, received_ts) VALUES ({owner}, {folder}, 1), (NULL, 'x', 2);",
                    f"UPDATE emails SET owner = {owner}, is_read = {read} WHERE {some};",
                    f"UPDATE emails SET folder = {folder} WHERE {some};",
                    f"UPDATE emails SET is_read = {read}, subject = 's' WHERE {some};",
                    f"DELETE FROM emails WHERE {some} AND id % 3 = 0;",
                ]
            )
        )
    sqlite_shell.run(database.path, "\n".join(statements))
    assert is_right(database)
    (negative,) = sqlite_shell.run(database.path, "SELECT count(*) FROM folder_counts WHERE total < 0 OR unread < 0;")
    assert negative == "0"


def test_what_no_trigger_sees_is_found_and_put_right(database: Database) -> None:
    email_id = deliver(database)
    deliver(database, "bob", folder="archive")
    before = version(database)
    replace = f"INSERT OR REPLACE INTO emails (id, owner, folder, received_ts) VALUES ({email_id}, 'ann', 'inbox', 1);"
    sqlite_shell.run(database.path, replace)
    wrong = list(counts.check(database))
    assert WrongCount("ann", "inbox", FolderCount(2, 2), FolderCount(1, 1)) in wrong
    assert counts.rebuild(database)[0] == wrong[0]
    assert kept(database) == (1, 1) and kept(database, None) == (1, 1)
    assert is_right(database) and counts.rebuild(database) == []
    assert version(database) != before


def test_what_is_nobodys_is_mended_too(database: Database) -> None:
    sqlite_shell.run(database.path, "INSERT INTO emails (owner, folder) VALUES (NULL, 'inbox'), ('', 'inbox');")
    sqlite_shell.run(database.path, "DELETE FROM folder_counts;")
    assert {each.owner for each in counts.check(database)} == {""}
    counts.rebuild(database)
    assert is_right(database)
    assert kept(database, "") == (2, 2) and kept(database, None) == (2, 2)


def test_every_owner_is_looked_at_once_in_steps(database: Database) -> None:
    for name in ("cat", "ann", "bob"):
        deliver(database, name)
    sqlite_shell.run(database.path, "INSERT INTO folder_counts (owner, folder) VALUES ('dan', 'inbox');")
    seen, after = list[str](), ""
    while names := database.read(lambda tx, after=after: counts.owners(tx, after, limit=2)):  # type: ignore[misc]
        seen += names
        after = names[-1]
    assert seen == ["*", "ann", "bob", "cat", "dan"]


def test_mail_from_before_is_counted_when_the_database_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "onifast-mail.db"
    before = [each.sql for each in migrate.migrations() if each.number < _number()]
    mail = "('ann', 'inbox', 0), ('ann', 'inbox', 1), (NULL, 'sent', 1)"
    rows = f"INSERT INTO emails (owner, folder, is_read) VALUES {mail};"
    sqlite_shell.run(path, "\n".join(["PRAGMA journal_mode=WAL;", "BEGIN;", *before, rows, _recorded(), "COMMIT;"]))
    database = Database.open(path)
    try:
        assert kept(database) == (2, 1) and kept(database, None, "sent") == (1, 0)
        assert is_right(database)
    finally:
        database.close()


def _number() -> int:
    return next(each.number for each in migrate.migrations() if "folder_counts" in each.name)


def _recorded() -> str:
    rows = [f"({each.number}, '{each.name}', 2)" for each in migrate.migrations() if each.number < _number()]
    return f"INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES {', '.join(rows)};"


INDEX = MessageIndex("bob@remote.test", "Bob", "lunch", "Today?", "Today?", "<1@remote.test>", False)


def index(tx: Connection, email_id: int) -> None:
    item = next(each for each in indexing.unindexed(tx) if each.id == email_id)
    indexing.set_index(tx, item, INDEX)


CHANGES: dict[str, Callable[[Connection, int], object]] = {
    "indexed": index,
    "read": lambda tx, email_id: mailbox.set_read(tx, "ann", [email_id], True),
    "moved": lambda tx, email_id: mailbox.move(tx, "ann", [email_id], "trash"),
    "removed": lambda tx, email_id: mailbox.erase(tx, [email_id]),
    "another's": lambda tx, email_id: tx.execute("UPDATE emails SET owner = 'bob' WHERE id = ?", (email_id,)),
    "subject": lambda tx, email_id: tx.execute("UPDATE emails SET subject = 'x' WHERE id = ?", (email_id,)),
    "authentication": lambda tx, email_id: tx.execute(
        "UPDATE emails SET authentication = '{}' WHERE id = ?", (email_id,)
    ),
    "star": lambda tx, email_id: labelling.set_starred(tx, "ann", [email_id], True),
    "label": lambda tx, email_id: labelling.assign(tx, labels.create(tx, "ann", "x", now=1.0), [email_id]),
    "time": lambda tx, email_id: tx.execute("UPDATE emails SET received_ts = 5 WHERE id = ?", (email_id,)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_version_changes_with_what_a_list_shows(database: Database, name: str) -> None:
    email_id = deliver(database)
    mine, all_mine, everybodys = version(database), version(database, folder=None), version(database, None)
    database.write(lambda tx: CHANGES[name](tx, email_id))
    assert mine != version(database)
    assert all_mine != version(database, folder=None)
    assert everybodys != version(database, None)


def test_the_version_changes_with_a_label_that_is_shown(database: Database) -> None:
    email_id = deliver(database)
    label = database.write(lambda tx: labels.create(tx, "ann", "x", now=1.0))
    database.write(lambda tx: labelling.assign(tx, label, [email_id]))
    seen = [version(database)]
    for change in (
        lambda tx: labels.rename(tx, label, "y", 1.0),
        lambda tx: labels.set_colour(tx, label, next(iter(COLOURS))),
        lambda tx: labelling.take_off(tx, label, [email_id]),
        lambda tx: labelling.assign(tx, label, [email_id]),
        lambda tx: labels.delete(tx, label),
    ):
        database.write(change)
        seen.append(version(database))
    assert len(set(seen)) == len(seen)


def test_the_version_stays_where_nothing_that_is_shown_changes(database: Database) -> None:
    email_id = deliver(database)
    before = version(database), version(database, None)
    deliver(database, folder="trash")
    database.write(lambda tx: indexing.set_filed(tx, email_id, "/home/ann/x.eml"))
    assert before[0] == version(database)
    deliver(database, "bob")
    assert before[0] == version(database) and before[1] != version(database, None)


def test_a_version_never_comes_back(database: Database) -> None:
    seen = set[str]()
    for _ in range(3):
        email_id = deliver(database)
        seen.add(version(database))
        database.write(lambda tx, email_id=email_id: mailbox.erase(tx, [email_id]))  # type: ignore[misc]
        seen.add(version(database))
    assert len(seen) == 6


KNOWN = """
    INSERT INTO correspondents (owner, address, domain, name, known_ts, last_ts)
    VALUES ('ann', 'bob@remote.test', 'remote.test', 'Bob', 1, 1);
"""
LEARNT = {
    "somebody new": ("", KNOWN, True),
    "another name": (KNOWN, "UPDATE correspondents SET name = 'Robert';", True),
    "written to": (KNOWN, "UPDATE correspondents SET written_ts = 5;", True),
    "forgotten": (KNOWN, "DELETE FROM correspondents;", True),
    "another's": (KNOWN, "UPDATE correspondents SET owner = 'bob';", True),
    "heard again": (KNOWN, "UPDATE correspondents SET last_ts = 9, name = 'Bob';", False),
    "an address of theirs": ("", "INSERT INTO mail_addresses (address, owner) VALUES ('a@b.test', 'ann');", True),
}


@pytest.mark.parametrize("name", LEARNT)
def test_what_makes_messages_doubtful_has_a_version(database: Database, name: str) -> None:
    before, change, differs = LEARNT[name]
    sqlite_shell.run(database.path, before)
    first = database.read(lambda tx: (counts.reader_version(tx, "ann"), correspondents.of(tx, "ann")))
    sqlite_shell.run(database.path, change)
    second = database.read(lambda tx: counts.reader_version(tx, "ann"))
    assert (first[0] != second) is differs


def test_nothing_is_counted_by_reading_messages(database: Database) -> None:
    """The plans name the small tables alone."""
    touched = set[str]()

    def note(table: object) -> int:
        touched.add(str(table))
        return apsw.SQLITE_OK

    def trace(tx: Connection) -> None:
        tx.set_authorizer(lambda _action, table, *_: note(table))
        try:
            counts.of(tx, "ann"), counts.of(tx, None)
            counts.version(tx, "ann"), counts.version(tx, None, "inbox"), counts.reader_version(tx, "ann")
        finally:
            tx.set_authorizer(None)

    database.read(trace)
    assert "folder_counts" in touched and "emails" not in touched
