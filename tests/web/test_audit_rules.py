"""Every change leaves a line in the audit trail: the table of rules, and what is written by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import Actor, AuditEvent, AuditFilter
from onifast_shared.db.database import Connection, Database
from onifast_web.actions.audit_rules import LINE_WORDS, RULES, AuditRule

from web.support import Browser, Clock, Panel, queue

CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


def events(database: Database, owner: str | None = None) -> list[AuditEvent]:
    return database.read(lambda tx: audit.list_page(tx, owner, limit=200)).rows


def test_every_route_that_changes_something_has_its_rule(app: Flask) -> None:
    changing = {rule.endpoint for rule in app.url_map.iter_rules() if (rule.methods or set()) & CHANGES}
    assert changing - RULES.keys() == set(), "say in audit_rules what is written of it, or why nothing is"
    assert RULES.keys() - changing == set()


def test_every_action_has_its_words() -> None:
    rules = [rule for rule in RULES.values() if isinstance(rule, AuditRule)]
    actions = {action for rule in rules for action in (*rule.actions.values(), rule.otherwise) if action}
    assert actions - LINE_WORDS.keys() == set()


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        ("/api/mail/config", {"relay_host": "relay.test"}, ("relay.set", "relay:relay.test", None)),
        (
            "/api/mail/routes",
            {"scope": "recipient_domain", "name": "there.test", "host": "mx.test"},
            ("route.set", "route:there.test", None),
        ),
        (
            "/api/mail/limits",
            {"scope": "user", "name": "demo", "messages_per_hour": 5},
            ("limit.set", "limit:demo", "demo"),
        ),
        (
            "/api/mail/quotas",
            {"scope": "owner", "name": "demo", "bytes": 10**9},
            ("quota.set", "quota:demo", "demo"),
        ),
        ("/api/mail/hold-rules", {"sender": "x@there.test"}, ("hold-rule.add", "hold-rule:x@there.test", None)),
        (
            "/api/mail/sandbox",
            {"domain": "example.test", "on": True},
            ("sandbox.on", "sandbox:example.test", "demo"),
        ),
        (
            "/api/mail/suppressions",
            {"recipient": "x@there.test", "owner": "demo"},
            ("suppression.add", "suppression:x@there.test", "demo"),
        ),
        (
            "/api/mail/addresses",
            {"address": "new@example.test", "owner": "demo"},
            ("address.add", "address:new@example.test", "demo"),
        ),
        ("/api/panel/sso-token", {"username": "demo"}, ("sso.issue", "sso:demo", "demo")),
        ("/api/panel/users/remove", {"username": "maria"}, ("user.remove", "user:maria", None)),
    ],
)
def test_what_the_panel_changes_is_written(
    panel: Panel, database: Database, path: str, body: dict[str, Any], line: tuple[str, str, str | None]
) -> None:
    answer = panel.post(path, body)
    assert answer.status_code < 300, answer.text
    event = events(database)[0]
    assert (event.action, event.object, event.owner) == line
    assert (event.actor.name, event.actor.token) == ("panel", "service")


def test_what_is_refused_is_not_written(panel: Panel, browser: Browser, database: Database) -> None:
    before = len(events(database))
    assert panel.post("/api/mail/quotas", {"scope": "owner", "name": "nobody?", "bytes": -1}).status_code >= 400
    assert browser.post_json("/api/mail/config", {"relay_host": "x.test"}).status_code == 403
    assert browser.post("/relay", {"relay_host": "x.test"}).status_code == 403
    assert browser.client.post("/suppressions", data={"do": "add", "recipient": "a@b.test"}).status_code == 403
    assert len(events(database)) == before


def test_secrets_are_not_in_the_trail(panel: Panel, database: Database) -> None:
    body = {"relay_host": "relay.test", "relay_user": "me", "relay_password": "hunter2hunter2"}
    assert panel.post("/api/mail/config", body).status_code == 200
    text = json.dumps(dict(events(database)[0].details))
    assert "hunter2" not in text and "not shown" in text


def test_app_passwords_are_written(browser: Browser, database: Database) -> None:
    assert browser.post("/app-passwords", {"do": "create", "name": "Phone"}).status_code == 201
    event = events(database, "demo")[0]
    assert (event.action, event.object) == ("app-password.create", "app-password:Phone")
    # A button that no page has does what the page does with it, and is written all the same.
    assert browser.post("/app-passwords", {"do": "odd", "name": "Tablet"}).status_code == 201
    assert events(database, "demo")[0].object == "app-password:Tablet"


def test_what_is_done_to_queued_mail_is_written(browser: Browser, database: Database) -> None:
    (number,) = queue(database, "a@there.test")
    assert browser.post_json("/api/mail/outbox", {"ids": [number], "action": "hold"}).status_code == 200
    event = events(database, "demo")[0]
    assert (event.action, event.object) == ("queue.hold", f"queue:{number}")


def test_the_trail_of_a_name_that_is_free_again_is_not_its_next_users(panel: Panel, database: Database) -> None:
    panel.post("/api/panel/users/remove", {"username": "maria"})
    assert [event for event in events(database, "maria") if event.action.startswith("user.")] == []


@pytest.fixture
def trail(database: Database, clock: Clock) -> None:
    """Some lines."""
    now = clock.now

    def write(tx: Connection) -> None:
        root = Actor("unix:root", "sudo:ann")
        audit.record(tx, root, "route.set", owner=None, object="route:there.test", now=now - 90)
        audit.record(tx, Actor("user:demo", ip="192.0.2.7"), "login", owner="demo", now=now - 60)
        audit.record(tx, Actor("panel"), "quota.set", owner="maria", details={"bytes": 77}, now=now - 30)

    database.write(write)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(), ["quota.set", "login", "route.set"]),
        (AuditFilter(q="THERE.test"), ["route.set"]),
        (AuditFilter(q="192.0.2"), ["login"]),
        (AuditFilter(q="77"), ["quota.set"]),
        (AuditFilter(q="%"), []),
        (AuditFilter(actor="unix:root"), ["route.set"]),
        (AuditFilter(actor="unix:r"), []),
    ],
)
def test_it_is_searched(database: Database, trail: None, wanted: AuditFilter, found: list[str]) -> None:
    rows = database.read(lambda tx: audit.list_page(tx, wanted=wanted)).rows
    assert [event.action for event in rows] == found


def test_it_is_bounded_in_time(database: Database, trail: None, clock: Clock) -> None:
    wanted = AuditFilter(since=int(clock.now - 60), until=int(clock.now - 30))
    assert [event.action for event in database.read(lambda tx: audit.list_page(tx, wanted=wanted)).rows] == ["login"]


def test_filters_show_nobody_elses_lines(app: Flask, panel: Panel, trail: None) -> None:
    browser = Browser.logged_in(app.test_client(), "demo")
    assert browser.get("/api/audit?q=there.test").get_json()["events"] == []
    assert browser.get("/api/audit?owner=maria&q=77").get_json()["events"] == []
    assert "Quota changed" not in browser.text_of("/activity?owner=maria&q=77")
    assert len(panel.get("/api/audit", q="77").get_json()["events"]) == 1
    assert panel.get("/api/audit", since="yesterday").status_code == 422
    admin = Browser.logged_in(app.test_client(), "root-admin")
    assert "Route changed there.test" in admin.text_of("/activity?q=there.test")
    assert "Quota changed" not in admin.text_of("/activity?owner=demo&kind=login")
