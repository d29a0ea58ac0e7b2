"""The API's forwards, domain aliases and quotas: for the panel, and for who owns an address or a domain."""

from __future__ import annotations

from typing import Any

import pytest
import sqlite_shell
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from web.support import Panel, give_address

FORWARDS = "/api/mail/forwards"
ALIASES = "/api/mail/domain-aliases"
QUOTAS = "/api/mail/quotas"


def targets(panel: Panel) -> list[tuple[str, str]]:
    answer: Any = panel.get(FORWARDS).json
    return [(row["address"], row["target"]) for row in answer["forwards"]]


def body(address: str, target: str = "me@remote.test") -> dict[str, str]:
    return {"address": address, "target": target}


def test_a_user_forwards_his_address_and_keeps_a_copy(panel: Panel, database: Database, settings: Settings) -> None:
    demo = panel.acting_for("demo")
    answer = demo.post(FORWARDS, body("demo@example.test"))
    assert answer.status_code == 201 and answer.json is not None
    assert answer.json["owner"] == "demo" and answer.json["created_at"].endswith("Z")
    assert demo.post(FORWARDS, body("demo@example.test", "demo@example.test")).status_code == 201
    assert demo.post(FORWARDS, body("Demo@example.test", "me@Remote.test")).status_code == 409
    assert targets(demo) == [("demo@example.test", "me@remote.test"), ("demo@example.test", "demo@example.test")]
    found = database.read(lambda tx: addresses.expand(tx, Address.parse("demo@example.test"), settings))
    assert isinstance(found, addresses.Expansion)
    assert (len(found.mailboxes), len(found.forwards)) == (1, 1)


def test_a_user_forwards_nobody_elses_mail(panel: Panel, database: Database) -> None:
    demo, other = panel.acting_for("demo"), panel.acting_for("maria")
    for address in ("maria@other.test", "x@gmail.test", "*@other.test", "postmaster@mail.host.test"):
        assert demo.post(FORWARDS, body(address)).status_code == 403, address
    panel.post(FORWARDS, body("maria@other.test"))
    assert targets(demo) == []
    assert targets(other) == [("maria@other.test", "me@remote.test")]
    assert demo.delete(FORWARDS, address="maria@other.test").status_code == 404
    assert other.delete(FORWARDS, address="maria@other.test", target="me@remote.test").status_code == 204
    assert targets(panel) == []


def test_the_owner_of_a_domain_forwards_what_nobody_has_in_it(panel: Panel, database: Database) -> None:
    sqlite_shell.run(database.path, "INSERT OR REPLACE INTO domains (domain, owner) VALUES ('example.test', 'demo');")
    give_address(database, "maria@example.test", "maria")
    demo = panel.acting_for("demo")
    for address in ("sales@example.test", "*@example.test"):
        assert demo.post(FORWARDS, body(address)).status_code == 201
    assert demo.post(FORWARDS, body("maria@example.test")).status_code == 403
    panel.post(FORWARDS, body("maria@example.test"))
    assert [address for address, _ in targets(demo)] == ["*@example.test", "sales@example.test"]
    assert demo.delete(FORWARDS, address="sales@example.test").status_code == 204


@pytest.mark.parametrize("wrong", [{"address": "x"}, {"target": "x y@z.test"}, {"keep": True}])
def test_a_forward_that_is_none_is_refused(panel: Panel, wrong: dict[str, Any]) -> None:
    assert panel.post(FORWARDS, body("demo@example.test") | wrong).status_code == 422


def test_the_panel_makes_a_domain_an_alias(panel: Panel) -> None:
    answer = panel.post(ALIASES, {"alias": "Bücher.test", "domain": "example.test"})
    assert answer.status_code == 201 and answer.json is not None
    assert (answer.json["alias"], answer.json["domain"]) == ("xn--bcher-kva.test", "example.test")
    assert panel.delete(ALIASES, alias="bücher.test").status_code == 204
    assert panel.delete(ALIASES, alias="bücher.test").status_code == 404
    assert panel.post(ALIASES, {"alias": "a.test", "domain": "a.test"}).status_code == 422


def test_a_user_makes_only_domains_of_his_aliases(panel: Panel, database: Database) -> None:
    rows = "('example.test', 'demo'), ('second.test', 'demo')"
    sqlite_shell.run(database.path, f"INSERT OR REPLACE INTO domains (domain, owner) VALUES {rows};")
    demo = panel.acting_for("demo")
    assert demo.post(ALIASES, {"alias": "gmail.test", "domain": "example.test"}).status_code == 403
    assert demo.post(ALIASES, {"alias": "second.test", "domain": "other.test"}).status_code == 403
    assert demo.post(ALIASES, {"alias": "second.test", "domain": "example.test"}).status_code == 201
    assert demo.get(ALIASES).json["domain_aliases"][0]["alias"] == "second.test"  # type: ignore[index]
    other = panel.acting_for("maria")
    assert other.get(ALIASES).json == {"domain_aliases": []}
    assert other.delete(ALIASES, alias="second.test").status_code == 404
    assert demo.delete(ALIASES, alias="second.test").status_code == 204


def test_the_panel_sets_quotas_and_users_see_theirs(panel: Panel) -> None:
    for scope, name in (("owner", "demo"), ("address", "Demo@example.test"), ("owner", "maria")):
        answer = panel.post(QUOTAS, {"scope": scope, "name": name, "bytes": 1000})
        assert answer.status_code == 200 and answer.json is not None and answer.json["bytes"] == 1000
    rows = panel.acting_for("demo").get(QUOTAS).json["quotas"]  # type: ignore[index]
    assert [(row["scope"], row["name"], row["bytes"]) for row in rows] == [
        ("owner", "demo", 1000),
        ("address", "demo@example.test", 1000),
    ]
    assert set(rows[0]) == {"scope", "name", "bytes", "used", "messages"}
    lifted = panel.post(QUOTAS, {"scope": "owner", "name": "demo", "bytes": None})
    assert lifted.json is not None and lifted.json["bytes"] == 0


def test_users_set_no_quotas(panel: Panel) -> None:
    answer = panel.acting_for("demo").post(QUOTAS, {"scope": "owner", "name": "demo", "bytes": 0})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "wrong", [{"scope": "domain"}, {"name": "../x"}, {"scope": "address", "name": "x"}, {"bytes": -1}]
)
def test_a_quota_that_is_none_is_refused(panel: Panel, wrong: dict[str, Any]) -> None:
    assert panel.post(QUOTAS, {"scope": "owner", "name": "demo", "bytes": 1} | wrong).status_code == 422
