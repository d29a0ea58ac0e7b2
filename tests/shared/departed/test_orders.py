"""A user is removed, made anew, restored, renamed and forgotten, in each order."""

from __future__ import annotations

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage, LocalDelivery
from onifast_shared.accounts import app_passwords, sessions
from onifast_shared.accounts.sessions import SessionLimits
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import changes, deleting, moving, store
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.departed.store import BootTime, UserChangeError
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, counts, mailbox
from onifast_shared.queue import store as queue
from onifast_shared.queue import view
from onifast_shared.queue.store import Lease, QueuedRecipient, Submission
from onifast_shared.recipients import addresses, forwards
from onifast_shared.recipients.addresses import Remote, UnknownLocal
from onifast_shared.values.address import Address
from searchable import index_all

from .people import give, settle

NOW = 1_800_000_000.0
KEPT = 30 * 86400.0
ADDRESS = Address.parse("ann@annas.test")


def move_in(tx: Connection, name: str = "ann", mark: str = "old", domain: str = "annas.test") -> int:
    """A customer with a domain, a message, a queued one, a forward and an app password; the queued one's row."""
    addresses.add(tx, Address.parse(f"ann@{domain}"), name)
    forwards.add(tx, Address.parse(f"sales@{domain}"), Address.parse("x@there.test"), name)
    put(tx, name, f"ann@{domain}", mark)
    app_passwords.create(tx, name, None, mark, NOW)
    sessions.create_session(tx, name, NOW, SessionLimits(86400, 86400), "hash")
    content_id = contents.attach(tx, contents.ContentRef(5, b"mail\n", None))
    submission = Submission(f"ann@{domain}", "smtp", owner=name, submitted_by=f"user:{name}", subject=mark)
    (row_id,) = queue.enqueue(tx, content_id, submission, [QueuedRecipient("x@there.test")], NOW)
    return row_id


def put(tx: Connection, name: str, recipient: str, mark: str) -> None:
    raw = f"Subject: {mark}\r\n\r\n{mark}\r\n".encode()
    content_id = contents.attach(tx, contents.ContentRef(len(raw), raw, None))
    accept.deliver_in(tx, content_id, len(raw), IncomingMessage("x@there.test", [LocalDelivery(name, recipient)]))


def subjects(database: Database, name: str | None) -> list[str]:
    return [row.subject for row in database.read(lambda tx: mailbox.list_page(tx, name, "inbox")).rows]


def queued(database: Database, name: str | None) -> list[tuple[str, str]]:
    return [(row.subject, row.status) for row in database.read(lambda tx: view.list_page(tx, name)).rows]


def change(
    database: Database, action: str, name: str = "ann", new_name: str | None = None, **more: object
) -> int | None:
    done = database.write(lambda tx: changes.make(tx, UserChangeRequest(action, name, "test", new_name, **more), NOW))  # type: ignore[arg-type]
    settle(database)
    return done.departure_id


def test_who_is_made_anew_begins_with_nothing(database: Database, settings: Settings) -> None:
    database.write(move_in)
    assert change(database, "remove") == 1
    assert (subjects(database, "ann"), queued(database, "ann")) == ([], [])
    assert database.read(lambda tx: addresses.list_for(tx, "ann")) == []
    assert database.read(lambda tx: forwards.list_for(tx, "ann")) == []
    assert database.read(lambda tx: app_passwords.list_for(tx, "ann")) == []
    # The same address, by a script's plain SQL.
    sqlite_shell.run(database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('ann@annas.test', 'ann');")
    database.write(lambda tx: put(tx, "ann", "ann@annas.test", "new"))
    assert subjects(database, "ann") == ["new"]


def test_what_is_set_aside_is_shown_to_no_administrator_either(database: Database) -> None:
    row_id = database.write(move_in)
    change(database, "remove")
    assert subjects(database, None) == []
    assert database.read(lambda tx: mailbox.get(tx, None, 1)) is None
    assert database.read(lambda tx: counts.of(tx, None))["inbox"].total == 0
    assert queued(database, None) == []
    assert database.read(lambda tx: view.get(tx, None, row_id)) is None


def test_a_queue_entry_ends_and_nobody_wakes_it(database: Database) -> None:
    row_id = database.write(move_in)
    change(database, "remove")
    sqlite_shell.run(database.path, "UPDATE outbox SET status = 'pending';")
    assert database.write(lambda tx: view.act(tx, None, [row_id], "retry", NOW)) == []
    assert sqlite_shell.run(database.path, "SELECT status, owner, submitted_by FROM outbox;") == [
        "cancelled|~1:ann|user:~1:ann"
    ]


def test_a_delivery_that_is_under_way_writes_no_result(database: Database) -> None:
    """Else its bounce, its suppression and its webhook would be the next user's of the name."""
    row_id = database.write(move_in)
    token = "token"
    lease = "UPDATE outbox SET status = 'sending', lease_token = ?, lease_boot = 'b', lease_until = 9 WHERE id = ?"
    database.write(lambda tx: tx.execute(lease, (token, row_id)))
    change(database, "remove")
    assert database.read(lambda tx: queue.holds(tx, token, [row_id])) == set()
    assert database.write(lambda tx: queue.renew(tx, [token], Lease("b", 1, 1))) == set()
    assert not database.write(lambda tx: queue.settle(tx, token, row_id, "deferred", attempt=None))


def test_mail_for_his_addresses_is_refused(database: Database, settings: Settings) -> None:
    def ask(text: str) -> object:
        return database.read(lambda tx: addresses.expand(tx, Address.parse(text), settings))

    database.write(move_in)
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@bens.test"), "ann"))
    database.write(lambda tx: addresses.add(tx, Address.parse("*@bens.test"), "ben"))
    change(database, "remove")
    # In a domain that was theirs nobody is here any more: it may be somewhere else by now, for those who may relay.
    assert ask("ann@annas.test") == Remote(was_here=True)
    assert ask("nobody@annas.test") == Remote(was_here=False)
    # The one with the catch-all does not get their mail, with a tag or without.
    assert ask("ann@bens.test") == ask("Ann+tag@bens.test") == UnknownLocal()
    assert ask("eve@bens.test")
    # Unless they make the address their own.
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@bens.test"), "ben"))
    assert ask("ann@bens.test") != UnknownLocal()


def test_a_message_that_was_accepted_for_him_before_he_went_follows_him(database: Database) -> None:
    database.write(move_in)
    change(database, "remove")
    now = "UPDATE departures SET departed_ts = CAST(strftime('%s', 'now') AS INTEGER)"
    database.write(lambda tx: tx.execute(now))
    database.write(lambda tx: put(tx, "ann", "ann@annas.test", "late"))
    assert subjects(database, "ann") == []
    assert database.read(lambda tx: store.find(tx, 1)).messages == 2
    # The next one's own mail is theirs, though it is for the same address.
    database.write(lambda tx: addresses.add(tx, ADDRESS, "ann"))
    database.write(lambda tx: put(tx, "ann", "ann@annas.test", "new"))
    assert subjects(database, "ann") == ["new"]


def test_a_forward_that_was_accepted_before_he_went_is_nobodys(database: Database, settings: Settings) -> None:
    database.write(move_in)
    passing = [ForwardedRecipient(QueuedRecipient("x@there.test"), Address.parse("sales@annas.test"), "ann")]
    onward = ForwardedMessage(passing, settings, Submission("y@there.test", "smtp"))

    def forward(tx: Connection) -> str | None:
        content_id = contents.attach(tx, contents.ContentRef(5, b"mail\n", None))
        (row_id,) = accept.deliver_in(tx, content_id, 5, IncomingMessage("", [], onward=onward)).outbox_ids
        return view_owner(tx, row_id)

    assert database.write(forward) == "ann"
    change(database, "remove")
    now = "UPDATE departures SET departed_ts = CAST(strftime('%s', 'now') AS INTEGER)"
    database.write(lambda tx: tx.execute(now))
    assert database.write(forward) is None
    database.write(lambda tx: forwards.add(tx, Address.parse("sales@annas.test"), Address.parse("x@there.test"), "ann"))
    assert database.write(forward) == "ann"


def view_owner(tx: Connection, row_id: int) -> str | None:
    row = view.get(tx, None, row_id)
    assert row is not None
    return row.owner


def test_quotas_do_not_count_what_is_set_aside(database: Database) -> None:
    usage = "SELECT coalesce(sum(messages), 0) FROM mail_usage WHERE name IN ('ann', 'ann@annas.test')"
    database.write(move_in)
    change(database, "remove")
    assert database.read(lambda tx: tx.execute(usage).get) == 0
    database.write(lambda tx: addresses.add(tx, ADDRESS, "ben"))
    database.write(lambda tx: put(tx, "ben", "ann@annas.test", "new"))
    change(database, "purge")
    mine = "SELECT messages FROM mail_usage WHERE name IN ('ben', 'ann@annas.test')"
    assert database.read(lambda tx: [row[0] for row in tx.execute(mine)]) == [1, 1]


def test_what_is_restored_is_whole(database: Database) -> None:
    database.write(move_in)
    change(database, "remove")
    change(database, "restore")
    assert subjects(database, "ann") == ["old"]
    assert queued(database, "ann") == [("old", "cancelled")]
    assert database.read(lambda tx: addresses.domain_owner(tx, "annas.test")) == "ann"
    assert [row.target for row in database.read(lambda tx: forwards.list_for(tx, "ann"))] == ["x@there.test"]
    assert [row.name for row in database.read(lambda tx: app_passwords.list_for(tx, "ann"))] == ["old"]
    assert database.read(store.list_all) == []
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM web_sessions").get) == 0


def test_what_is_restored_does_not_mix_into_the_new_customers(database: Database) -> None:
    database.write(move_in)
    change(database, "remove")
    database.write(lambda tx: move_in(tx, mark="new", domain="news.test"))
    with pytest.raises(UserChangeError, match="ann has mail or addresses already") as refused:
        change(database, "restore")
    assert refused.value.status == 409
    assert subjects(database, "ann") == ["new"]
    change(database, "restore", new_name="ann2")
    assert (subjects(database, "ann"), subjects(database, "ann2")) == (["new"], ["old"])
    assert [row.owner for row in database.read(lambda tx: addresses.list_for(tx, None))] == ["ann2", "ann"]


def test_an_administrator_may_say_that_both_are_one(database: Database) -> None:
    database.write(move_in)
    change(database, "remove")
    database.write(lambda tx: move_in(tx, mark="new", domain="news.test"))
    change(database, "restore", merge=True)
    assert subjects(database, "ann") == ["new", "old"]


def test_an_address_that_somebody_else_has_by_now_stays_his(database: Database) -> None:
    database.write(move_in)
    change(database, "remove")
    database.write(lambda tx: addresses.add(tx, Address.parse("Ann@annas.test"), "ben"))
    done = database.write(lambda tx: changes.make(tx, UserChangeRequest("restore", "ann", "test"), NOW))
    settle(database)
    assert done.lost == ("ann@annas.test",)
    assert [row.owner for row in database.read(lambda tx: addresses.list_for(tx, None))] == ["ben"]
    assert subjects(database, "ann") == ["old"]


def test_a_name_that_goes_twice_is_kept_twice(database: Database) -> None:
    """Also where the second goes before what the first left has been carried away."""
    database.write(move_in)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    database.write(lambda tx: move_in(tx, mark="new"))
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    settle(database)
    change(database, "restore", departure_id=1)
    assert subjects(database, "ann") == ["old"]
    change(database, "restore", new_name="ann2")
    assert subjects(database, "ann2") == ["new"]


def test_what_the_next_one_gets_meanwhile_is_his(database: Database) -> None:
    """A move ends at what was there when it began."""
    database.write(move_in)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    database.write(lambda tx: move_in(tx, mark="new"))
    settle(database)
    assert subjects(database, "ann") == ["new"]
    assert queued(database, "ann") == [("new", "pending")]


def test_a_renamed_user_keeps_all_of_it_and_others_forwards(database: Database) -> None:
    database.write(move_in)
    database.write(lambda tx: forwards.add(tx, ADDRESS, Address.parse("copy@there.test"), "carl"))
    change(database, "rename", new_name="anna")
    assert (subjects(database, "anna"), queued(database, "anna")) == (["old"], [("old", "pending")])
    assert sqlite_shell.run(database.path, "SELECT submitted_by FROM outbox;") == ["user:anna"]
    assert database.read(lambda tx: addresses.domain_owner(tx, "annas.test")) == "anna"
    owners = {row.target: row.owner for row in database.read(lambda tx: forwards.list_for(tx, None))}
    assert owners == {"x@there.test": "anna", "copy@there.test": "carl"}


def test_nobody_is_renamed_to_somebody(database: Database) -> None:
    database.write(move_in)
    database.write(lambda tx: addresses.add(tx, Address.parse("ben@bens.test"), "ben"))
    with pytest.raises(UserChangeError):
        change(database, "rename", new_name="ben")
    assert subjects(database, "ann") == ["old"]


@pytest.mark.parametrize(("new_name", "said"), [(None, "is missing"), ("ann", "is the old one, ann")])
def test_a_rename_to_no_other_name_is_refused_in_words_that_fit(
    database: Database, new_name: str | None, said: str
) -> None:
    with pytest.raises(UserChangeError, match=said):
        change(database, "rename", new_name=new_name)


@pytest.mark.parametrize("name", ["~1:ann", "../ann", "", "a" * 65])
def test_no_name_is_taken_that_no_user_can_have(database: Database, name: str) -> None:
    database.write(move_in)
    with pytest.raises(UserChangeError) as refused:
        change(database, "rename", new_name=name)
    assert refused.value.status == 422


def test_what_has_been_kept_long_enough_is_deleted_in_small_steps(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "AT_ONCE", 2)
    monkeypatch.setattr(moving, "AT_ONCE", 2)
    database.write(move_in)
    for number in range(7):
        database.write(lambda tx, number=number: put(tx, "ann", "ann@annas.test", f"n{number}"))  # type: ignore[misc]
    change(database, "remove")

    def mark(now: float, ms: int, boot: str = "boot") -> list[int]:
        if not database.read(lambda tx: deleting.is_due(tx, KEPT, now)):
            return []
        return database.write(lambda tx: deleting.mark_over(tx, KEPT, now, BootTime(boot, ms)))

    hour = deleting.CERTAINTY_MS
    assert mark(NOW + KEPT - 1, 0) == []
    # A date that is wrong for a while deletes nothing.
    assert mark(NOW + KEPT, 1) == mark(NOW, hour) == mark(NOW + KEPT, 2 * hour) == []
    assert mark(NOW + KEPT, 9 * hour, "another boot") == []
    assert mark(NOW + KEPT, 10 * hour, "another boot") == [1]
    with pytest.raises(UserChangeError, match="being deleted"):
        change(database, "restore")
    settle(database)
    for table in ("emails", "outbox", "app_passwords", "departures", "departed_rows", "contents", "user_moves"):
        rows = database.read(lambda tx, table=table: tx.execute(f"SELECT count(*) FROM {table}").get)  # type: ignore[misc]
        assert rows == (1 if table == "contents" else 0), table  # the queue's bytes go with outbox's own sweep


def test_the_words_of_deleted_mail_are_found_no_more(database: Database) -> None:
    database.write(move_in)
    index = "UPDATE emails SET indexed = 1, subject = 'zebra', sender = NULL, recipient = NULL, body = NULL"
    database.write(lambda tx: tx.execute(index))
    index_all(database)
    # Its volume's number stands before each word.
    words = "SELECT count(*) FROM mail_words WHERE mail_words MATCH '00001zebra'"
    assert database.read(lambda tx: tx.execute(words).get) > 0
    change(database, "remove")
    change(database, "purge")
    settle(database)
    index_all(database)
    assert database.read(lambda tx: tx.execute(words).get) == 0


def test_plain_sql_asks_for_it_too(database: Database) -> None:
    database.write(move_in)
    ask = "INSERT INTO user_changes (action, username, new_name) VALUES "
    sqlite_shell.run(database.path, f"{ask} ('remove', 'ann', NULL);")
    assert database.read(lambda tx: store.is_moving(tx, "ann"))  # nobody gets in before it is done
    changes.work_off(database, NOW)
    settle(database)
    assert subjects(database, "ann") == []
    assert not database.read(lambda tx: store.is_moving(tx, "ann"))
    sqlite_shell.run(database.path, f"{ask} ('restore', 'ann', NULL), ('rename', 'ann', 'anna'), ('dance', 'ann', '');")
    changes.work_off(database, NOW)
    settle(database)
    assert subjects(database, "anna") == ["old"]
    shown = sqlite_shell.run(database.path, "SELECT action, done_ts > 0, problem FROM user_changes ORDER BY id;")
    assert shown[:3] == ["remove|1|", "restore|1|", "rename|1|"]
    assert shown[3].startswith("dance|1|No action is called 'dance'")


def test_a_webhook_of_who_is_gone_hears_nothing(database: Database) -> None:
    database.write(lambda tx: give(tx, "webhooks", owner="ann", url="https://h.test/", waiting=1))
    database.write(lambda tx: give(tx, "webhook_events", webhook_id=1, next_ts=0))
    change(database, "remove")
    assert sqlite_shell.run(
        database.path, "SELECT waiting FROM webhooks UNION SELECT count(*) FROM webhook_events;"
    ) == ["0"]


def test_copies_go_into_the_home_of_the_new_name(database: Database) -> None:
    database.write(move_in)
    filed = "UPDATE emails SET filing = 2, file_path = '/home/ann/.onifast/mail/x.eml'"
    database.write(lambda tx: tx.execute(filed))
    change(database, "remove")
    change(database, "restore")
    assert sqlite_shell.run(database.path, "SELECT filing FROM emails;") == ["2"]
    change(database, "rename", new_name="anna")
    assert sqlite_shell.run(database.path, "SELECT filing FROM emails;") == ["1"]
