"""Limits on what is sent: through the API and the composer, and what users and administrators see of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import usage as limit_usage
from onifast_shared.limits.subjects import FOREIGN_SENDER, Subject
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox
from onifast_web.app import create_app

from web.support import Browser, Clock, Panel, words

API = "/api/mail/limits"
DEMO, DOMAIN = Subject("user", "demo"), Subject("domain", "example.test")
MESSAGE = {"from": "demo@example.test", "to": ["you@remote.example"], "subject": "Hi", "text": "Hello"}


@pytest.fixture
def app(settings: Settings, database: Database, clock: Clock) -> Iterator[Flask]:
    """The application with small limits."""
    limited = replace(settings, limit_user_messages_per_hour=2, limit_user_recipients_per_day=10)
    made = create_app(limited, database, clock=clock)
    made.testing = True
    yield made


def send(panel: Panel, *recipients: str) -> Any:
    return panel.post("/api/mail/send", MESSAGE | {"to": list(recipients) or ["you@remote.example"]})


def until(clock: Clock, seconds: float) -> str:
    return limit_usage.moment(clock.now + seconds, clock.now)


def of(answer: Any, scope: str, name: str) -> dict[str, Any]:
    [found] = [item for item in answer.get_json()["limits"] if (item["scope"], item["name"]) == (scope, name)]
    return dict(found)


def counted(item: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [limit for limit in item["limits"] if limit["counted"] == name]
    return dict(found)


# Sending


def test_a_user_beyond_his_limit_is_told_which_and_when_it_ends(panel: Panel, clock: Clock, database: Database) -> None:
    demo = panel.acting_for("demo")
    assert [send(demo).status_code for _ in range(2)] == [202, 202]
    refused = send(demo)
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert refused.headers["Retry-After"] == "1800"
    text = f"The limit of 2 messages an hour for user demo is used up until {until(clock, 1800)}."
    assert refused.get_json() == {"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": text}
    assert len(database.read(lambda tx: mailbox.list_page(tx, "demo", "sent")).rows) == 2
    clock.advance(1799)
    assert send(demo).status_code == 429
    clock.advance(1)
    assert send(demo).status_code == 202


def test_recipients_are_counted_apart(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    assert send(demo, *(f"r{number}@remote.example" for number in range(8))).status_code == 202
    refused = send(demo, *(f"r{number}@remote.example" for number in range(5)))
    assert refused.status_code == 429
    assert (
        "limit of 10 recipients a day for user demo has room for 2 more now, for 5 at " in refused.get_json()["detail"]
    )


def test_a_message_that_never_fits_is_no_matter_of_waiting(panel: Panel) -> None:
    refused = send(panel.acting_for("demo"), *(f"r{number}@remote.example" for number in range(11)))
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["field"] == "to"
    assert "lets no more than 10 in one message" in refused.get_json()["detail"]


def test_what_the_panel_sends_for_nobody_in_particular_is_not_limited(panel: Panel) -> None:
    assert [send(panel).status_code for _ in range(3)] == [202, 202, 202]


def test_the_composer_keeps_what_was_typed_and_says_when_to_try_again(
    app: Flask, panel: Panel, clock: Clock, database: Database
) -> None:
    for _ in range(2):
        send(panel.acting_for("demo"))
    browser = Browser.logged_in(app.test_client(), "demo")
    form = {"from": "demo@example.test", "to": "you@remote.example", "subject": "Third", "text": "My long letter"}
    answer = browser.post("/compose", form | {"do": "send"})
    assert answer.status_code == 429
    said = words(answer.text)
    assert f"The limit of 2 messages an hour for user demo is used up until {until(clock, 1800)}." in said
    assert "My long letter" in answer.text and 'value="Third"' in answer.text
    assert len(database.read(lambda tx: mailbox.list_page(tx, "demo", "sent")).rows) == 2


# The API


def test_a_user_sees_what_he_has_used_and_nobody_elses(panel: Panel, clock: Clock) -> None:
    demo = panel.acting_for("demo")
    for _ in range(3):
        send(demo)
    answer = demo.get(API)
    assert {(item["scope"], item["name"]) for item in answer.get_json()["limits"]} == {
        ("user", "demo"),
        ("unix", "demo"),
        ("domain", "example.test"),
    }
    mine = of(answer, "user", "demo")
    assert counted(mine, "messages_per_hour") == {
        "counted": "messages_per_hour",
        "limit": 2,
        "is_own": False,
        "used": 2,
        "used_up_until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now + 1800)),
    }
    assert counted(mine, "recipients_per_day")["used"] == 2
    assert [(item["counted"], item["times"]) for item in mine["refusals"]] == [("messages_per_hour", 1)]
    maria = panel.acting_for("maria").get(API).get_json()["limits"]
    assert all(item["name"] != "demo" for item in maria)


def test_an_administrator_gives_a_user_more_and_takes_it_back(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    for _ in range(2):
        send(demo)
    admin = panel.acting_for("root-admin")
    changed = admin.post(API, {"scope": "user", "name": "demo", "messages_per_hour": 3})
    assert changed.status_code == 200
    assert counted(changed.get_json(), "messages_per_hour")["is_own"] is True
    assert send(demo).status_code == 202
    assert send(demo).status_code == 429
    assert admin.post(API, {"scope": "user", "name": "demo", "reset": True}).status_code == 200
    assert send(demo).status_code == 202
    back = admin.post(API, {"scope": "user", "name": "demo", "messages_per_hour": None}).get_json()
    assert counted(back, "messages_per_hour")["limit"] == 2


def test_a_user_cannot_change_his_limits(panel: Panel) -> None:
    body = {"scope": "user", "name": "demo", "messages_per_hour": 0}
    assert panel.acting_for("demo").post(API, body).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "user", "name": "demo"},
        {"scope": "user", "name": "a b", "reset": True},
        {"scope": "domain", "name": "a..b", "reset": True},
        {"scope": "group", "name": "demo", "reset": True},
        {"scope": "user", "name": "demo", "messages_per_hour": -1},
        {"scope": "user", "name": "demo", "messages": 1},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(panel: Panel, body: dict[str, Any]) -> None:
    assert panel.post(API, body).status_code == 422


# The page


def test_the_page_shows_administrators_who_hit_what(app: Flask, panel: Panel, database: Database, clock: Clock) -> None:
    for _ in range(3):
        send(panel.acting_for("demo"))
    database.write(lambda tx: sending_limits.record(tx, Subject("unix", "shop"), FOREIGN_SENDER, clock.now - 60))
    page = Browser.logged_in(app.test_client(), "root-admin").text_of("/limits")
    assert re.search(r"demo User .*2 of 2 an hour.* Refused once", page)
    assert re.search(r"shop Unix user .* Foreign sender once", page)
    assert "1,000 a day" not in page and "2 of 6,000 a day" in page


def test_an_administrator_changes_and_resets_on_the_page(app: Flask, panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    for _ in range(3):
        send(demo)
    browser = Browser.logged_in(app.test_client(), "root-admin")
    assert "Limits of user demo" in browser.text_of("/limits?scope=user&name=demo")
    subject = {"scope": "user", "name": "demo"}
    answer = browser.post("/limits", subject | {"do": "save", "messages_per_hour": "1 000", "messages_per_day": "0"})
    assert answer.status_code == 303
    limits = database.read(lambda tx: sending_limits.of(tx, DEMO, Settings()))
    assert (limits.limits["messages_per_hour"], limits.limits["messages_per_day"]) == (1000, 0)
    assert limits.own == {"messages_per_hour", "messages_per_day"}
    assert browser.post("/limits", subject | {"do": "save"}).status_code == 303
    assert send(demo).status_code == 429
    assert browser.post("/limits", subject | {"do": "reset"}).status_code == 303
    assert send(demo).status_code == 202


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"scope": "user", "name": "demo", "messages_per_hour": "many"}, "A whole number from 0 to 1,000,000,000"),
        ({"scope": "domain", "name": "a..b", "messages_per_hour": "1"}, "Not a domain name."),
    ],
)
def test_a_mistake_in_the_form_is_shown_where_it_is(app: Flask, form: dict[str, str], said: str) -> None:
    answer = Browser.logged_in(app.test_client(), "root-admin").post("/limits", form | {"do": "save"})
    assert answer.status_code == 422
    assert said in words(answer.text)


def test_a_user_sees_his_own_limits_and_no_form(app: Flask, panel: Panel) -> None:
    send(panel.acting_for("demo"))
    browser = Browser.logged_in(app.test_client(), "demo")
    page = browser.text_of("/limits")
    assert "1 of 2 an hour" in page and "example.test" in page and "Reset" not in page
    assert browser.post("/limits", {"scope": "user", "name": "demo", "do": "reset"}).status_code == 403
