"""The sandbox of a domain: whose mail is captured, and who may let it out."""

from __future__ import annotations

import pytest
from onifast_shared.accepting import accept
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import preferences
from onifast_shared.queue import sandbox
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.queue.view import OutboxRow
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

NOW = 1_700_000_000.0
ELSEWHERE = Address.parse("tester@example.net")


@pytest.fixture
def database(database: Database) -> Database:
    """A database in which ann owns shop.test."""
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@shop.test"), "ann"))
    return database


def captured(db: Database, domain: str | None = "shop.test", owner: str = "ann") -> int:
    """A row as the deliverer leaves it that captured it."""
    submission = Submission("ann@shop.test", "web", owner=owner, subject="x")
    recipient = QueuedRecipient("bob@remote.test", notify="NEVER", orcpt="rfc822;bob@remote.test")
    (row_id,) = accept.submit(db, b"Subject: x\r\n\r\nx\r\n", submission, [recipient]).outbox_ids
    db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed', attempts = 1 WHERE id = ?", (row_id,)))
    db.write(lambda tx: sandbox.mark(tx, row_id, domain))
    return row_id


def get(db: Database, row_id: int) -> OutboxRow:
    row = db.read(lambda tx: queue_view.get(tx, None, row_id))
    assert row is not None
    return row


def test_a_domain_is_put_in_and_taken_out(database: Database) -> None:
    assert database.write(lambda tx: sandbox.put(tx, "shop.test", "ann", NOW))
    assert not database.write(lambda tx: sandbox.put(tx, "shop.test", "bob", NOW))
    captured(database)
    (found,) = database.read(sandbox.list_all)
    assert (found.domain, found.since_ts, found.set_by, found.captured) == ("shop.test", int(NOW), "ann", 1)
    assert database.write(lambda tx: sandbox.remove(tx, "shop.test"))
    assert not database.write(lambda tx: sandbox.remove(tx, "shop.test"))


@pytest.mark.parametrize(
    ("origin", "senders", "caught"),
    [
        ("web", ["shop.test"], "shop.test"),
        ("smtp", ["mail.host.test", "Shop.Test"], "shop.test"),
        ("script", ["other.test"], None),
        ("forward", ["shop.test"], None),
        ("bounce", ["shop.test"], None),
    ],
)
def test_what_a_domain_sends_is_captured(
    database: Database, origin: str, senders: list[str], caught: str | None
) -> None:
    database.write(lambda tx: sandbox.put(tx, "shop.test", "", NOW))
    assert database.read(lambda tx: sandbox.captures(tx, origin, senders)) == caught


def test_its_owner_releases_what_his_domains_sandbox_captured(database: Database) -> None:
    row_id = captured(database)
    assert database.write(lambda tx: sandbox.release(tx, "ann", [row_id, 999], NOW)) == [row_id]
    row = get(database, row_id)
    assert (row.status, row.attempts, row.recipient) == ("pending", 0, "bob@remote.test")
    assert database.read(lambda tx: sandbox.let_out(tx, [row_id])) == {row_id}
    assert database.write(lambda tx: sandbox.release(tx, "ann", [row_id], NOW)) == []


@pytest.mark.parametrize(("domain", "owner"), [(None, "ann"), ("other.test", "ann"), ("shop.test", "bob")])
def test_anybody_elses_capture_is_an_administrators(database: Database, domain: str | None, owner: str) -> None:
    row_id = captured(database, domain, owner)
    for user in ("ann", "bob"):
        assert database.write(lambda tx, user=user: sandbox.release(tx, user, [row_id], NOW)) == []  # type: ignore[misc]
    assert database.write(lambda tx: sandbox.release(tx, None, [row_id], NOW)) == [row_id]


def test_redirected_mail_goes_to_another_address_and_remembers_the_first(database: Database) -> None:
    row_id = captured(database)
    assert database.write(lambda tx: sandbox.redirect(tx, "ann", [row_id], ELSEWHERE, NOW)) == [row_id]
    row = get(database, row_id)
    assert (row.status, row.recipient, row.original_recipient) == ("pending", str(ELSEWHERE), "bob@remote.test")
    stored = "SELECT dsn_notify, dsn_orcpt, domain FROM outbox WHERE id = ?"
    assert database.read(lambda tx: tx.execute(stored, (row_id,)).fetchone()) == (None, None, None)


def test_nobody_redirects_what_he_may_not_release(database: Database) -> None:
    row_id = captured(database, None)
    assert database.write(lambda tx: sandbox.redirect(tx, "ann", [row_id], ELSEWHERE, NOW)) == []
    assert get(database, row_id).recipient == "bob@remote.test"


def test_a_user_chooses_how_long_his_mail_waits(database: Database) -> None:
    settings = Settings(hostname="mail.host.test", undo_send=7.0)
    assert database.read(lambda tx: preferences.undo_seconds(tx, "ann", settings)) == 7
    database.write(lambda tx: preferences.put_undo_seconds(tx, "ann", 0))
    assert database.read(lambda tx: preferences.undo_seconds(tx, "ann", settings)) == 0
    assert database.read(lambda tx: preferences.undo_seconds(tx, "bob", settings)) == 7
