"""What a panel asks of addresses, domains, users and usage: filters, pages, changes, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from web.support import Clock, Panel, add_user, deliver, give_address, queue

ADDRESSES, DOMAINS, USERS, USAGE = (
    "/api/mail/addresses", "/api/mail/domains", "/api/panel/users", "/api/mail/usage"
)  # fmt: skip


def listed(panel: Panel, path: str, list_name: str, name: str, **query: Any) -> list[str]:
    """The names that a list has, page by page."""
    found: list[str] = []
    while True:
        answer = panel.get(path, **query)
        assert answer.status_code == 200 and answer.json is not None, answer.text
        found += [row[name] for row in answer.json[list_name]]
        if answer.json["next_cursor"] is None:
            return found
        assert len(answer.json[list_name]) == query["limit"]
        query["cursor"] = answer.json["next_cursor"]


def patch(panel: Panel, path: str, body: dict[str, Any]) -> Any:
    return panel.client.patch(path, json=body, headers=panel.headers)


# Addresses


def test_addresses_come_in_pages_and_by_filters(panel: Panel, database: Database) -> None:
    for address in ("b@shop.test", "A@shop.test", "c@münch.test"):
        give_address(database, address, "maria")

    def found(**query: Any) -> list[str]:
        return listed(panel, ADDRESSES, "addresses", "address", **query)

    everything = ["A@shop.test", "b@shop.test", "c@xn--mnch-0ra.test", "demo@example.test", "maria@other.test"]
    assert found() == found(limit=1) == found(limit=2) == everything
    assert found(owner="demo") == ["demo@example.test"]
    assert found(domain="SHOP.test", limit=1) == everything[:2]
    assert found(domain="münch.test") == found(q="c@münch.test") == [everything[2]]
    assert found(q="DEMO") == ["demo@example.test"] and found(q="nothing like it") == []
    assert panel.get(ADDRESSES, domain="..").status_code == 422


def test_pages_lose_no_address_that_a_script_wrote_twice(panel: Panel, database: Database) -> None:
    rows = [("X@shop.test", "demo"), ("x@shop.test", "demo")]
    database.write(lambda tx: tx.executemany("INSERT INTO mail_addresses (address, owner) VALUES (?, ?)", rows))
    found = listed(panel, ADDRESSES, "addresses", "address", domain="shop.test", limit=1)
    assert found == ["X@shop.test", "x@shop.test"]


def test_filters_show_nobody_what_is_not_theirs(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    for query in ({"owner": "maria"}, {"domain": "other.test"}, {"q": "maria"}, {"cursor": "e"}):
        assert listed(demo, ADDRESSES, "addresses", "address", **query) == []
    assert listed(demo, DOMAINS, "domains", "domain", owner="maria") == []
    assert listed(demo, DOMAINS, "domains", "domain") == ["example.test"]
    assert listed(demo, USAGE, "usage", "name", q="maria") == []
    assert listed(demo, USAGE, "usage", "name", scope="domain") == ["example.test"]
    assert demo.get(USERS).status_code == 403


def test_an_address_gets_another_owner_and_quota(panel: Panel, database: Database) -> None:
    deliver(database)
    answer = patch(panel, ADDRESSES, {"address": "Demo@example.test", "owner": "maria", "quota": 5000})
    assert answer.status_code == 200, answer.text
    assert {**answer.json, "created_at": None, "bytes": 0} == {
        "address": "demo@example.test", "domain": "example.test", "local_part": "demo", "owner": "maria",
        "created_at": None, "quota": 5000, "bytes": 0, "messages": 1,
    }  # fmt: skip
    assert answer.json["bytes"] > 100
    assert patch(panel, ADDRESSES, {"address": "demo@example.test", "quota": None}).json["quota"] == 0
    # What came before stays whose it was.
    assert panel.acting_for("maria").get("/api/mail/list").json["emails"] == []  # type: ignore[index]
    assert database.read(lambda tx: addresses.owner_of(tx, Address.parse("demo@example.test"))) == "maria"
    (event,) = database.read(
        lambda tx: tx.execute(
            "SELECT action, owner, object, details FROM audit_events WHERE action = 'address.owner'"
        ).fetchall()
    )
    assert event == ("address.owner", "demo", "address:demo@example.test", '{"from": "demo", "to": "maria"}')


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"address": "demo@example.test"}, 422),
        ({"address": "demo@example.test", "owner": None}, 422),
        ({"address": "demo@example.test", "owner": "nobody"}, 422),
        ({"address": "demo@example.test", "quota": -1}, 422),
        ({"address": "demo", "quota": 1}, 422),
        ({"address": "x@example.test", "quota": 1}, 404),
    ],
)
def test_a_change_of_an_address_that_makes_no_sense_is_refused(panel: Panel, body: dict[str, Any], status: int) -> None:
    answer = patch(panel, ADDRESSES, body)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


def test_only_administrators_change_addresses_and_domains(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    assert patch(demo, ADDRESSES, {"address": "demo@example.test", "quota": 1}).status_code == 403
    assert patch(demo, DOMAINS, {"domain": "example.test", "owner": "maria"}).status_code == 403
    assert demo.post(DOMAINS, {"domain": "new.test", "owner": "demo"}).status_code == 403
    assert demo.delete(DOMAINS, domain="example.test").status_code == 403


# Domains


def test_a_domain_is_made_given_and_removed(panel: Panel, database: Database) -> None:
    made = panel.post(DOMAINS, {"domain": "Münch.test", "owner": "demo"})
    assert made.status_code == 201 and made.json is not None
    assert {**made.json, "created_at": None} == {
        "domain": "xn--mnch-0ra.test", "owner": "demo", "addresses": 0, "alias_of": "", "created_at": None,
        "mta_sts": "default", "dns": "", "dns_checked_at": None,
    }  # fmt: skip
    assert panel.post(DOMAINS, {"domain": "münch.test", "owner": "demo"}).status_code == 409
    assert patch(panel, DOMAINS, {"domain": "münch.test", "owner": "maria"}).json["owner"] == "maria"
    assert patch(panel, DOMAINS, {"domain": "none.test", "owner": "maria"}).status_code == 404
    assert listed(panel, DOMAINS, "domains", "domain", q="münch") == ["xn--mnch-0ra.test"]
    assert listed(panel, DOMAINS, "domains", "domain", limit=1) == ["example.test", "other.test", "xn--mnch-0ra.test"]
    assert panel.delete(DOMAINS, domain="münch.test").status_code == 204
    assert panel.delete(DOMAINS, domain="münch.test").status_code == 404


def test_a_domain_with_addresses_goes_only_with_them(panel: Panel, database: Database) -> None:
    panel.post("/api/mail/forwards", {"address": "sales@example.test", "target": "demo@example.test", "owner": "demo"})
    panel.post("/api/mail/domain-aliases", {"alias": "example.net", "domain": "example.test"})
    refused = panel.delete(DOMAINS, domain="example.test")
    assert refused.status_code == 409 and "example.test has 1 address;" in refused.text
    assert panel.delete(DOMAINS, domain="example.test", addresses="true").status_code == 204
    left = database.read(
        lambda tx: [
            tx.execute(f"SELECT count(*) FROM {table}").get
            for table in ("mail_addresses", "mail_forwards", "domain_aliases", "domains")
        ]
    )
    assert left == [1, 0, 0, 1]


# Users and usage


def test_users_are_listed_with_their_state(panel: Panel, settings: Settings, database: Database) -> None:
    deliver(database)
    add_user(settings, "gone")
    give_address(database, "gone@example.test", "gone")
    panel.post(f"{USERS}/remove", {"username": "gone"})
    (settings.users_dir / "gone.json").unlink()
    add_user(settings, "off", disabled=True)
    (settings.users_dir / "bad.json").write_text("{")
    rows = panel.get(USERS).json
    assert rows is not None
    assert {row["username"]: row["state"] for row in rows["users"]} == {
        "bad": "broken", "demo": "active", "gone": "departed", "maria": "active", "off": "disabled",
        "root-admin": "active",
    }  # fmt: skip
    (demo,) = [row for row in rows["users"] if row["username"] == "demo"]
    assert (demo["addresses"], demo["domains"], demo["messages"], demo["is_admin"]) == (1, 1, 1, False)
    assert demo["bytes"] > 100 and demo["since"] is None
    assert listed(panel, USERS, "users", "username", limit=2) == [row["username"] for row in rows["users"]]
    assert listed(panel, USERS, "users", "username", state="disabled") == ["off"]
    assert listed(panel, USERS, "users", "username", q="MAR", limit=1) == ["maria"]
    assert panel.get(USERS, state="asleep").status_code == 422


def test_usage_tells_what_lies_here_was_sent_today_and_is_left(
    panel: Panel, database: Database, clock: Clock, settings: Settings
) -> None:
    deliver(database)
    database.write(lambda tx: tx.execute("INSERT INTO outbox (sender, recipient, subject, body, created_at)"
        " VALUES ('demo@example.test', 'a@remote.test', 'old', 'x', '2020-01-01 00:00:00')"))  # fmt: skip
    queue(database, "a@remote.test", "b@remote.test")
    panel.acting_for("demo").post(
        "/api/mail/send", {"from": "demo@example.test", "to": ["c@remote.test"], "subject": "x", "text": "x"}
    )
    mine = panel.acting_for("demo").get(USAGE).json
    assert mine is not None and mine["next_cursor"] is None
    (row,) = mine["usage"]
    assert (row["scope"], row["name"], row["sent_today"]) == ("user", "demo", {"messages": 2, "recipients": 3})
    assert row["messages"] == 3 and row["bytes"] > 100  # one came, two are in sent
    hour = row["limits"][0]
    assert hour["counted"] == "messages_per_hour" and hour["used"] == 1 and hour["left"] == hour["limit"] - 1
    of_domains = {row["name"]: row for row in panel.get(USAGE, scope="domain").json["usage"]}  # type: ignore[index]
    assert of_domains["example.test"]["sent_today"] == {"messages": 2, "recipients": 3}
    assert of_domains["other.test"]["sent_today"] == {"messages": 0, "recipients": 0}
    assert of_domains["example.test"]["messages"] == 1
    clock.advance(86400)
    assert panel.get(USAGE, owner="demo").json["usage"][0]["sent_today"]["messages"] == 0  # type: ignore[index]
    assert listed(panel, USAGE, "usage", "name", limit=1) == ["demo", "maria", "root-admin"]
