"""The API's settings: addresses, relay, queue, DKIM keys."""

from __future__ import annotations

import stat
import time
from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import STATES
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import Refusal
from onifast_shared.transport import relay

from web.support import Browser, Panel, queue

# Addresses


def test_a_user_sees_his_addresses_and_an_administrator_all(panel: Panel) -> None:
    mine = panel.acting_for("demo").get("/api/mail/addresses").json
    assert mine is not None
    (row,) = mine["addresses"]
    assert set(row) == {"address", "domain", "local_part", "owner", "created_at"}
    assert row["address"] == "demo@example.test" and row["owner"] == "demo" and row["created_at"].endswith("Z")
    assert len(panel.get("/api/mail/addresses").json["addresses"]) == 2  # type: ignore[index]
    assert len(panel.acting_for("root-admin").get("/api/mail/addresses").json["addresses"]) == 2  # type: ignore[index]


def test_the_panel_gives_and_takes_addresses(panel: Panel) -> None:
    body = {"address": "Info@Example.test", "owner": "demo"}
    answer = panel.post("/api/mail/addresses", body)
    assert answer.status_code == 201 and answer.json is not None and answer.json["domain"] == "example.test"
    assert panel.post("/api/mail/addresses", body).status_code == 409
    assert panel.delete("/api/mail/addresses", address="info@example.test").status_code == 204
    assert panel.delete("/api/mail/addresses", address="info@example.test").status_code == 404


def test_a_user_cannot_give_himself_an_address(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    assert demo.post("/api/mail/addresses", {"address": "x@example.test", "owner": "demo"}).status_code == 403
    assert demo.delete("/api/mail/addresses", address="maria@other.test").status_code == 403


@pytest.mark.parametrize("body", [{"address": "x", "owner": "demo"}, {"address": "x@y.test", "owner": "../x"}])
def test_an_address_that_is_none_is_refused(panel: Panel, body: dict[str, str]) -> None:
    assert panel.post("/api/mail/addresses", body).status_code == 422


# Relay

RELAY = {
    "relay_host": "smtp.relay.example",
    "relay_port": 587,
    "relay_user": "user",
    "relay_password": "relay secret",
    "relay_tls": "starttls",
}


def test_without_a_relay_the_config_is_empty(panel: Panel) -> None:
    assert panel.get("/api/mail/config").json == {
        "relay_host": "",
        "relay_port": 25,
        "relay_user": "",
        "relay_tls": "none",
        "relay_password_set": False,
    }


def test_the_relays_password_goes_in_and_never_comes_out(panel: Panel, database: Database) -> None:
    answer = panel.post("/api/mail/config", RELAY)
    assert answer.json == {name: RELAY[name] for name in RELAY if name != "relay_password"} | {
        "relay_password_set": True
    }
    assert "relay secret" not in answer.text + panel.get("/api/mail/config").text
    stored = database.read(relay.get)
    assert stored is not None and stored.password.reveal() == "relay secret"


def test_a_password_stays_while_host_and_user_do(panel: Panel) -> None:
    panel.post("/api/mail/config", RELAY)
    same = {name: RELAY[name] for name in RELAY if name != "relay_password"}
    assert panel.post("/api/mail/config", same | {"relay_port": 2525}).json["relay_password_set"] is True  # type: ignore[index]
    moved = panel.post("/api/mail/config", same | {"relay_host": "evil.example"})
    assert moved.json is not None and moved.json["relay_password_set"] is False


def test_an_empty_host_takes_the_relay_away(panel: Panel, database: Database) -> None:
    panel.post("/api/mail/config", RELAY)
    assert panel.post("/api/mail/config", {"relay_host": ""}).status_code == 200
    assert database.read(relay.get) is None


@pytest.mark.parametrize(
    "change",
    [
        {"relay_port": 0},
        {"relay_port": 65536},
        {"relay_tls": "ssl"},
        {"relay_host": "a b"},
        {"relay_user": "a\r\nb"},
        {"relay_hosts": "x"},
    ],
)
def test_a_relay_that_is_none_is_refused(panel: Panel, change: dict[str, Any]) -> None:
    assert panel.post("/api/mail/config", RELAY | change).status_code == 422


def test_a_port_belongs_to_its_kind_of_tls(panel: Panel) -> None:
    answer = panel.post("/api/mail/config", {"relay_host": "r.example", "relay_tls": "tls"})
    assert answer.json is not None and answer.json["relay_port"] == 465


def test_users_neither_see_nor_set_the_relay(panel: Panel, browser: Browser) -> None:
    assert panel.acting_for("demo").get("/api/mail/config").status_code == 403
    assert browser.post_json("/api/mail/config", RELAY).status_code == 403
    assert panel.acting_for("root-admin").get("/api/mail/config").status_code == 200


# Refused mail


def refuse(database: Database, owner: str, **more: Any) -> None:
    """Keeps a record of mail that was refused, as smtpd does."""
    refusal = Refusal(
        client="192.0.2.7",
        helo="mx.remote.example",
        submitted_by="",
        sender="ann@remote.example",
        recipient=f"{owner}@example.test",
        owner=owner,
        stage="DATA",
        code=550,
        enhanced="5.7.1",
        reason="not from whom it says",
        authentication={"why": ["SPF failed."]},
    )
    database.write(lambda tx: refusals.add(tx, refusal, more.get("at", time.time())))


def test_a_user_sees_what_was_refused_for_him_and_why(panel: Panel, database: Database) -> None:
    refuse(database, "demo")
    refuse(database, "maria")
    (row,) = panel.acting_for("demo").get("/api/mail/refusals").json["refusals"]  # type: ignore[index]
    assert (row["recipient"], row["stage"], row["code"]) == ("demo@example.test", "DATA", 550)
    assert row["reason"] == "not from whom it says" and row["why"] == ["SPF failed."]
    assert len(panel.get("/api/mail/refusals").json["refusals"]) == 2  # type: ignore[index]


def test_refused_mail_is_paged_newest_first(panel: Panel, database: Database) -> None:
    for _ in range(3):
        refuse(database, "demo")
    first = panel.get("/api/mail/refusals", limit="2").json
    assert first is not None
    second = panel.get("/api/mail/refusals", limit="2", cursor=first["next_cursor"]).json
    assert second is not None and second["next_cursor"] is None
    ids = [row["id"] for row in first["refusals"] + second["refusals"]]
    assert ids == sorted(ids, reverse=True) and len(ids) == 3
    assert panel.get("/api/mail/refusals", cursor="x").status_code == 422


def test_what_was_refused_long_ago_is_not_shown(panel: Panel, database: Database) -> None:
    refuse(database, "demo", at=1_700_000_000)
    assert panel.get("/api/mail/refusals").json == {"refusals": [], "next_cursor": None}


# Queue


def test_the_queue_has_the_contracts_fields(panel: Panel, database: Database) -> None:
    (row_id,) = queue(database, "ann@remote.example")
    (row,) = panel.acting_for("demo").get("/api/mail/outbox").json["outbox"]  # type: ignore[index]
    assert set(row) == {
        "id", "sender", "recipient", "subject", "status", "attempts", "last_error", "created_at", "next_attempt_at",
        "history", "queue_id",
    }  # fmt: skip
    assert row["id"] == row_id and row["status"] == "pending" and row["history"] == []


def test_an_attempt_shows_in_the_history(panel: Panel, database: Database) -> None:
    (row_id,) = queue(database, "ann@remote.example")
    database.write(
        lambda tx: tx.execute(
            "INSERT INTO delivery_attempts (outbox_id, started_ts, outcome, host, code, enhanced, reply)"
            " VALUES (?, 1790000000, 'deferred', 'mx.remote.example', 451, '4.7.1', '451 4.7.1 later')",
            (row_id,),
        )
    )
    (row,) = panel.get("/api/mail/outbox").json["outbox"]  # type: ignore[index]
    (attempt,) = row["history"]
    assert attempt["at"] == "2026-09-21T14:13:20Z" and attempt["reply"] == "451 4.7.1 later" and attempt["code"] == 451


@pytest.mark.parametrize(
    ("steps", "state"),
    [(["hold"], "held"), (["hold", "release"], "pending"), (["cancel"], "cancelled"), (["retry"], "pending")],
)
def test_an_owner_decides_about_what_waits(panel: Panel, database: Database, steps: list[str], state: str) -> None:
    demo, ids = panel.acting_for("demo"), queue(database, "ann@remote.example")
    for action in steps:
        assert demo.post("/api/mail/outbox", {"ids": ids, "action": action}).json == {"changed": ids}
    assert demo.get("/api/mail/outbox", status=state).json["outbox"][0]["id"] == ids[0]  # type: ignore[index]


def test_what_was_cancelled_is_over(panel: Panel, database: Database) -> None:
    ids = queue(database, "ann@remote.example")
    panel.post("/api/mail/outbox", {"ids": ids, "action": "cancel"})
    assert panel.post("/api/mail/outbox", {"ids": ids, "action": "release"}).status_code == 409


def test_somebody_elses_queue_is_not_there(panel: Panel, database: Database) -> None:
    ids = queue(database, "ann@remote.example", owner="maria")
    demo = panel.acting_for("demo")
    assert demo.get("/api/mail/outbox").json == {"outbox": [], "next_cursor": None}
    assert demo.post("/api/mail/outbox", {"ids": ids, "action": "cancel"}).status_code == 404


def test_the_api_knows_the_queues_states(panel: Panel) -> None:
    for state in STATES:
        assert panel.get("/api/mail/outbox", status=state).status_code == 200
    assert panel.get("/api/mail/outbox", status="lost").status_code == 422


def test_all_entries_that_match_are_acted_on(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    own = queue(database, "ann@shop.example", "bob@shop.example")
    other = queue(database, "ann@remote.example")
    foreign = queue(database, "joe@shop.example", owner="maria")
    rows = demo.get("/api/mail/outbox", q="SHOP.example").json["outbox"]  # type: ignore[index]
    assert sorted(row["id"] for row in rows) == own
    hold = {"matching": {"q": "shop.example", "status": "pending"}, "action": "hold"}
    assert demo.post("/api/mail/outbox", hold).json == {"changed": own}
    assert demo.post("/api/mail/outbox", hold).json == {"changed": []}
    everything = {"matching": {}, "action": "cancel"}
    assert panel.post("/api/mail/outbox", everything).json == {"changed": [*own, *other, *foreign]}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "hold"},
        {"action": "hold", "ids": [1], "matching": {}},
        {"action": "recall", "matching": {}},
        {"action": "hold", "matching": {"status": "lost"}},
        {"action": "hold", "matching": {"q": "x" * 201}},
    ],
)
def test_which_entries_are_meant_has_to_be_clear(panel: Panel, body: dict[str, Any]) -> None:
    assert panel.post("/api/mail/outbox", body).status_code == 422


# The service token's file


def test_the_service_token_is_readable_by_its_owner_alone(panel: Panel, settings: Settings) -> None:
    assert stat.S_IMODE(settings.panel_token_path.stat().st_mode) == 0o600
    assert len(panel.token) >= 43
