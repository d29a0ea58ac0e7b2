"""Forwards, aliases and quotas as they stand in the database, whoever wrote the rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage, LocalDelivery
from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses, forwards, quotas
from onifast_shared.recipients.addresses import Circular, Expansion, Local, RewrittenSender, UnknownLocal
from onifast_shared.values.address import Address
from onifast_shared.values.expansion import Mailbox

ANN = Address.parse("ann@here.test")
PANEL = """
    INSERT INTO mail_addresses (address, owner) VALUES ('Ann@here.test', 'ann'), ('info@bücher.test', 'ann'),
        ('ärger@here.test', 'ann'), ('"a b"@here.test', 'ann');
    INSERT INTO mail_forwards (address, target) VALUES ('Sales@Here.test', 'ann@here.test'),
        ('Sales@Here.test', 'x@Remote.test'), ('info@bücher.test', 'y@remote.test'), ('bad@here.test', 'no address'),
        ('only@forwards.test', 'z@remote.test'), ('"a b"@here.test', '"c d"@remote.test');
    INSERT INTO domain_aliases (alias, domain) VALUES ('Alias.test', 'Here.test'), ('münchen.test', 'here.test');
"""


@pytest.fixture
def panel(database: Database) -> Database:
    """A database whose rows a panel wrote, in its own spelling."""
    sqlite_shell.run(database.path, PANEL)
    return database


def reached(db: Database, text: str, settings: Settings) -> object:
    found = db.read(lambda tx: addresses.expand(tx, Address.parse(text), settings))
    if not isinstance(found, Expansion):
        return type(found)
    return [each.owner for each in found.mailboxes] + [str(each.target) for each in found.forwards]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SALES@here.test", ["ann", "x@remote.test"]),
        ("sales+x@alias.test", ["ann", "x@remote.test"]),
        ("ann@münchen.test", ["ann"]),
        ("info@xn--bcher-kva.test", ["y@remote.test"]),
        ("bad@here.test", UnknownLocal),
        ("only@forwards.test", ["z@remote.test"]),
        ("other@forwards.test", UnknownLocal),
        ("Ärger@here.test", ["ann"]),
        ('"a b"@here.test', ['"c d"@remote.test']),
        ("postmaster@alias.test", ["ann"]),
    ],
)
def test_rows_of_a_panel_count_whatever_their_spelling(
    panel: Database, settings: Settings, text: str, expected: object
) -> None:
    assert reached(panel, text, settings) == expected


def test_forwards_are_added_once_listed_and_removed(database: Database, settings: Settings) -> None:
    target, other = Address.parse("x@remote.test"), Address.parse("y@remote.test")

    def fill(tx: Connection) -> list[bool]:
        return [forwards.add(tx, ANN, each, "ann") for each in (target, target, other)]

    assert database.write(fill) == [True, False, True]
    assert [row.target for row in database.read(lambda tx: forwards.list_for(tx, "ann"))] == [str(target), str(other)]
    assert database.read(lambda tx: forwards.list_for(tx, "bob")) == []
    assert database.write(lambda tx: forwards.remove(tx, ANN, target)) == 1
    assert database.write(lambda tx: forwards.remove(tx, ANN)) == 1
    assert reached(database, str(ANN), settings) != [str(other)]


FORWARDED = """
    INSERT INTO domains (domain, owner) VALUES ('here.test', 'dom');
    INSERT INTO mail_addresses (address, owner) VALUES ('sales@here.test', 'eve');
    INSERT INTO mail_forwards (address, target, owner) VALUES ('Sales@Here.test', 'eve@remote.test', 'eve'),
        ('sales@here.test', 'dom@remote.test', 'dom'), ('sales@here.test', 'panel@remote.test', NULL),
        ('sales@here.test', 'bob@remote.test', 'bob'), ('info@here.test', 'else@remote.test', 'eve');
"""


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("DELETE FROM mail_addresses WHERE address = 'sales@here.test'", ["bob", "dom", "else", "panel"]),
        ("UPDATE mail_addresses SET owner = 'bob'", ["bob", "dom", "else", "panel"]),
        ("UPDATE mail_addresses SET owner = NULL", ["dom", "else", "panel"]),
        ("UPDATE mail_addresses SET address = 'old@here.test'", ["bob", "dom", "else", "panel"]),
        ("UPDATE mail_addresses SET domain = 'here.test'", ["bob", "dom", "else", "eve", "panel"]),
        ("INSERT OR REPLACE INTO mail_addresses (address, owner) VALUES ('sales@here.test', 'ann')",
         ["dom", "else", "panel"]),
        ("INSERT INTO mail_addresses (address, owner) VALUES ('sales@here.test', 'bob')"
         " ON CONFLICT (address) DO UPDATE SET owner = excluded.owner", ["bob", "dom", "else", "panel"]),
        ("DELETE FROM mail_addresses; INSERT INTO mail_addresses (address, owner) VALUES ('SALES@here.test', 'bob')",
         ["bob", "dom", "else", "panel"]),
    ],
)  # fmt: skip
def test_a_forward_ends_when_a_panel_gives_its_address_to_somebody_else(
    database: Database, change: str, left: list[str]
) -> None:
    sqlite_shell.run(database.path, f"{FORWARDED} {change};")
    found = sqlite_shell.run(database.path, "SELECT target FROM mail_forwards ORDER BY target;")
    assert [target.removesuffix("@remote.test") for target in found] == left


FORMS = (
    ("info@b\u00fccher.test", "INFO@XN--BCHER-KVA.TEST"),
    ("info@xn--bcher-kva.test", "Info@b\u00fccher.test"),
    ("café@here.test", "cafe\u0301@here.test"),
    ("\u00c4nne@here.test", "\u00e4nne@here.test"),
    ("a..b@here.test", '"a..b"@here.test'),
    ('".a"@here.test', ".a@here.test"),
)
"""An address in two forms: as a panel made it for one user, and as it gives it to the next one."""


@pytest.mark.parametrize(("first", "second"), FORMS)
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM mail_addresses; INSERT INTO mail_addresses (address, owner) VALUES ('{0}', 'bob')",
        "INSERT INTO mail_addresses (address, owner) VALUES ('{1}', 'bob')",
        "UPDATE mail_addresses SET owner = 'bob'",
        "UPDATE mail_addresses SET address = 'other@here.test'",
        "DELETE FROM mail_addresses",
    ],
)
def test_a_forward_in_another_form_ends_as_well(
    database: Database, settings: Settings, first: str, second: str, change: str
) -> None:
    made = f"""
        UPDATE domains SET owner = 'dom';
        INSERT INTO mail_forwards (address, target, owner) VALUES ('{second}', 'eve@remote.test', 'eve'),
            ('{second}', 'panel@remote.test', NULL), ('more@here.test', 'eve@remote.test', 'eve');
        {change.format(first, second)};
        INSERT INTO mail_forwards (address, target, owner) VALUES ('{first}', 'later@remote.test', 'bob');
    """
    sqlite_shell.run(database.path, f"INSERT INTO mail_addresses (address, owner) VALUES ('{first}', 'eve'); {made}")
    for written in (first, second):
        targets = database.read(lambda tx, written=written: forwards.targets_of(tx, Address.parse(written)))  # type: ignore[misc]
        assert "eve@remote.test" not in [str(target.address) for target in targets]
    database.write(forwards.end_of_earlier_owners)
    found = sqlite_shell.run(database.path, "SELECT target, owner FROM mail_forwards ORDER BY id;")
    assert found == ["panel@remote.test|", "eve@remote.test|eve", "later@remote.test|bob"]
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM mail_address_changes;") == ["0"]


def test_of_a_domain_in_letters_its_owners_forward_stays(database: Database) -> None:
    sqlite_shell.run(
        database.path,
        """
        INSERT INTO domains (domain, owner) VALUES ('xn--bcher-kva.test', 'dom');
        INSERT INTO mail_forwards (address, target, owner) VALUES ('info@b\u00fccher.test', 'dom@remote.test', 'dom'),
            ('info@b\u00fccher.test', 'eve@remote.test', 'eve');
        INSERT INTO mail_addresses (address, owner) VALUES ('info@xn--bcher-kva.test', 'bob');
        """,
    )
    assert database.write(forwards.end_of_earlier_owners) == 1
    assert sqlite_shell.run(database.path, "SELECT owner FROM mail_forwards;") == ["dom"]


def test_addresses_of_one_form_alone_are_not_noted(database: Database) -> None:
    sqlite_shell.run(database.path, f"{FORWARDED} DELETE FROM mail_addresses;")
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM mail_address_changes;") == ["0"]


def test_a_forward_of_nobodys_address_does_not_steal_the_mail_of_who_gets_it(
    database: Database, settings: Settings
) -> None:
    rows = "('sales@here.test', 'eve@remote.test', 'eve')"
    sqlite_shell.run(database.path, f"INSERT INTO mail_forwards (address, target, owner) VALUES {rows};")
    sqlite_shell.run(database.path, "INSERT INTO domains (domain, owner) VALUES ('here.test', 'dom');")
    sqlite_shell.run(database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('Sales@here.test', 'bob');")
    assert reached(database, "sales@here.test", settings) == ["bob"]


def test_an_address_that_is_removed_and_added_again_is_not_forwarded(database: Database, settings: Settings) -> None:
    def hand_over(tx: Connection) -> None:
        addresses.add(tx, ANN, "eve")
        forwards.add(tx, ANN, Address.parse("eve@remote.test"), "eve")
        addresses.remove(tx, ANN)
        addresses.add(tx, ANN, "bob")

    database.write(hand_over)
    assert reached(database, str(ANN), settings) == ["bob"]


def test_a_domain_is_an_alias_of_one_other(database: Database) -> None:
    for domain in ("b.test", "c.test"):
        database.write(lambda tx, domain=domain: forwards.set_alias(tx, "a.test", domain))  # type: ignore[misc]
    assert [(row.alias, row.domain) for row in database.read(lambda tx: forwards.list_aliases(tx, None))] == [
        ("a.test", "c.test")
    ]
    assert database.write(lambda tx: forwards.remove_alias(tx, "a.test"))
    assert not database.write(lambda tx: forwards.remove_alias(tx, "a.test"))


def test_who_has_an_address_has_its_tags_and_aliases_too(panel: Database, settings: Settings) -> None:
    def whose(text: str) -> object:
        return panel.read(lambda tx: addresses.resolve(tx, Address.parse(text), settings))

    assert whose("ann+shop@here.test") == Local("ann", "ann+shop@here.test")
    assert whose("ann@alias.test") == Local("ann", "ann@alias.test")
    assert whose("nobody@here.test") == UnknownLocal()


def test_a_circle_in_the_table_is_seen(database: Database, settings: Settings) -> None:
    rows = "('a@here.test', 'b@here.test'), ('b@here.test', 'a@here.test')"
    sqlite_shell.run(database.path, f"INSERT INTO mail_forwards (address, target) VALUES {rows};")
    assert reached(database, "a@here.test", settings) is Circular


def pass_on(db: Database, settings: Settings, sender: str) -> str:
    """Forwards a message from a sender; the sender in the queue."""

    def change(tx: Connection) -> str:
        content_id = contents.attach(tx, contents.ContentRef(4, b"\r\nHi", None))
        passing = ForwardedRecipient(QueuedRecipient("x@remote.test"), ANN, "ann")
        onward = ForwardedMessage([passing], settings, Submission("", "forward"))
        copies = [LocalDelivery("ann", "ann@here.test")]
        received = accept.deliver_in(tx, content_id, 4, IncomingMessage(sender, copies, onward=onward))
        assert len(received.email_ids) == len(received.outbox_ids) == 1
        return str(tx.execute("SELECT sender FROM outbox").get)

    return db.write(change)


def test_a_forwarded_message_has_a_sender_whose_bounces_find_back(panel: Database, settings: Settings) -> None:
    sender = pass_on(panel, settings, "bob@remote.test")
    assert sender.startswith("SRS0=")
    assert sender.endswith("=remote.test=bob@here.test")
    found = panel.read(lambda tx: addresses.expand(tx, Address.parse(sender), settings))
    assert found == RewrittenSender(Address.parse("bob@remote.test"))


@pytest.mark.parametrize("sender", ["", "ann@here.test", "ann@alias.test"])
def test_a_sender_of_ours_and_none_at_all_stay_as_they_are(panel: Database, settings: Settings, sender: str) -> None:
    assert pass_on(panel, settings, sender) == sender


def test_a_rewritten_sender_is_nobodys_where_no_key_was_made(panel: Database, settings: Settings) -> None:
    forged = Address.parse("SRS0=AAAAAAAA=AA=remote.test=bob@here.test")
    found = panel.read(lambda tx: addresses.expand(tx, forged, settings))
    assert isinstance(found, RewrittenSender)
    assert found.original is None


def test_the_key_is_made_once(database: Database) -> None:
    keys = {database.write(lambda tx: shared_keys.obtain(tx, shared_keys.SRS)) for _ in range(2)}
    assert keys == {database.read(lambda tx: shared_keys.find(tx, shared_keys.SRS))}
    assert len(keys.pop()) == 32


def fill(tx: Connection, size: int) -> None:
    content_id = contents.attach(tx, contents.ContentRef(size, b"x" * size, None))
    accept.deliver_in(tx, content_id, size, IncomingMessage("", [LocalDelivery("ann", "ann@here.test")]))


@pytest.mark.parametrize(("scope", "name"), [("address", "Ann@Here.test"), ("owner", "ann")])
def test_a_quota_of_the_panels_holds(panel: Database, settings: Settings, scope: str, name: str) -> None:
    panel.write(lambda tx: fill(tx, 600))
    sqlite_shell.run(panel.path, f"INSERT INTO mail_quotas VALUES ('{scope}', '{name}', 1000);")
    mailbox = Mailbox("ann", ANN, ANN)

    def judge(size: int) -> str:
        return panel.read(lambda tx: quotas.judge(tx, [mailbox], size, settings))

    assert [judge(size) for size in (0, 400, 401, 1000, 1001)] == ["room", "room", "full", "full", "never"]


def test_a_default_holds_where_no_quota_is_set_and_0_lifts_it(panel: Database, settings: Settings) -> None:
    limited = replace(settings, default_owner_quota=500, default_address_quota=0)
    panel.write(lambda tx: fill(tx, 600))

    def judge() -> str:
        return panel.read(lambda tx: quotas.judge(tx, [Mailbox("ann", ANN, ANN)], 0, limited))

    assert judge() == "full"
    panel.write(lambda tx: quotas.put(tx, "owner", "ann", 0))
    assert judge() == "room"
    panel.write(lambda tx: quotas.put(tx, "owner", "ann", None))
    assert judge() == "full"


def test_quotas_are_listed_with_what_is_used(panel: Database, settings: Settings) -> None:
    panel.write(lambda tx: fill(tx, 600))
    panel.write(lambda tx: quotas.put(tx, "address", "ANN@here.test", 1000))
    found = panel.read(lambda tx: quotas.list_for(tx, "ann", settings))
    assert (found[0].scope, found[0].name, found[0].limit, found[0].used, found[0].messages) == (
        "owner",
        "ann",
        0,
        600,
        1,
    )
    assert ("ann@here.test", 1000, 600) in [(each.name, each.limit, each.used) for each in found]
    assert panel.read(lambda tx: quotas.list_for(tx, "bob", settings))[0].used == 0
