"""The audit trail, by API and page: what is written into it, and who sees it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import Actor
from onifast_shared.db.database import Connection, Database
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect

from web.browsing import LOOKS, fits, opened
from web.support import Browser, Clock, Live, Panel, deliver

API = "/api/audit"
PAGE = "/activity"


def lines(panel: Panel, **query: Any) -> list[dict[str, Any]]:
    answer = panel.get(API, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["events"]
    return found


def test_logins_stand_in_it(app: Flask, browser: Browser, panel: Panel) -> None:
    url = panel.post("/api/panel/sso-token", {"username": "demo"}).get_json()["url"]
    assert app.test_client().get(url.partition("localhost")[2]).status_code == 303
    sso, link, password = lines(panel.acting_for("demo"))
    assert (link["action"], link["actor"]) == ("sso.issue", "panel")
    assert (sso["action"], sso["token"], password["token"]) == ("login", "sso", "password")
    assert (password["actor"], password["owner"], password["ip"]) == ("user:demo", "demo", "127.0.0.1")


def test_a_lockout_stands_in_it_for_users_that_there_are(client: FlaskClient, panel: Panel) -> None:
    for name in ("demo", "nobody"):
        for _ in range(8):
            client.post("/login", data={"username": name, "password": "wrong"})
    found = lines(panel)
    assert {(each["action"], each["owner"]) for each in found} == {("login.lockout", "demo")}
    assert 1 <= len(found) <= 8


def test_what_the_service_token_reads_is_shown_to_its_owner(panel: Panel, database: Database, browser: Browser) -> None:
    email_id = deliver(database)
    panel.get("/api/mail/read", id=email_id)
    (line,) = lines(panel.acting_for("demo"), action="mail.")
    assert (line["actor"], line["object"]) == ("panel", f"email:{email_id}")
    assert "Message read no. " in browser.text_of(PAGE) and "The panel (service)" in browser.text_of(PAGE)


def test_users_see_their_own_lines_and_administrators_all(app: Flask, browser: Browser, panel: Panel) -> None:
    maria = Browser.logged_in(app.test_client(), "maria")
    assert {each["owner"] for each in lines(panel.acting_for("maria"), owner="demo")} == {"maria"}
    assert {each["owner"] for each in lines(panel.acting_for("root-admin"))} == {"demo", "maria"}
    assert {each["owner"] for each in lines(panel, owner="demo")} == {"demo"}
    assert "Signed in demo" not in maria.text_of(f"{PAGE}?q=demo")
    chief = Browser.logged_in(app.test_client(), "root-admin")
    assert "Signed in demo" in chief.text_of(PAGE)
    assert "Signed in maria" not in chief.text_of(f"{PAGE}?q=demo")


def test_it_comes_in_pages(browser: Browser, panel: Panel, database: Database) -> None:
    def write(tx: Connection) -> None:
        for number in range(60):
            act = Actor("panel", "service")
            audit.record(tx, act, "mail.read", owner="demo", object=f"email:{number}", now=number)

    database.write(write)
    answer = panel.get(API, limit=40).get_json()
    rest = panel.get(API, limit=40, cursor=answer["next_cursor"]).get_json()
    assert len({each["id"] for each in answer["events"] + rest["events"]}) == 61 and rest["next_cursor"] is None
    assert panel.get(API, cursor="x").status_code == 422
    assert 'rel="next"' in browser.get(PAGE).text
    assert browser.get(f"{PAGE}?cursor=x").status_code == 404


def test_old_lines_go_some_at_a_time(database: Database, clock: Clock) -> None:
    def write(tx: Connection) -> None:
        for ts in (1, 2, 3, clock.now):
            audit.record(tx, Actor("panel"), "mail.read", owner="demo", now=ts)

    database.write(write)
    assert database.write(lambda tx: audit.expire(tx, clock.now, 2)) == 2
    assert database.write(lambda tx: audit.expire(tx, clock.now, 2)) == 1
    assert database.write(lambda tx: audit.expire(tx, clock.now, 2)) == 0
    assert len(database.read(audit.list_page).rows) == 1


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=str)
def test_the_page_fits(chrome: Chrome, live: Live, viewport: Any, scheme: Any) -> None:
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(PAGE)
        expect(page.get_by_text("Signed in").last).to_be_visible()
        fits(page)
