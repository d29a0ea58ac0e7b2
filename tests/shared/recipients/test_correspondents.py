"""Correspondents: learned from what people wrote, and from authenticated mail."""

from __future__ import annotations

import json

import pytest
from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, indexing, mailbox
from onifast_shared.mailboxes.indexing import MessageIndex
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import correspondents
from onifast_shared.recipients.correspondents import Correspondent
from onifast_shared.values.suffixes import suffixes


def sent(database: Database, *recipients: str, by: str | None = "user:ann") -> None:
    submission = Submission("ann@here.test", "smtp", owner="ann", subject="x", submitted_by=by)
    accept.submit(database, b"Subject: x\r\n\r\nx\r\n", submission, [QueuedRecipient(each) for each in recipients])


def received(
    database: Database, sender: str, name: str = "", at: int = 1000, folder: str = "inbox", **found: str
) -> None:
    def add(tx: Connection) -> None:
        content_id = contents.attach(tx, ref)
        email_id = mailbox.add(
            tx, owner="ann", recipient="ann@here.test", reverse_path="x@y.test", content_id=content_id, size=5, now=at,
            folder=folder, authentication=found,
        )  # fmt: skip
        item = next(each for each in indexing.unindexed(tx) if each.id == email_id)
        indexing.set_index(tx, item, MessageIndex(sender, name, "", "", "", "", False))

    ref = contents.store(database, b"A: b\r\n\r\n")
    database.write(add)


def learned(database: Database) -> list[Correspondent]:
    while database.read(correspondents.is_behind):
        database.write(lambda tx: correspondents.gather(tx, suffixes()))
    return database.read(lambda tx: correspondents.of(tx, "ann"))


def test_whom_a_user_writes_to_is_known(database: Database) -> None:
    sent(database, "Bob@mail.company.test")
    (bob,) = learned(database)
    assert (bob.address, bob.domain) == ("bob@mail.company.test", "company.test")
    assert bob.written_ts == bob.known_ts > 0
    assert learned(database) == [bob]


@pytest.mark.parametrize("by", ["unix:www-data", "forward:ann@here.test", None, "panel"])
def test_what_programs_send_makes_nobody_known(database: Database, by: str | None) -> None:
    sent(database, "visitor@evil.test", by=by)
    assert learned(database) == []


def test_a_newsletter_makes_nobody_known(database: Database) -> None:
    sent(database, *(f"reader{number}@company.test" for number in range(correspondents.MANY)))
    assert learned(database) == []


def test_who_wrote_and_proved_it_is_known_and_is_not_written_to(database: Database) -> None:
    received(database, "bob@company.test", "Bob Builder", at=1000, dmarc="pass")
    received(database, "bob@company.test", "Bob Builder", at=2000, dmarc="pass")
    assert learned(database) == [Correspondent("bob@company.test", "company.test", "Bob Builder", 1000, None)]


@pytest.mark.parametrize("folder", ["inbox", "junk"])
def test_who_proved_nothing_or_is_junk_is_not_known(database: Database, folder: str) -> None:
    received(database, "bob@company.test", folder=folder, dmarc="fail" if folder == "inbox" else "pass")
    received(database, "", dmarc="pass")
    assert learned(database) == []


def test_mail_is_learned_from_once_it_is_indexed(database: Database) -> None:
    def add(tx: Connection) -> None:
        mailbox.add(
            tx, owner="ann", recipient="", reverse_path="", content_id=contents.attach(tx, ref), size=1, now=1,
            authentication=json.loads('{"dmarc": "pass"}'),
        )  # fmt: skip

    ref = contents.store(database, b"A: b\r\n\r\n")
    database.write(add)
    received(database, "bob@company.test", dmarc="pass")
    assert learned(database) == []
    item = database.read(indexing.unindexed)[0]
    database.write(lambda tx: indexing.set_index(tx, item, MessageIndex("eve@other.test", "", "", "", "", "", False)))
    assert [each.address for each in learned(database)] == ["eve@other.test", "bob@company.test"]


def test_the_latest_correspondents_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspondents, "MOST", 3)
    for number in range(5):
        received(database, f"p{number}@company.test", at=1000 + number, dmarc="pass")
    assert [each.address for each in learned(database)] == [f"p{number}@company.test" for number in (2, 3, 4)]
