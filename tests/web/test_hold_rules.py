"""Hold rules, in the API and on the administrators' page."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.queue import hold_rules

from web.support import Browser, Panel, queue, words

API = "/api/mail/hold-rules"
PAGE = "/hold-rules"


@pytest.fixture
def admin(app: Flask) -> Browser:
    """An administrator who has logged in."""
    return Browser.logged_in(app.test_client(), "root-admin")


def hold(database: Database, *recipients: str) -> list[int]:
    """Queues a message of demo's and holds what a rule asks for, as outbox does."""
    ids = queue(database, *recipients)
    database.write(lambda tx: hold_rules.hold(tx, ids, 0))
    return ids


def states(database: Database) -> list[str]:
    return [str(row[0]) for row in database.read(lambda tx: tx.execute("SELECT status FROM outbox").fetchall())]


def test_a_rule_is_made_listed_and_removed(panel: Panel) -> None:
    body = {"sender": "Example.test", "recipient": "*@remote.test", "owner": "demo", "note": "stolen password?"}
    answer: Any = panel.post(API, body)
    assert answer.status_code == 201
    rule = answer.json
    assert (rule["sender"], rule["recipient"], rule["owner"]) == ("@example.test", "@remote.test", "demo")
    assert (rule["note"], rule["held"], rule["created_by"]) == ("stolen password?", 0, "panel")
    assert panel.post(API, body).status_code == 409
    found: Any = panel.get(API).json
    assert found["hold_rules"] == [rule]
    assert panel.delete(API, id=rule["id"]).status_code == 204
    assert panel.delete(API, id=rule["id"]).status_code == 404


@pytest.mark.parametrize("body", [{}, {"note": "all"}, {"sender": "no domain"}, {"recipient": "a@b@c"}])
def test_a_rule_needs_something_to_go_by(panel: Panel, body: dict[str, str]) -> None:
    answer: Any = panel.post(API, body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] in ("sender", "recipient")


def test_rules_are_for_administrators(panel: Panel, browser: Browser) -> None:
    demo = panel.acting_for("demo")
    assert demo.get(API).status_code == demo.post(API, {"owner": "maria"}).status_code == 403
    assert demo.delete(API, id=1).status_code == browser.get(PAGE).status_code == 403
    assert "Hold rules" not in browser.text_of("/outbox")


def test_what_is_held_is_counted_and_let_go_with_its_rule(panel: Panel, database: Database) -> None:
    made: Any = panel.post(API, {"recipient": "remote.test"}).json
    hold(database, "a@remote.test", "b@remote.test", "c@other.test")
    found: Any = panel.get(API).json
    assert found["hold_rules"][0]["held"] == 2
    assert panel.delete(API, id=made["id"], release=True).status_code == 204
    assert states(database) == ["pending"] * 3


def test_a_rule_that_ends_leaves_what_it_holds(panel: Panel, database: Database) -> None:
    made: Any = panel.post(API, {"recipient": "remote.test"}).json
    hold(database, "a@remote.test")
    panel.delete(API, id=made["id"])
    assert states(database) == ["held"]


def test_the_page_makes_shows_and_removes_rules(admin: Browser, database: Database) -> None:
    assert "No rules" in admin.text_of(PAGE)
    answer = admin.post(PAGE, {"do": "add", "sender": "example.test", "note": "stolen password?"})
    text = admin.text_of(answer.headers["Location"])
    assert "Rule made. What fits it waits from now on." in text
    assert "Mail from @example.test" in text and "stolen password?" in text and "by root-admin" in text
    hold(database, "a@remote.test")
    assert "1 message" in admin.text_of(PAGE)
    [rule] = database.read(hold_rules.list_all)
    answer = admin.post(PAGE, {"do": "release", "id": str(rule.id)})
    assert "What it held is on its way." in admin.text_of(answer.headers["Location"])
    assert states(database) == ["pending"]
    assert admin.post(PAGE, {"do": "remove", "id": str(rule.id)}).status_code == 404
    assert admin.post(PAGE, {"do": "remove", "id": "x"}).status_code == 404


def test_what_is_wrong_stands_at_its_field(admin: Browser) -> None:
    answer = admin.post(PAGE, {"do": "add", "recipient": "no domain"})
    assert answer.status_code == 422
    assert "Domain is not a valid host name." in words(answer.text)
    admin.post(PAGE, {"do": "add", "owner": "demo"})
    again = admin.post(PAGE, {"do": "add", "owner": "demo"})
    assert "There is such a rule already: mail of user demo." in words(again.text)


def test_what_a_rule_holds_its_owner_cannot_release(panel: Panel, browser: Browser, database: Database) -> None:
    panel.post(API, {"owner": "demo"})
    ids = hold(database, "a@remote.test")
    demo, act = panel.acting_for("demo"), {"ids": ids, "action": "release"}
    assert demo.post("/api/mail/outbox", act).status_code == 409
    browser.post("/outbox", {"action": "retry", "ids": str(ids[0])})
    assert states(database) == ["held"]
    assert panel.post("/api/mail/outbox", act).status_code == 200
    assert states(database) == ["pending"]


def test_a_held_message_tells_its_owner_of_the_rule_and_not_of_its_note(
    admin: Browser, browser: Browser, database: Database
) -> None:
    admin.post(PAGE, {"do": "add", "owner": "demo", "note": "password stolen?"})
    hold(database, "a@remote.test")
    page = browser.get("/outbox")
    assert "Waits for an administrator to release it: held by rule" in words(page.text)
    assert "password stolen?" not in page.text and PAGE not in page.text
    assert f'href="{PAGE}"' in admin.get("/outbox?status=held").text
