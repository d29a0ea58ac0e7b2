"""The second factor: set up, asked for, used up, remembered, required, reset, and attacked."""

from __future__ import annotations

import dataclasses
import re
import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accounts import audit, mailbox_users, second_factor
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.values.address import Address
from onifast_web.app import create_app
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect
from werkzeug.test import TestResponse

from web.authenticator import PAGE, Authenticator, first_step, key_in, recovery_codes_in, set_up
from web.browsing import LOOKS, fits, opened
from web.support import Browser, Clock, Live, Panel, change_user, give_address, words

CODE, SETUP = "/login/code", "/login/setup"


@pytest.fixture
def authenticator(browser: Browser, clock: Clock) -> Authenticator:
    """demo's, set up."""
    return set_up(browser, clock)


def code(client: FlaskClient, text: str, **fields: str) -> TestResponse:
    return client.post(CODE, data={"code": text} | fields)


def is_in(client: FlaskClient) -> bool:
    return client.get("/folders/inbox").status_code == 200


def cookies(answer: TestResponse) -> str:
    return " ".join(answer.headers.getlist("Set-Cookie"))


def actions(database: Database) -> list[str]:
    return [event.action for event in database.read(lambda tx: audit.list_page(tx, "demo")).rows]


def test_it_is_set_up_with_the_password_and_a_code(browser: Browser, clock: Clock, database: Database) -> None:
    answer = browser.post(PAGE, {"do": "begin", "password": "wrong"})
    assert answer.status_code == 422 and "The password is wrong." in words(answer.text)
    browser.post(PAGE, {"do": "begin", "password": "demo password"})
    page = browser.get(PAGE).text
    authenticator = Authenticator(key_in(page), clock)
    assert "<svg viewBox" in page and "style=" not in page.split('class="qr"')[1].split("</svg>")[0]
    answer = browser.post(PAGE, {"do": "confirm", "code": authenticator.wrong()})
    assert answer.status_code == 422 and key_in(answer.text) == authenticator.secret
    assert not database.read(lambda tx: second_factor.is_on(tx, "demo"))
    answer = browser.post(PAGE, {"do": "confirm", "code": f"{authenticator.code()[:3]} {authenticator.code()[3:]}"})
    assert len(set(recovery_codes_in(answer.text))) == second_factor.RECOVERY_CODES
    assert "totp.enable" in actions(database)
    assert "totp-key" not in browser.get(PAGE).text and 'id="recovery-codes"' not in browser.get(PAGE).text


def test_a_set_up_that_was_begun_long_ago_is_over(browser: Browser, clock: Clock) -> None:
    browser.post(PAGE, {"do": "begin", "password": "demo password"})
    authenticator = Authenticator(key_in(browser.get(PAGE).text), clock)
    clock.advance(second_factor.BEGUN_FOR + 1)
    assert browser.post(PAGE, {"do": "confirm", "code": authenticator.code()}).status_code == 422
    assert "Set up" in browser.text_of(PAGE)


def test_the_password_alone_opens_nothing(app: Flask, authenticator: Authenticator) -> None:
    client = app.test_client()
    assert first_step(client) == CODE
    assert not is_in(client)
    assert client.get("/api/mail/list").status_code == 401
    assert code(client, authenticator.fresh()).headers["Location"] == "/"
    assert is_in(client)


def test_who_signs_in_comes_where_they_wanted_and_nowhere_else(app: Flask, authenticator: Authenticator) -> None:
    for target, there in (("/outbox", "/outbox"), ("https://evil.test/", "/"), ("//evil.test", "/"), ("/\\evil", "/")):
        client = app.test_client()
        first_step(client, target=target)
        assert code(client, authenticator.fresh()).headers["Location"] == there


def test_a_code_counts_once(app: Flask, authenticator: Authenticator) -> None:
    one, other = app.test_client(), app.test_client()
    first_step(one)
    first_step(other)
    text = authenticator.fresh()
    assert code(one, text).status_code == 303
    answer = code(other, text)
    assert answer.status_code == 403 and "wrong, or was used before" in answer.text
    assert not is_in(other)


def test_the_code_that_set_it_up_is_used_up(app: Flask, authenticator: Authenticator) -> None:
    client = app.test_client()
    first_step(client)
    assert code(client, authenticator.code()).status_code == 403


@pytest.mark.parametrize(("steps", "status"), [(-2, 403), (-1, 303), (0, 303), (1, 303), (2, 403)])
def test_clocks_may_differ_by_one_step(
    app: Flask, authenticator: Authenticator, clock: Clock, steps: int, status: int
) -> None:
    clock.advance(300)
    client = app.test_client()
    first_step(client)
    assert code(client, authenticator.code(steps)).status_code == status


def test_no_code_of_before_the_last_one_counts(app: Flask, authenticator: Authenticator, clock: Clock) -> None:
    clock.advance(300)
    one, other = app.test_client(), app.test_client()
    first_step(one)
    assert code(one, authenticator.code()).status_code == 303
    first_step(other)
    assert code(other, authenticator.code(-1)).status_code == 403


def test_a_recovery_code_works_once(app: Flask, authenticator: Authenticator, database: Database) -> None:
    one, other = app.test_client(), app.test_client()
    first_step(one)
    assert "Recovery code" in one.get(f"{CODE}?recovery=1").text
    typed = authenticator.codes[3].upper().replace("-", " ")
    answer = code(one, typed, recovery="1")
    assert "used up" in words(one.get(answer.headers["Location"]).text)
    assert "9 of 10 recovery codes are left" in words(one.get(PAGE).text)
    first_step(other)
    assert code(other, typed).status_code == 403
    assert "totp.recovery" in actions(database)


def test_new_recovery_codes_void_those_of_before(app: Flask, browser: Browser, authenticator: Authenticator) -> None:
    answer = browser.post(PAGE, {"do": "recovery-codes", "password": "demo password", "code": authenticator.fresh()})
    fresh = recovery_codes_in(answer.text)
    client = app.test_client()
    first_step(client)
    assert code(client, authenticator.codes[0]).status_code == 403
    assert code(client, fresh[0]).status_code == 303


@pytest.mark.parametrize("do", ["off", "recovery-codes", "begin"])
def test_each_change_needs_password_and_code(browser: Browser, authenticator: Authenticator, do: str) -> None:
    fresh = authenticator.fresh()
    assert browser.post(PAGE, {"do": do, "password": "wrong", "code": fresh}).status_code == 422
    assert browser.post(PAGE, {"do": do, "password": "demo password", "code": ""}).status_code == 422
    assert browser.post(PAGE, {"do": do, "code": fresh}).status_code == 422
    assert browser.post(PAGE, {"do": do, "password": "demo password", "code": fresh}).status_code in (200, 303)


def test_it_is_turned_off(app: Flask, browser: Browser, authenticator: Authenticator, database: Database) -> None:
    answer = browser.post(PAGE, {"do": "off", "password": "demo password", "code": authenticator.fresh()})
    assert "is off" in browser.text_of(answer.headers["Location"])
    assert first_step(app.test_client()) == "/"
    assert actions(database)[0] == "login" and "totp.disable" in actions(database)


def test_another_authenticator_takes_over_once_it_is_confirmed(
    app: Flask, browser: Browser, authenticator: Authenticator, clock: Clock
) -> None:
    browser.post(PAGE, {"do": "begin", "password": "demo password", "code": authenticator.fresh()})
    other = Authenticator(key_in(browser.get(PAGE).text), clock)
    client = app.test_client()
    first_step(client)
    assert code(client, other.fresh()).status_code == 403
    assert code(client, authenticator.fresh()).status_code == 303
    assert browser.post(PAGE, {"do": "confirm", "code": other.fresh()}).status_code == 200
    client = app.test_client()
    first_step(client)
    assert code(client, authenticator.fresh()).status_code == 403
    assert code(client, other.fresh()).status_code == 303


def test_guessing_is_slowed_down_from_all_places_together(
    app: Flask, authenticator: Authenticator, clock: Clock, database: Database
) -> None:
    statuses = []
    for number in range(12):
        client = app.test_client()
        client.environ_base |= {"REMOTE_ADDR": f"192.0.2.{number + 1}"}
        first_step(client)
        statuses.append(code(client, authenticator.wrong()).status_code)
    assert statuses == [403] * 5 + [429] * 7
    answer = code(client, authenticator.fresh())
    assert (answer.status_code, "Retry-After" in answer.headers) == (303, False) or answer.status_code == 429
    clock.advance(900)
    assert code(client, authenticator.code()).status_code in (303, 302)
    assert "login.lockout" in actions(database)


def test_guesses_that_come_at_once_are_counted_one_by_one(app: Flask, authenticator: Authenticator) -> None:
    clients = [app.test_client() for _ in range(20)]
    for client in clients:
        first_step(client)
    authenticator.clock.advance(30)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda each=each: statuses.append(code(each, authenticator.wrong()).status_code))
        for each in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [403] * 5 + [429] * 15


def test_one_code_by_two_at_once_lets_one_in(app: Flask, authenticator: Authenticator) -> None:
    clients = [app.test_client() for _ in range(6)]
    for client in clients:
        first_step(client)
    text = authenticator.fresh()
    threads = [threading.Thread(target=code, args=(client, text)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(map(is_in, clients)) == 1


def test_one_login_by_two_at_once_makes_one_session(app: Flask, authenticator: Authenticator) -> None:
    client = app.test_client()
    first_step(client)
    cookie = client.get_cookie("onifast_mail_step")
    assert cookie is not None
    other = app.test_client()
    other.set_cookie("onifast_mail_step", cookie.value)
    assert code(client, authenticator.fresh()).status_code == 303
    assert code(other, authenticator.fresh()).headers["Location"] == "/login?did=expired"
    assert not is_in(other)


def test_a_login_that_takes_too_long_begins_anew(app: Flask, authenticator: Authenticator, clock: Clock) -> None:
    client = app.test_client()
    first_step(client)
    clock.advance(601)
    answer = code(client, authenticator.code())
    assert answer.headers["Location"] == "/login?did=expired"
    assert "took too long" in client.get(answer.headers["Location"]).text


def test_a_password_that_changes_in_between_ends_the_login(
    app: Flask, authenticator: Authenticator, settings: Settings
) -> None:
    client = app.test_client()
    first_step(client)
    change_user(settings, "demo", password="$2b$04$" + "a" * 53)
    assert code(client, authenticator.fresh()).headers["Location"] == "/login?did=expired"


def test_another_site_cannot_send_the_code(app: Flask, authenticator: Authenticator) -> None:
    client = app.test_client()
    first_step(client)
    for path in (CODE, SETUP):
        answer = client.post(path, data={"code": authenticator.fresh()}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
    assert not is_in(client)


def test_the_cookies_are_for_no_script_and_no_other_site(app: Flask, authenticator: Authenticator) -> None:
    client = app.test_client()
    answer = client.post(
        "/login", data={"username": "demo", "password": "demo password"}, base_url="https://mail.host.test"
    )
    for text in (cookies(answer),):
        assert "Secure" in text and "HttpOnly" in text and "SameSite=Lax" in text
    assert "onifast_mail=" not in cookies(answer)


def test_a_remembered_browser_is_asked_for_the_password_only(
    app: Flask, browser: Browser, authenticator: Authenticator, clock: Clock, settings: Settings
) -> None:
    client = app.test_client()
    first_step(client)
    code(client, authenticator.fresh(), remember="1")
    client.delete_cookie("onifast_mail")
    assert first_step(client) == "/"
    assert first_step(client, "maria") == "/"
    assert "No code is asked for here" in browser.text_of("/sessions")
    clock.advance(settings.totp_remembered)
    assert first_step(client) == CODE


def test_a_remembered_browser_is_forgotten(app: Flask, browser: Browser, authenticator: Authenticator) -> None:
    client = app.test_client()
    first_step(client)
    code(client, authenticator.fresh(), remember="1")
    wanted = re.search(
        r'value="forget"><input type="hidden" name="id" value="([0-9a-f]+)"', browser.get("/sessions").text
    )
    assert wanted
    assert (
        Browser.logged_in(app.test_client(), "maria").post("/sessions", {"do": "forget", "id": wanted[1]}).status_code
        == 404
    )
    answer = browser.post("/sessions", {"do": "forget", "id": wanted[1]})
    assert "A code is asked for there again." in browser.text_of(answer.headers["Location"])
    assert first_step(client) == CODE


@pytest.mark.parametrize("change", ["password", "everywhere else", "reset"])
def test_what_ends_the_trust_in_remembered_browsers(
    app: Flask, browser: Browser, authenticator: Authenticator, *, panel: Panel, settings: Settings, change: str
) -> None:
    client = app.test_client()
    first_step(client)
    code(client, authenticator.fresh(), remember="1")
    cookie = client.get_cookie("onifast_mail_device")
    if change == "password":
        change_user(settings, "demo", password="$2b$04$Oqx7FXFVXZ8bCLkzmRvFZudL4uhoBlS5bMWmSTI0ya2fBxhUWVhdK")
        assert "No code is asked for" not in words(panel.acting_for("demo").get("/sessions").text)
        return
    if change == "everywhere else":
        browser.post("/sessions", {"do": "revoke-others"})
        assert first_step(client) == CODE
        return
    assert panel.delete("/api/totp", username="demo").status_code == 204
    again = set_up(browser, authenticator.clock)
    other = app.test_client()
    assert cookie is not None
    other.set_cookie("onifast_mail_device", cookie.value)
    assert first_step(other) == CODE
    assert code(other, again.fresh()).status_code == 303


def test_a_browser_is_not_remembered_where_the_setting_says_never(
    settings: Settings, database: Database, clock: Clock, browser: Browser, authenticator: Authenticator
) -> None:
    app = create_app(dataclasses.replace(settings, totp_remembered=0.0), database, clock=clock)
    client = app.test_client()
    first_step(client)
    assert "remember" not in client.get(CODE).text
    code(client, authenticator.fresh(), remember="1")
    assert client.get_cookie("onifast_mail_device") is None


@pytest.mark.parametrize(
    ("whom", "user", "asked"),
    [("everybody", "demo", True), ("administrators", "demo", False), ("administrators", "root-admin", True)],
)
def test_an_administrator_may_require_it(
    settings: Settings, database: Database, clock: Clock, *, whom: str, user: str, asked: bool
) -> None:
    app = create_app(dataclasses.replace(settings, totp_required=whom), database, clock=clock)
    client = app.test_client()
    assert first_step(client, user, "/outbox") == (SETUP if asked else "/outbox")
    assert is_in(client) != asked
    if not asked:
        return
    authenticator = Authenticator(key_in(client.get(SETUP).text), clock)
    assert client.post(SETUP, data={"code": authenticator.wrong()}).status_code == 403
    answer = client.post(SETUP, data={"code": authenticator.code()})
    assert len(recovery_codes_in(answer.text)) == 10 and 'href="/outbox"' in answer.text
    assert is_in(client)
    assert first_step(app.test_client(), user) == CODE


def test_what_is_required_cannot_be_turned_off(
    settings: Settings, database: Database, clock: Clock, browser: Browser, authenticator: Authenticator
) -> None:
    app = create_app(dataclasses.replace(settings, totp_required="everybody"), database, clock=clock)
    client = app.test_client()
    first_step(client)
    code(client, authenticator.fresh())
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get(PAGE).text)
    assert found
    other = Browser(client, found[1])
    proof = {"password": "demo password", "code": authenticator.fresh()}
    assert other.post(PAGE, {"do": "off"} | proof).status_code == 403
    assert "cannot be turned off" in other.text_of(PAGE)
    assert other.post(PAGE, {"do": "begin"} | proof).status_code == 303


def test_who_has_one_cannot_have_it_set_up_anew_at_the_login(
    settings: Settings, database: Database, clock: Clock, authenticator: Authenticator
) -> None:
    app = create_app(dataclasses.replace(settings, totp_required="everybody"), database, clock=clock)
    client = app.test_client()
    assert first_step(client) == CODE
    assert client.get(SETUP).headers["Location"] == "/login?did=expired"
    assert client.post(SETUP, data={"code": authenticator.fresh()}).headers["Location"] == "/login?did=expired"


@pytest.mark.parametrize(("after_sso", "there"), [(False, "/outbox"), (True, CODE)])
def test_who_comes_from_the_panel_is_asked_only_if_the_setting_says_so(
    settings: Settings,
    database: Database,
    *,
    panel: Panel,
    authenticator: Authenticator,
    clock: Clock,
    after_sso: bool,
    there: str,
) -> None:
    app = create_app(dataclasses.replace(settings, totp_after_sso=after_sso), database, clock=clock)
    token = panel.post("/api/panel/sso-token", {"username": "demo"}).get_json()["token"]
    client = app.test_client()
    assert client.get(f"/sso-login?token={token}&next=/outbox").headers["Location"] == there
    if after_sso:
        assert code(client, authenticator.fresh()).headers["Location"] == "/outbox"


def test_it_is_seen_and_reset_by_api(
    app: Flask, browser: Browser, panel: Panel, authenticator: Authenticator, database: Database
) -> None:
    state = browser.get("/api/totp").get_json()
    assert (state["enabled"], state["required"], state["recovery_codes_left"]) == (True, False, 10)
    assert panel.get("/api/totp", username="demo").get_json() == state
    maria = Browser.logged_in(app.test_client(), "maria")
    assert maria.get("/api/totp?username=demo").status_code == 404
    headers = {"X-CSRF-Token": maria.csrf_token}
    assert maria.client.delete("/api/totp?username=demo", headers=headers).status_code == 404
    assert panel.delete("/api/totp", username="demo").status_code == 204
    assert panel.delete("/api/totp", username="demo").status_code == 404
    assert first_step(app.test_client()) == "/"
    assert "totp.reset" in actions(database)


def test_a_mailbox_users_is_reset_by_their_panel_user_and_administrators_alone(
    app: Flask, panel: Panel, database: Database
) -> None:
    give_address(database, "bob@example.test", "demo")
    made = panel.acting_for("demo").post("/api/mail/mailbox-users", {"address": "bob@example.test"})
    assert made.status_code == 201
    bob = database.read(lambda tx: mailbox_users.reader(tx, Address.parse("bob@example.test"), "demo"))

    def turned_on() -> None:
        database.write(lambda tx: second_factor.begin(tx, bob, 1e9))
        database.write(lambda tx: second_factor.confirm(tx, bob, "", 1e9, lambda *_: 1))

    def is_on() -> bool:
        return database.read(lambda tx: second_factor.is_on(tx, bob))

    turned_on()
    demo, maria, admin = (Browser.logged_in(app.test_client(), name) for name in ("demo", "maria", "root-admin"))
    form = {"do": "reset-second-factor", "address": "bob@example.test"}
    assert maria.post("/mailbox-users", form).status_code == 404 and is_on()
    assert maria.post("/second-factors", {"username": "bob@example.test"}).status_code == 403 and is_on()
    assert panel.acting_for("maria").delete("/api/totp", username="bob@example.test").status_code == 404
    assert "Two-step" in demo.text_of("/mailbox-users").split("bob@example.test")[1]
    assert panel.acting_for("demo").get("/api/totp", username="bob@example.test").get_json()["enabled"]
    assert demo.post("/mailbox-users", form).status_code == 303 and not is_on()
    turned_on()
    assert panel.acting_for("demo").delete("/api/totp", username="bob@example.test").status_code == 204 and not is_on()
    turned_on()
    assert "bob@example.test" in admin.text_of("/second-factors")
    assert admin.post("/second-factors", {"username": "bob@example.test"}).status_code == 303 and not is_on()
    seen = [each.action for each in database.read(lambda tx: audit.list_page(tx, bob)).rows]
    assert seen.count("totp.reset") == 3


def test_an_administrators_own_is_not_reset_without_a_code(app: Flask, clock: Clock, panel: Panel) -> None:
    admin = Browser.logged_in(app.test_client(), "root-admin")
    set_up(admin, clock, "root-admin")
    headers = {"X-CSRF-Token": admin.csrf_token}
    assert admin.client.delete("/api/totp?username=root-admin", headers=headers).status_code == 403
    assert panel.delete("/api/totp", username="root-admin").status_code == 204


def test_the_database_holds_neither_secret_nor_codes(database: Database, authenticator: Authenticator) -> None:
    rows = database.read(lambda tx: tx.execute("SELECT * FROM totp_secrets").fetchall())
    text = repr(rows)
    assert authenticator.secret not in text
    assert not [each for each in authenticator.codes if each in text or each.replace("-", "") in text]


def test_guessing_the_password_at_the_page_is_slowed_down(browser: Browser) -> None:
    statuses = [browser.post(PAGE, {"do": "begin", "password": "wrong"}).status_code for _ in range(7)]
    assert statuses == [422] * 5 + [429] * 2


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=str)
def test_it_works_in_a_browser_without_scripts(
    chrome: Chrome, live: Live, clock: Clock, viewport: Any, scheme: Any
) -> None:
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(PAGE)
        fits(page)
        page.get_by_label("Panel password").fill("demo password")
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        fits(page)
        key = page.locator("#totp-key").inner_text().replace(" ", "")
        page.get_by_label("Code", exact=True).fill(Authenticator(key, clock).code())
        page.get_by_role("button", name="Turn on").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        fits(page)
