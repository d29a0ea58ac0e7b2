"""Mailboxes, addresses, stored bytes and sign-in, on a real database."""

from __future__ import annotations

import dataclasses

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery, SentCopy
from onifast_shared.accounts import api_tokens, sessions, throttle
from onifast_shared.accounts.sessions import SessionLimits
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.log import Secret
from onifast_shared.mailboxes import contents, indexing, mailbox
from onifast_shared.mailboxes.indexing import MessageIndex
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.recipients.addresses import Local, Remote, UnknownLocal
from onifast_shared.transport import relay
from onifast_shared.values import times
from onifast_shared.values.address import Address
from onifast_shared.values.paging import CursorError

RAW = b"From: Bob <bob@remote.test>\r\nSubject: Hello\r\n\r\nHi Ann, lunch tomorrow?\r\n"
INDEX = MessageIndex(
    "bob@remote.test", "Bob", "Hello", "Hi Ann, lunch tomorrow?", "Hi Ann", "<1@x>", has_attachments=False
)


def deliver(db: Database, raw: bytes = RAW, owner: str = "ann", **more: object) -> int:
    def change(tx: Connection) -> int:
        content_id = contents.attach(tx, ref)
        incoming = IncomingMessage(
            "bob@remote.test",
            [LocalDelivery(owner, f"{owner}@example.test", b"Delivered-To: ann\r\n", is_judged=True)],
        )
        return accept.deliver_in(tx, content_id, len(raw), incoming).email_ids[0]

    ref = contents.store(db, raw)
    return db.write(change)


def index(db: Database) -> None:
    for item in db.read(indexing.unindexed):
        db.write(lambda tx, item=item: indexing.set_index(tx, item, INDEX))  # type: ignore[misc]


@pytest.mark.parametrize("size", [0, 1, contents.INLINE_LIMIT, contents.INLINE_LIMIT + 1, 3 * contents.PIECE_SIZE + 7])
def test_bytes_come_back_as_they_went_in(database: Database, size: int) -> None:
    raw = bytes(range(256)) * (size // 256) + b"\x00" * (size % 256)
    ref = contents.store(database, raw)
    content_id = database.write(lambda tx: contents.attach(tx, ref))
    assert database.read(lambda tx: contents.read(tx, content_id)) == raw
    assert database.read(lambda tx: contents.head(tx, content_id, 100)) == raw[:100]


@pytest.mark.parametrize("size", [10, contents.INLINE_LIMIT * 5])
def test_the_view_gives_every_rows_bytes_to_any_sqlite(database: Database, size: int) -> None:
    raw = RAW + b"x" * size
    email_id = deliver(database, raw)
    expected = b"Delivered-To: ann\r\n" + raw
    assert database.read(lambda tx: mailbox.raw(tx, email_id)) == expected
    (shown,) = sqlite_shell.run(database.path, f"SELECT hex(bytes) FROM email_bytes WHERE id = {email_id};")
    assert bytes.fromhex(shown) == expected


def test_bytes_that_nothing_refers_to_are_found_and_removed(database: Database) -> None:
    used = deliver(database)
    orphan = contents.store(database, b"x" * contents.INLINE_LIMIT * 2).content_id
    later = 2e9
    unused, after = database.read(lambda tx: contents.orphans(tx, later))
    assert (unused, after) == ([orphan], None)
    assert database.write(lambda tx: contents.remove_unused(tx, [*unused, 1])) == 1
    assert database.read(lambda tx: mailbox.raw(tx, used))
    assert database.read(lambda tx: contents.orphans(tx, 0)) == ([], None)


def test_a_message_shows_before_it_is_indexed(database: Database) -> None:
    email_id = deliver(database)
    row = database.read(lambda tx: mailbox.get(tx, "ann", email_id))
    assert row is not None
    assert (row.sender, row.sender_name, row.subject) == ("bob@remote.test", "Bob", "Hello")


def test_nobody_sees_another_users_mail(database: Database) -> None:
    email_id = deliver(database)
    assert database.read(lambda tx: mailbox.get(tx, "bob", email_id)) is None
    assert database.read(lambda tx: mailbox.list_page(tx, "bob", "inbox")).rows == []
    assert database.write(lambda tx: mailbox.move(tx, "bob", [email_id], "trash")) == 0
    assert database.write(lambda tx: mailbox.purge(tx, "bob", [email_id])) == 0
    assert database.read(lambda tx: mailbox.get(tx, None, email_id)) is not None


def test_only_trash_and_drafts_are_removed_for_good(database: Database) -> None:
    email_id = deliver(database)
    index(database)
    assert database.write(lambda tx: mailbox.purge(tx, "ann", [email_id])) == 0
    assert database.write(lambda tx: mailbox.move(tx, "ann", [email_id], "trash")) == 1
    assert database.write(lambda tx: mailbox.purge(tx, "ann", [email_id])) == 1
    left = "SELECT count(*) FROM emails; SELECT count(*) FROM contents;"
    assert sqlite_shell.run(database.path, left) == ["0", "0"]


def test_pages_hold_every_message_once(database: Database) -> None:
    ids = [deliver(database) for _ in range(7)]
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = database.read(lambda tx, cursor=cursor: mailbox.list_page(tx, "ann", "inbox", limit=3, cursor=cursor))  # type: ignore[misc]
        seen += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_a_foreign_cursor_is_refused(database: Database) -> None:
    with pytest.raises(CursorError, match="next_cursor"):
        database.read(lambda tx: mailbox.list_page(tx, "ann", "inbox", cursor="1;DROP"))


def test_a_submission_keeps_a_copy_that_shows_bcc_to_its_sender_alone(database: Database) -> None:
    accepted = accept.submit(
        database,
        RAW,
        Submission(sender="ann@example.test", origin="web", owner="ann"),
        [QueuedRecipient("a@remote.test"), QueuedRecipient("b@remote.test")],
        SentCopy("ann", "a@remote.test, b@remote.test", bcc="b@remote.test"),
    )
    email_id = accepted.email_id
    assert email_id is not None
    assert len(accepted.outbox_ids) == 2
    assert database.read(lambda tx: mailbox.raw(tx, email_id)) == b"Bcc: b@remote.test\r\n" + RAW


def test_who_gets_an_address_later_does_not_see_its_earlier_mail(database: Database) -> None:
    address = Address.parse("ann@example.test")
    database.write(lambda tx: addresses.add(tx, address, "ann"))
    deliver(database)
    database.write(lambda tx: (addresses.remove(tx, address), addresses.add(tx, address, "bob")))
    assert database.read(lambda tx: mailbox.list_page(tx, "bob", "inbox")).rows == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.test", Local("ann", "ann@example.test")),
        ("ANN@EXAMPLE.test", Local("ann", "ANN@example.test")),
        ("info@xn--bcher-kva.test", Local("ann", "info@xn--bcher-kva.test")),
        ("info@bücher.test", Local("ann", "info@xn--bcher-kva.test")),
        ("nobody@example.test", UnknownLocal()),
        ("postmaster@example.test", Local("ann", "postmaster@example.test")),
        ("postmaster@mail.host.test", Local("root", "postmaster@mail.host.test")),
        ("www-data@mail.host.test", Local("root", "www-data@mail.host.test")),
        ("ann@mail.host.test", UnknownLocal()),
        ("ann@remote.test", Remote()),
    ],
)
def test_where_mail_to_an_address_goes(database: Database, settings: Settings, text: str, expected: object) -> None:
    rows = "('Ann@Example.test', 'ann'), ('info@bücher.test', 'ann')"
    sqlite_shell.run(database.path, f"INSERT INTO mail_addresses (address, owner) VALUES {rows};")
    assert database.read(lambda tx: addresses.resolve(tx, Address.parse(text), settings)) == expected


def test_a_user_may_send_as_his_addresses_and_within_his_domains(database: Database) -> None:
    rows = "('ann@example.test', 'ann'), ('bob@example.test', 'bob')"
    sqlite_shell.run(database.path, f"INSERT INTO mail_addresses (address, owner) VALUES {rows};")

    def owns(user: str, text: str) -> bool:
        return database.read(lambda tx: addresses.owns(tx, user, Address.parse(text)))

    assert owns("ann", "ann@example.test")
    assert not owns("ann", "bob@example.test")
    assert owns("ann", "shop@example.test")
    assert not owns("bob", "shop@example.test")
    assert not owns("ann", "ann@remote.test")


def test_a_relay_is_kept_and_its_password_not_shown(database: Database) -> None:
    given = relay.Relay("smart.test", 587, "me", Secret("hunter2"), "starttls")
    database.write(lambda tx: relay.put(tx, given))
    found = database.read(relay.get)
    assert found == given
    assert "hunter2" not in f"{found} {found!r}"
    database.write(lambda tx: relay.put(tx, None))
    assert database.read(relay.get) is None


def test_a_relay_that_makes_no_sense_is_named(database: Database) -> None:
    sqlite_shell.run(database.path, "INSERT INTO mail_config VALUES ('relay_host', 'x'), ('relay_port', 'many');")
    with pytest.raises(relay.RelayError, match="relay_port is 'many'"):
        database.read(relay.get)


def test_a_single_sign_on_token_works_once_and_not_for_long(database: Database) -> None:
    token = database.write(lambda tx: sessions.issue_sso(tx, "ann", 1000, 60))
    late = database.write(lambda tx: sessions.issue_sso(tx, "ann", 1000, 60))
    assert database.write(lambda tx: sessions.redeem_sso(tx, token, 1059)) == "ann"
    assert database.write(lambda tx: sessions.redeem_sso(tx, token, 1059)) is None
    assert database.write(lambda tx: sessions.redeem_sso(tx, late, 1060)) is None


LIMITS = SessionLimits(idle=60, longest=100)


def test_a_session_that_is_used_ends_at_the_longest(database: Database) -> None:
    token, made = database.write(lambda tx: sessions.create_session(tx, "ann", 1000, LIMITS, "hash"))
    database.write(lambda tx: sessions.touch_session(tx, token, made, 1050, LIMITS))
    assert database.read(lambda tx: sessions.find_session(tx, token, 1099, LIMITS)) is not None
    assert database.read(lambda tx: sessions.find_session(tx, token, 1100, LIMITS)) is None
    # A limit that is smaller from now on counts for sessions that there are.
    assert database.read(lambda tx: sessions.find_session(tx, token, 1090, SessionLimits(30, 100))) is None
    assert database.read(lambda tx: sessions.list_for(tx, "ann", 1090, SessionLimits(30, 100), "hash")) == []


def test_a_session_ends_in_time_and_at_logout(database: Database) -> None:
    token, _ = database.write(lambda tx: sessions.create_session(tx, "ann", 1000, LIMITS, "hash"))
    assert database.read(lambda tx: sessions.find_session(tx, token, 1059, LIMITS)) is not None
    assert database.read(lambda tx: sessions.find_session(tx, token, 1060, LIMITS)) is None
    database.write(lambda tx: sessions.end_session(tx, token))
    assert database.read(lambda tx: sessions.find_session(tx, token, 1001, LIMITS)) is None


def test_a_session_belongs_to_the_password_that_it_began_with(database: Database) -> None:
    token, made = database.write(lambda tx: sessions.create_session(tx, "ann", 1000, LIMITS, "hash"))
    found = database.read(lambda tx: sessions.find_session(tx, token, 1001, LIMITS))
    assert found == made
    assert sessions.is_current(made, token, "hash")
    assert not sessions.is_current(made, token, "another hash")
    assert not sessions.is_current(dataclasses.replace(made, credential=None), token, "hash")


def test_no_token_stands_in_the_database(database: Database) -> None:
    def make(tx: Connection) -> list[str]:
        issued = sessions.issue_sso(tx, "ann", 1000, 60)
        return [
            issued,
            sessions.create_session(tx, "ann", 1000, LIMITS, "hash")[0],
            api_tokens.create(tx, "ann", "x", 1)[0],
        ]

    tokens = database.write(make)
    dump = "\n".join(sqlite_shell.run(database.path, ".dump"))
    assert not [token for token in tokens if token in dump]


def test_a_revoked_api_token_is_unknown(database: Database) -> None:
    text, token = database.write(lambda tx: api_tokens.create(tx, "ann", "script", 1000))
    assert database.read(lambda tx: api_tokens.find(tx, text)) == token
    assert not database.write(lambda tx: api_tokens.revoke(tx, "bob", token.id))
    assert database.write(lambda tx: api_tokens.revoke(tx, "ann", token.id))
    assert database.read(lambda tx: api_tokens.find(tx, text)) is None


def test_guessing_is_slowed_down_and_forgiven(database: Database) -> None:
    def fail(now: float) -> int:
        database.write(lambda tx: throttle.record_failure(tx, ["ip:1", "user:ann"], now))
        return database.read(lambda tx: throttle.blocked_for(tx, ["user:ann"], now))

    assert [fail(1000) for _ in range(7)] == [0, 0, 0, 0, 10, 20, 40]
    assert database.read(lambda tx: throttle.blocked_for(tx, ["user:bob"], 1000)) == 0
    assert database.read(lambda tx: throttle.blocked_for(tx, ["ip:1"], 1041)) == 0
    database.write(lambda tx: throttle.clear(tx, ["user:ann"]))
    assert database.read(lambda tx: throttle.blocked_for(tx, ["user:ann"], 1000)) == 0
    assert throttle.wait_after(10**6) == throttle.LONGEST_WAIT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01 12:34:56", 1714566896),
        ("2024-05-01T12:34:56Z", 1714566896),
        ("2024-05-01T14:34:56.123+02:00", 1714566896),
        ("2024-05-01 14:34:56.789123 +0200 CEST", 1714566896),
        ("2024-05-01 14:34:56.789123 +0200 CEST m=+0.001", 1714566896),
        ("2024-05-01 12:34:56 +0000 UTC", 1714566896),
        (1714566896, 1714566896),
        ("1714566896123", 1714566896),
        ("yesterday", None),
        ("2024-13-01 12:34:56", None),
        (None, None),
    ],
)
def test_every_form_of_time_in_the_database_is_read(text: object, expected: int | None) -> None:
    assert times.parse(text) == expected


def test_times_are_stored_and_spoken_in_utc() -> None:
    assert times.stored(1714566896) == "2024-05-01 12:34:56"
    assert times.rfc3339(1714566896) == "2024-05-01T12:34:56Z"


def test_a_copy_that_cannot_be_written_is_tried_again_later(database: Database) -> None:
    email_id = deliver(database)
    (item,) = database.read(lambda tx: indexing.unfiled(tx, 1000))
    assert item.id == email_id
    database.write(lambda tx: indexing.set_filing_failed(tx, email_id, "disk full", 1000, permanent=False))
    assert database.read(lambda tx: indexing.unfiled(tx, 1000)) == []
    assert len(database.read(lambda tx: indexing.unfiled(tx, 1000 + indexing.RETRY_FILING))) == 1
    database.write(lambda tx: indexing.set_filed(tx, email_id, "/home/ann/x.eml"))
    assert database.read(indexing.filed) == [(email_id, "ann", "/home/ann/x.eml", "")]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("a@сор.test", "a@xn--n1aeb.test"),
        (".a@x.test", '".A"@x.test.'),
        ('".a"@x.test', ".a@x.test"),
        ("a..b@bücher.test", '"a..b"@xn--bcher-kva.test'),
    ],
)
def test_an_address_is_found_however_it_was_stored(database: Database, stored: str, asked: str) -> None:
    sql = "INSERT INTO mail_addresses (address, owner) VALUES (?, 'ann')"
    database.write(lambda tx: tx.execute(sql, (stored,)))
    address = Address.parse(asked)
    assert address.key == Address.parse(stored).key
    assert database.read(lambda tx: addresses.has_mailbox(tx, address))
    assert not database.read(lambda tx: addresses.has_mailbox(tx, Address("a", "x.test")))
