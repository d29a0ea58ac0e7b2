"""Addressees: learned from what people wrote and got, and offered in the order of their use."""

from __future__ import annotations

import pytest
from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, indexing, mailbox
from onifast_shared.mailboxes.indexing import MessageIndex
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addressees
from onifast_shared.recipients.addressees import Addressee
from onifast_shared.values.address import Address

DAY = 86_400


def sent(database: Database, *recipients: str, to: str = "", at: int = 0, by: str = "user:ann", more: str = "") -> None:
    raw = f"To: {to or ', '.join(recipients)}\r\n{more}\r\nx\r\n".encode()
    submission = Submission("ann@here.test", "web", owner="ann", subject="x", submitted_by=by)
    ids = accept.submit(database, raw, submission, [QueuedRecipient(each) for each in recipients]).outbox_ids
    if at:
        database.write(
            lambda tx: [tx.execute("UPDATE outbox SET queued_ts = ? WHERE id = ?", (at, each)) for each in ids]
        )


def received(database: Database, sender: str, name: str = "", *, at: int = 1000, folder: str = "inbox") -> None:
    ref = contents.store(database, b"A: b\r\n\r\n")

    def add(tx: Connection) -> None:
        email_id = mailbox.add(
            tx, owner="ann", recipient="ann@here.test", reverse_path="x@y.test",
            content_id=contents.attach(tx, ref), size=5, now=at, folder=folder,
        )  # fmt: skip
        item = next(each for each in indexing.unindexed(tx) if each.id == email_id)
        indexing.set_index(tx, item, MessageIndex(sender, name, "", "", "", "", False))

    database.write(add)


def offered(database: Database, q: str = "", owner: str = "ann") -> list[Addressee]:
    while database.read(addressees.is_behind):
        database.write(addressees.gather)
    return database.read(lambda tx: addressees.suggest(tx, owner, q, 10))


def test_who_was_written_to_and_who_wrote_is_offered_by_name_and_address(database: Database) -> None:
    sent(database, "Bob@a.test", to='"Bob Stone" <bob@a.test>', at=1000)
    received(database, "eve@b.test", "Ève Ömer")
    assert [(each.address, each.name, each.written, each.heard) for each in offered(database)] == [
        ("Bob@a.test", "Bob Stone", 1, 0),
        ("eve@b.test", "Ève Ömer", 0, 1),
    ]
    for q, count in (("bo", 1), ("sto", 1), ("bob@a", 1), ("ome", 1), ("b.te", 1), ("tone", 0), ("bob eve", 0)):
        assert len(offered(database, q)) == count, q
    assert offered(database, owner="bob") == []


def test_recent_use_counts_more_than_old_and_writing_more_than_reading(database: Database) -> None:
    for _ in range(3):
        sent(database, "old@a.test", at=DAY)
    sent(database, "new@a.test", at=DAY * 200)
    sent(database, "often@a.test", at=DAY * 199)
    sent(database, "often@a.test", at=DAY * 199)
    received(database, "wrote@a.test", at=DAY * 200)
    assert [each.address.partition("@")[0] for each in offered(database)] == ["often", "new", "wrote", "old"]


@pytest.mark.parametrize("by", ["unix:www-data", "forward:ann@here.test", "panel"])
def test_what_programs_send_offers_nobody(database: Database, by: str) -> None:
    sent(database, "visitor@evil.test", by=by)
    assert offered(database) == []


def test_answers_of_programs_mail_to_many_and_machines_offer_nobody(database: Database) -> None:
    sent(database, "a@a.test", more="Auto-Submitted: auto-replied\r\n")
    sent(database, *(f"reader{number}@company.test" for number in range(addressees.MANY)))
    for sender in ("no-reply@a.test", "noreply@a.test", "mailer-daemon@a.test", "x-bounces@a.test"):
        received(database, sender)
    received(database, "junk@a.test", folder="junk")
    assert offered(database) == []


def test_who_is_taken_off_comes_back_by_being_written_to(database: Database) -> None:
    received(database, "bob@a.test")
    assert len(offered(database)) == 1
    assert database.write(lambda tx: addressees.hide(tx, "ann", Address.parse("BOB@a.test")))
    received(database, "bob@a.test")
    assert offered(database) == []
    sent(database, "bob@a.test")
    assert len(offered(database)) == 1


def test_no_more_than_the_most_used_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addressees, "MOST", 2)
    for number in range(4):
        received(database, f"p{number}@a.test", at=DAY * (number + 1))
    assert [each.address for each in offered(database)] == ["p3@a.test", "p2@a.test"]
