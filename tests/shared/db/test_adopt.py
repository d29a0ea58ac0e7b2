"""A database of the earlier program: adopted in place, with nothing lost, and open to its scripts as before."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import Search
from onifast_shared.recipients import addresses
from onifast_shared.transport import relay

TYPED = """
CREATE TABLE emails (id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT,
    body TEXT, raw_content TEXT, received_at DATETIME DEFAULT CURRENT_TIMESTAMP, is_read BOOLEAN DEFAULT 0,
    folder TEXT DEFAULT 'inbox', file_path TEXT);
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT, recipient TEXT, subject TEXT, body TEXT,
    status TEXT DEFAULT 'pending', attempts INTEGER DEFAULT 0, last_error TEXT,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE mail_addresses (address TEXT PRIMARY KEY, domain TEXT, local_part TEXT, owner TEXT, created_at DATETIME);
CREATE TABLE mail_config (key TEXT PRIMARY KEY, value TEXT);
"""
AS_PRINTED = """
CREATE TABLE emails (id, sender, recipient, subject, body, raw_content, received_at, is_read, folder, file_path);
CREATE TABLE outbox (id, sender, recipient, subject, body, status, attempts, last_error, created_at);
CREATE TABLE mail_addresses (address, domain, local_part, owner, created_at);
CREATE TABLE mail_config (key, value);
"""
ROWS = """
INSERT INTO mail_addresses VALUES ('Ann@Example.test', 'example.test', 'Ann', 'ann', '2024-01-02 03:04:05');
INSERT INTO mail_config VALUES ('relay_host', 'smart.example'), ('relay_port', '587'), ('theme', 'dark');
INSERT INTO emails VALUES (7, 'bob@remote.test', 'ann@example.test', 'Hello', 'Hi Ann',
    'From: Bob <bob@remote.test>' || char(13, 10) || 'Subject: Hello' || char(13, 10, 13, 10) || 'Hi Ann',
    '2024-05-01 12:34:56.789 +0200 CEST', 0, 'inbox', '/home/ann/.onifast/mail/7.eml');
INSERT INTO emails VALUES (9, 'ann@example.test', 'bob@remote.test', 'Re: Hello', 'Hi Bob', '',
    '2024-05-02T08:00:00Z', 1, 'sent', '');
INSERT INTO emails VALUES (11, 'x@remote.test', 'ann@example.test', 'Old', 'thrown away', NULL, 1714550400,
    1, 'Trash', NULL);
INSERT INTO outbox VALUES (3, 'ann@example.test', 'bob@remote.test', 'Waiting', 'text', 'pending', 0, NULL,
    '2024-05-02 08:00:00');
INSERT INTO outbox VALUES (4, 'ann@example.test', 'c@remote.test', 'Odd', 'text', 'queued?', 2, 'no route', NULL);
INSERT INTO outbox VALUES (5, 'ann@example.test', 'd@remote.test', 'Done', 'text', 'sent', 1, '',
    '2024-05-02 08:00:00');
"""


@pytest.fixture(params=[TYPED, AS_PRINTED], ids=["typed", "as printed in the documentation"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database with only the reference's four tables, and a row or more in each."""
    path = tmp_path / "onifast-mail.db"
    sqlite_shell.run(path, request.param + ROWS)
    return path


def test_its_mail_appears_in_its_owners_folders(earlier: Path) -> None:
    db = Database.open(earlier)
    inbox = db.read(lambda tx: mailbox.list_page(tx, "ann", "inbox")).rows
    assert [(row.id, row.sender, row.subject, row.is_read) for row in inbox] == [(7, "bob@remote.test", "Hello", False)]
    assert [row.id for row in db.read(lambda tx: mailbox.list_page(tx, "ann", "sent")).rows] == [9]
    assert [row.id for row in db.read(lambda tx: mailbox.list_page(tx, "ann", "trash")).rows] == [11]
    assert db.read(lambda tx: mailbox.raw(tx, 7)).endswith(b"Hi Ann")
    assert b"Subject: Re: Hello" in db.read(lambda tx: mailbox.raw(tx, 9))
    db.close()


def test_its_queue_goes_on_and_an_unknown_status_is_held(earlier: Path) -> None:
    db = Database.open(earlier)
    rows = {row.id: row for row in db.read(lambda tx: queue_view.list_page(tx, "ann")).rows}
    assert {row_id: row.status for row_id, row in rows.items()} == {3: "pending", 4: "held", 5: "sent"}
    assert "queued?" in rows[4].last_error
    db.close()


def test_its_settings_and_addresses_stay(earlier: Path) -> None:
    db = Database.open(earlier)
    found = db.read(relay.get)
    assert found is not None and (found.host, found.port) == ("smart.example", 587)
    assert [row.address for row in db.read(lambda tx: addresses.list_for(tx, "ann"))] == ["Ann@Example.test"]
    assert db.read(lambda tx: addresses.domain_owner(tx, "example.test")) == "ann"
    db.close()


def test_no_column_of_the_contract_is_lost(earlier: Path) -> None:
    columns = "sender, recipient, subject, body, file_path"
    before = sqlite_shell.run(earlier, f"SELECT id, {columns} FROM emails ORDER BY id;")
    Database.open(earlier).close()
    assert sqlite_shell.run(earlier, f"SELECT id, {columns} FROM emails ORDER BY id;") == before


def test_its_scripts_go_on_as_before(earlier: Path) -> None:
    db = Database.open(earlier)
    sqlite_shell.run(
        earlier,
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES"
        " ('ann@example.test', 'e@remote.test', 'New', 'x');"
        "INSERT INTO emails (sender, recipient, subject, body) VALUES"
        " ('z@remote.test', 'ANN@example.test', 'Put', 'x');"
        "INSERT INTO mail_addresses (address, owner) VALUES ('info@other.test', 'ann');",
    )
    waiting = db.read(lambda tx: queue_view.list_page(tx, "ann", Search("pending"))).rows
    assert [(row.recipient, row.attempts) for row in waiting] == [("e@remote.test", 0), ("bob@remote.test", 0)]
    assert db.read(lambda tx: mailbox.list_page(tx, "ann", "inbox")).rows[0].subject == "Put"
    row = db.read(lambda tx: addresses.list_for(tx, "ann"))[-1]
    assert (row.domain, row.local_part) == ("other.test", "info")
    db.close()


def test_a_second_start_changes_nothing(earlier: Path) -> None:
    Database.open(earlier).close()
    before = sqlite_shell.run(earlier, ".dump")
    Database.open(earlier).close()
    assert sqlite_shell.run(earlier, ".dump") == before


def test_ids_that_are_missing_or_used_twice_are_given_anew(tmp_path: Path) -> None:
    path = tmp_path / "onifast-mail.db"
    sqlite_shell.run(
        path,
        AS_PRINTED + "INSERT INTO emails (id, subject) VALUES (1, 'a'), (1, 'b'), (NULL, 'c'), ('x', 'd'), (5, 'e');",
    )
    Database.open(path).close()
    rows = sqlite_shell.run(path, "SELECT id, subject FROM emails ORDER BY subject;")
    assert [row.split("|")[1] for row in rows] == list("abcde")
    assert len({row.split("|")[0] for row in rows}) == 5
    assert {"1|a", "5|e"} <= set(rows)
