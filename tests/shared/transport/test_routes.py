"""Routes and source addresses: which one counts for a message, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.log import Secret
from onifast_shared.machine.setting_types import Source
from onifast_shared.recipients import addresses
from onifast_shared.transport import names, relay, routes, sources
from onifast_shared.transport.names import BadField
from onifast_shared.transport.relay import Relay, RelayError
from onifast_shared.transport.routes import Routes, StoredRoute, Way
from onifast_shared.transport.sources import Family, StoredSource, sources_for
from onifast_shared.values.address import Address

ALICE = "alice@here.test"
HIS = "user:alice"
Run = Callable[..., tuple[int, str, str]]


def smart_host(name: str) -> Relay:
    return Relay(name, 587, "user", Secret("secret"), "starttls")


@pytest.fixture
def database(database: Database) -> Database:
    """A database in which alice has an address in here.test, and carol owns sub.carol.test."""

    def fill(tx: Connection) -> None:
        addresses.add(tx, Address.parse(ALICE), "alice")
        tx.execute("INSERT INTO domains (domain, owner) VALUES ('sub.carol.test', 'carol')")

    database.write(fill)
    return database


def store(database: Database, *stored: StoredRoute) -> None:
    for each in stored:
        database.write(lambda tx, each=each: routes.put(tx, each))  # type: ignore[misc]


def way(database: Database, domain: str, sender: str = ALICE, submitted_by: str | None = HIS) -> Way:
    return database.read(lambda tx: Routes(tx).way(domain, sender, submitted_by))


def test_without_routes_the_relay_counts_and_without_it_the_exchangers(database: Database) -> None:
    assert way(database, "remote.test") == Way(None, "mx")
    database.write(lambda tx: relay.put(tx, smart_host("relay.test")))
    assert way(database, "remote.test") == Way(smart_host("relay.test"), "relay")


def test_the_recipients_domain_counts_before_the_senders_and_that_before_the_relay(database: Database) -> None:
    database.write(lambda tx: relay.put(tx, smart_host("relay.test")))
    store(database, StoredRoute("sender_domain", "here.test", smart_host("sender.test")))
    store(database, StoredRoute("recipient_domain", "partner.test", smart_host("partner.test")))
    assert way(database, "partner.test") == Way(smart_host("partner.test"), "recipient_domain", "partner.test")
    assert way(database, "remote.test") == Way(smart_host("sender.test"), "sender_domain", "here.test")
    assert way(database, "remote.test", "carol@sub.carol.test", "user:carol").decided_by == "relay"


def test_a_direct_route_goes_past_the_relay(database: Database) -> None:
    database.write(lambda tx: relay.put(tx, smart_host("relay.test")))
    store(database, StoredRoute("recipient_domain", "remote.test", None))
    assert way(database, "remote.test") == Way(None, "recipient_domain", "remote.test")


def test_the_longest_name_that_covers_a_domain_counts(database: Database) -> None:
    store(database, StoredRoute("recipient_domain", "*.test", smart_host("far")))
    store(database, StoredRoute("recipient_domain", "*.b.test", smart_host("near")))
    store(database, StoredRoute("recipient_domain", "c.b.test", smart_host("own")))
    assert [way(database, domain).name for domain in ("c.b.test", "d.b.test", "b.test", "a.test")] == [
        "c.b.test",
        "*.b.test",
        "*.test",
        "*.test",
    ]


@pytest.mark.parametrize(
    ("sender", "submitted_by", "counts"),
    [
        (ALICE, "user:alice", True),
        (ALICE, "unix:alice", True),
        (ALICE, "user:mallory", False),
        (ALICE, "unix:www-data", False),
        (ALICE, "192.0.2.7", False),  # a trusted network may send as anybody
        ("info@here.test", "user:alice", True),  # the domain is hers
        ("info@here.test", "user:carol", False),
        (ALICE, None, True),  # a script with access to the database
        (ALICE, "panel", True),
        (ALICE, "unix:root", True),
        ("SRS0=xxxx=yy=remote.test=bob@here.test", "forward:alice@here.test", True),
        ("", None, False),
        ("nonsense", "user:alice", False),
    ],
)
def test_a_senders_route_serves_only_who_has_the_address(
    database: Database, sender: str, submitted_by: str | None, *, counts: bool
) -> None:
    store(database, StoredRoute("sender_domain", "here.test", smart_host("sender.test")))
    found = way(database, "remote.test", sender, submitted_by)
    assert found.decided_by == ("sender_domain" if counts else "mx")


def test_a_relay_that_makes_no_sense_leaves_domains_with_routes_alone(database: Database) -> None:
    database.write(lambda tx: tx.execute("INSERT INTO mail_config VALUES ('relay_host', 'x'), ('relay_port', 'y')"))
    store(database, StoredRoute("recipient_domain", "partner.test", smart_host("partner.test")))
    assert way(database, "partner.test").server == smart_host("partner.test")
    with pytest.raises(RelayError):
        way(database, "remote.test")


def test_the_next_hop_is_the_server_or_the_domain(database: Database) -> None:
    store(database, StoredRoute("recipient_domain", "partner.test", smart_host("Smart.Partner.test")))
    hops = database.read(lambda tx: [Routes(tx).next_hop(each, ALICE, HIS) for each in ("partner.test", "remote.test")])
    assert hops == ["smart.partner.test:587", "remote.test"]


def test_a_route_is_changed_and_taken_away(database: Database) -> None:
    store(database, StoredRoute("recipient_domain", "a.test", smart_host("one"), 100))
    store(database, StoredRoute("recipient_domain", "a.test", smart_host("two"), 200))
    (found,) = database.read(routes.list_all)
    assert (found.server, found.created_ts) == (smart_host("two"), 100)
    assert database.write(lambda tx: routes.remove(tx, "recipient_domain", "a.test"))
    assert not database.write(lambda tx: routes.remove(tx, "recipient_domain", "a.test"))


@pytest.mark.parametrize("text", ["", "*.", "a b", "*.[192.0.2.1]", "user@here.test", "*.*.test"])
def test_what_is_no_domain_is_no_name(text: str) -> None:
    with pytest.raises(BadField) as caught:
        names.checked(text)
    assert caught.value.field == "name"


def test_names_are_stored_in_a_labels() -> None:
    assert names.checked(" *.Bücher.Example ") == "*.xn--bcher-kva.example"


# Source addresses


def leaving(database: Database, sender: str, submitted_by: str | None, *settings: Source) -> dict[Family, Source]:
    found = database.read(lambda tx: sources_for(tx, sender, submitted_by, settings))
    return dict(found.by_family)


def test_the_settings_first_address_of_each_family_is_left_from(database: Database) -> None:
    given = (Source("127.0.0.2", "two.test"), Source("::1"), Source("127.0.0.3"))
    assert leaving(database, ALICE, HIS, *given) == {4: given[0], 6: given[1]}


def test_a_domains_own_addresses_take_the_place_of_all_others(database: Database) -> None:
    database.write(lambda tx: sources.put(tx, StoredSource("here.test", "127.0.0.3")))
    given = (Source("127.0.0.2"), Source("::1"), Source("127.0.0.3", "three.test"))
    assert leaving(database, ALICE, HIS, *given) == {4: Source("127.0.0.3", "three.test")}
    assert leaving(database, ALICE, "user:mallory", *given)[4] == given[0]
    assert leaving(database, "", None, *given)[4] == given[0]


def test_a_family_without_an_address_is_not_used_where_the_other_has_one(database: Database) -> None:
    found = database.read(lambda tx: sources_for(tx, ALICE, HIS, [Source("127.0.0.2")]))
    assert found.can_reach("192.0.2.1") and not found.can_reach("2001:db8::1")
    free = database.read(lambda tx: sources_for(tx, ALICE, HIS, []))
    assert free.can_reach("2001:db8::1") and free.towards("2001:db8::1") is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1", "does not have the address"),
        ("2001:db8::1", "2001:db8::1"),
        ("0.0.0.0", "no address to send from"),
        ("mail.here.test", "not an IPv4 or IPv6 address"),
    ],
)
def test_an_address_that_is_not_this_machines_is_refused(address: str, why: str) -> None:
    with pytest.raises(BadField, match=why) as caught:
        sources.checked("here.test", address, "")
    assert caught.value.field == "address"


# At the shell


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ)
        return status, *capsys.readouterr()

    return run_command


def test_routes_are_set_listed_and_removed_at_the_shell(run: Run, database: Database, tmp_path: object) -> None:
    assert run("route", "set", "to", "partner.test", "direct") == (0, "", "")
    assert run("route", "set", "from", "*.shop.test", "smtp.test", "--tls", "none") == (0, "", "")
    lines = ["recipient_domain\tpartner.test\tdirect", "sender_domain\t*.shop.test\tsmtp.test\t25\tnone\t-\tno"]
    assert run("route", "list")[1].splitlines() == lines
    assert run("route", "remove", "to", "partner.test") == (0, "", "")
    assert run("route", "remove", "to", "partner.test")[0] == 1


def test_a_routes_password_is_never_printed(run: Run, database: Database, settings: Settings) -> None:
    file = settings.root / "password"
    file.write_text("very secret\n")
    setting = ("route", "set", "from", "here.test", "smtp.test", "--user", "alice", "--password-file", str(file))
    assert run(*setting) == (0, "", "")
    (shown,) = json.loads(run("route", "list", "--json")[1])
    assert shown["password_set"] is True and "very secret" not in str(shown)
    stored = database.read(lambda tx: routes.get(tx, "sender_domain", "here.test"))
    assert stored and stored.server and stored.server.password.reveal() == "very secret"


def test_source_addresses_are_set_listed_and_removed_at_the_shell(run: Run, database: Database) -> None:
    assert run("source", "set", "here.test", "127.0.0.9", "--helo", "nine.test") == (0, "", "")
    assert run("source", "list")[1] == "here.test\t127.0.0.9\tnine.test\n"
    status, _, complaint = run("source", "set", "here.test", "192.0.2.1")
    assert status == 2 and "this machine does not have the address 192.0.2.1" in complaint
    assert run("source", "remove", "here.test", "--family", "6")[0] == 1
    assert run("source", "remove", "here.test")[0] == 0
