"""Logins to the webmail, by API and page: listed, ended, and how long they last."""

from __future__ import annotations

from typing import Any

import bcrypt
import pytest
from flask import Flask
from onifast_shared.accounts import sessions
from onifast_shared.accounts.sessions import SessionLimits
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.values import times
from onifast_web.actions.sessions import browser_name
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect

from web.browsing import LOOKS, fits, opened
from web.support import Browser, Clock, Live, Panel, change_user, words

API = "/api/sessions"
PAGE = "/sessions"
POLL = {"X-Onifast-Poll": "1"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def signed_in(app: Flask, user: str, user_agent: str = FIREFOX, place: str = "127.0.0.1") -> Browser:
    client = app.test_client()
    client.environ_base |= {"HTTP_USER_AGENT": user_agent, "REMOTE_ADDR": place}
    return Browser.logged_in(client, user)


def listed(browser: Browser) -> list[dict[str, Any]]:
    answer = browser.get(API)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["sessions"]
    return found


def test_a_user_sees_their_sessions(app: Flask, browser: Browser, clock: Clock, settings: Settings) -> None:
    began = clock.now
    clock.advance(90)
    other = signed_in(app, "demo")
    signed_in(app, "maria")
    here, there = listed(other)
    assert (here["current"], there["current"]) == (True, False)
    assert (here["browser"], here["user_agent"], here["started_from"]) == ("Firefox on Linux", FIREFOX, "127.0.0.1")
    assert there["started_at"] == there["used_at"] == times.rfc3339(began)
    assert there["expires_at"] == times.rfc3339(began + settings.session_lifetime)
    assert len(listed(browser)) == 2


def test_one_is_ended_and_the_others_go_on(app: Flask, browser: Browser) -> None:
    second, third = signed_in(app, "demo"), signed_in(app, "demo")
    wanted = next(each["id"] for each in listed(second) if each["current"])
    headers = {"X-CSRF-Token": browser.csrf_token}
    assert browser.client.delete(API, query_string={"id": wanted}, headers=headers).status_code == 204
    assert browser.client.delete(API, query_string={"id": wanted}, headers=headers).status_code == 404
    assert second.get(API).status_code == 401
    assert len(listed(third)) == 2


def test_all_others_are_ended(app: Flask, browser: Browser, panel: Panel) -> None:
    others = [signed_in(app, "demo"), signed_in(app, "demo")]
    maria = signed_in(app, "maria")
    assert browser.post_json(f"{API}/end-others", {}).get_json() == {"ended": 2}
    assert [each.get(API).status_code for each in (browser, maria, *others)] == [200, 200, 401, 401]
    assert panel.acting_for("demo").post(f"{API}/end-others", {}).get_json() == {"ended": 1}
    assert browser.get(API).status_code == 401


def test_another_users_sessions_are_not_there(app: Flask, browser: Browser, panel: Panel) -> None:
    (mine,) = listed(browser)
    for other in ("maria", "root-admin"):
        assert panel.acting_for(other).get(API).get_json() == {"sessions": []}
        assert panel.acting_for(other).delete(API, id=mine["id"]).status_code == 404
    assert signed_in(app, "maria").post(PAGE, {"do": "revoke", "id": mine["id"]}).status_code == 404
    assert panel.get(API).status_code == 403
    assert browser.get(API).status_code == 200


def test_sessions_of_a_password_of_before_are_not_listed(app: Flask, browser: Browser, settings: Settings) -> None:
    signed_in(app, "demo")
    assert len(listed(browser)) == 2
    change_user(settings, "demo", password=bcrypt.hashpw(b"demo password", bcrypt.gensalt(4)).decode())
    again = signed_in(app, "demo")
    (row,) = listed(again)
    assert row["current"]


def test_a_session_of_a_password_that_is_kept_as_it_is_has_no_mark_to_guess_by(database: Database) -> None:
    limits = SessionLimits(100, 100)
    database.write(lambda tx: sessions.create_session(tx, "x", 0, limits, "word"))
    assert database.read(lambda tx: tx.execute("SELECT password_mark FROM web_sessions").get) is None
    assert len(database.read(lambda tx: sessions.list_for(tx, "x", 1, limits, "word"))) == 1


def test_a_session_in_use_ends_at_the_longest(browser: Browser, clock: Clock, settings: Settings) -> None:
    step = settings.session_lifetime - 10
    for _ in range(int(settings.session_longest // step)):
        clock.advance(step)
        assert browser.get("/folders/inbox").status_code == 200
    clock.advance(settings.session_longest % step + 11)
    assert browser.get("/folders/inbox").status_code == 303


def test_what_a_page_asks_by_itself_prolongs_nothing(browser: Browser, clock: Clock, settings: Settings) -> None:
    clock.advance(settings.session_lifetime - 10)
    answer = browser.get("/api/mail/counts", headers=POLL)
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    clock.advance(11)
    assert browser.get("/api/mail/counts", headers=POLL).status_code == 401


def test_an_open_page_says_that_it_asks_by_itself(chrome: Chrome, live: Live) -> None:
    with opened(chrome, live) as page:
        with page.expect_request("**/api/mail/counts") as asked:
            page.reload()
        assert asked.value.headers["x-onifast-poll"] == "1"


def test_the_page_lists_and_ends(app: Flask, browser: Browser) -> None:
    other = signed_in(app, "demo")
    text = other.text_of(PAGE)
    assert "Firefox on Linux This one" in text and "127.0.0.1" in text
    wanted = next(each["id"] for each in listed(other) if not each["current"])
    answer = other.post(PAGE, {"do": "revoke", "id": wanted})
    assert "Signed out there." in other.text_of(answer.headers["Location"])
    assert browser.get(PAGE).status_code == 303
    third = signed_in(app, "demo")
    answer = other.post(PAGE, {"do": "revoke-others"})
    assert "Signed out everywhere else." in words(other.get(answer.headers["Location"]).text)
    assert third.get(PAGE).status_code == 303
    assert other.post(PAGE, {"do": "revoke", "id": "x"}).status_code == 404


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Version/17.5 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.5", ""),
        ("", ""),
    ],
)
def test_browsers_have_the_names_that_people_know(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name


def test_a_hostile_name_of_a_browser_is_only_text(app: Flask) -> None:
    other = signed_in(app, "demo", "<script>alert(1)</script>\t" + "x" * 5000)
    (row,) = listed(other)
    assert len(row["user_agent"]) == 300
    assert "<script>alert" not in other.get(PAGE).text


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=str)
def test_the_page_fits(chrome: Chrome, app: Flask, live: Live, viewport: Any, scheme: Any) -> None:
    signed_in(app, "demo", place="2001:db8:1234:5678:9abc:def0:1234:5678")
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(PAGE)
        expect(page.get_by_text("This one")).to_be_visible()
        fits(page)
