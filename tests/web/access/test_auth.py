"""Who gets in, as whom, and who does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accounts import api_tokens, enrolment, scram_verifier, sessions, throttle
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.accounts.scram_verifier import ScramVerifier
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_web.access.context import Web
from onifast_web.client_setup.views import AUTOCONFIG_PATHS
from web.support import Browser, Clock, Panel, add_user, change_user, deliver, renew_password, words


def log_in(client: FlaskClient, username: str, password: str, **headers: str) -> int:
    return client.post("/login", data={"username": username, "password": password}, headers=headers).status_code


def personal_token(database: Database, user: str) -> str:
    return database.write(lambda tx: api_tokens.create(tx, user, "script", 0))[0]


# Login


def test_panel_credentials_open_the_mailbox(browser: Browser) -> None:
    assert "Inbox" in browser.text_of("/folders/inbox")


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(client: FlaskClient) -> None:
    answer = client.post("/login", data={"username": "demo", "password": "demo password"})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Secure" not in cookie


def test_the_cookie_is_secure_behind_tls(client: FlaskClient) -> None:
    data = {"username": "demo", "password": "demo password"}
    answer = client.post("/login", data=data, base_url="https://mail.example.test")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_failed_login_does_not_tell_whether_the_user_exists(client: FlaskClient) -> None:
    known = client.post("/login", data={"username": "demo", "password": "wrong"})
    unknown = client.post("/login", data={"username": "nobody", "password": "wrong"})
    assert known.status_code == unknown.status_code == 403
    assert words(known.text) == words(unknown.text)


def test_a_disabled_user_cannot_log_in(client: FlaskClient, settings: Settings) -> None:
    add_user(settings, "gone", disabled=True)
    assert log_in(client, "gone", "gone password") == 403


def test_a_user_who_is_disabled_loses_his_session_at_once_and_for_good(browser: Browser, settings: Settings) -> None:
    change_user(settings, "demo", suspended=True)
    assert browser.get("/folders/inbox").status_code == 303
    change_user(settings, "demo", suspended=False)
    assert browser.get("/folders/inbox").status_code == 303


def test_a_user_who_is_removed_loses_his_session_at_once(browser: Browser, settings: Settings) -> None:
    (settings.users_dir / "demo.json").unlink()
    assert browser.get("/folders/inbox").status_code == 303
    assert browser.get("/api/mail/list").status_code == 401


def test_a_user_who_is_removed_gets_in_by_no_token_and_no_link(
    client: FlaskClient, settings: Settings, database: Database, clock: Clock
) -> None:
    token = personal_token(database, "demo")
    link = database.write(lambda tx: sessions.issue_sso(tx, "demo", clock.now, 60))
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/mail/counts", headers=bearer).status_code == 200
    (settings.users_dir / "demo.json").unlink()
    assert client.get("/api/mail/counts", headers=bearer).status_code == 401
    assert client.get(f"/sso-login?token={link}").status_code == 403
    assert log_in(client, "demo", "demo password") == 403


def test_a_changed_password_ends_the_sessions_before_it(app: Flask, browser: Browser, settings: Settings) -> None:
    renew_password(settings, "demo")
    assert browser.get("/folders/inbox").status_code == 303
    assert Browser.logged_in(app.test_client(), "demo").get("/folders/inbox").status_code == 200


def test_a_session_lives_on_while_the_password_stays(browser: Browser, settings: Settings) -> None:
    change_user(settings, "demo", email="new@remote.test", is_admin=True)
    assert browser.get("/relay").status_code == 200


def test_a_former_password_brings_no_session_back(browser: Browser, settings: Settings) -> None:
    path = settings.users_dir / "demo.json"
    before = path.read_text()
    renew_password(settings, "demo")
    assert browser.get("/folders/inbox").status_code == 303
    path.write_text(before)
    assert browser.get("/folders/inbox").status_code == 303


def test_guessing_is_slowed_down(client: FlaskClient, clock: Clock) -> None:
    for _ in range(6):
        log_in(client, "demo", "wrong")
    answer = client.post("/login", data={"username": "demo", "password": "demo password"})
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    clock.advance(3600)
    assert log_in(client, "demo", "demo password") == 303


def log_in_from(client: FlaskClient, address: str, username: str, password: str) -> int:
    data = {"username": username, "password": password}
    return client.post("/login", data=data, environ_overrides={"REMOTE_ADDR": address}).status_code


def test_many_clients_guessing_for_one_user_wait_together_but_not_where_he_is_at_home(client: FlaskClient) -> None:
    assert log_in_from(client, "192.0.2.8", "demo", "demo password") == 303
    for number in range(throttle.FREE_FOR_USER):
        assert log_in_from(client, f"198.51.100.{number}", "demo", "wrong") == 403
    assert log_in_from(client, "203.0.113.1", "demo", "demo password") == 429
    assert log_in_from(client, "203.0.113.1", "maria", "maria password") == 303
    assert log_in_from(client, "192.0.2.8", "demo", "demo password") == 303


def test_a_password_that_logs_in_is_fit_for_scram(client: FlaskClient, settings: Settings, database: Database) -> None:
    log_in(client, "demo", "wrong")
    assert enrolled(settings, database, "demo") is None
    log_in(client, "demo", "demo password")
    verifier = enrolled(settings, database, "demo")
    assert verifier is not None and scram_verifier.is_of(verifier, "demo password")
    renew_password(settings, "demo")
    assert enrolled(settings, database, "demo") is None


def enrolled(settings: Settings, database: Database, username: str) -> ScramVerifier | None:
    user = UserDirectory(settings).get(username)
    return database.read(lambda tx: enrolment.find(tx, user, username))


def test_nobody_locks_a_user_out_from_elsewhere(client: FlaskClient) -> None:
    for _ in range(6):
        log_in_from(client, "192.0.2.7", "Demo", "wrong")
    assert log_in_from(client, "192.0.2.7", "demo", "demo password") == 429
    assert log_in_from(client, "192.0.2.7", "maria", "maria password") == 303
    assert log_in_from(client, "192.0.2.8", "demo", "demo password") == 303
    assert log_in_from(client, "192.0.2.7", "demo", "demo password") == 429


def test_a_network_of_ipv6_is_one_client(client: FlaskClient) -> None:
    for host in range(6):
        log_in_from(client, f"2001:db8::{host}", "demo", "wrong")
    assert log_in_from(client, "2001:db8::ffff", "demo", "demo password") == 429
    assert log_in_from(client, "2001:db8:0:1::1", "demo", "demo password") == 303


def test_who_guesses_for_many_users_waits_for_all_of_them(client: FlaskClient, clock: Clock) -> None:
    for number in range(10):
        log_in_from(client, "::ffff:192.0.2.7", f"user{number}", "wrong")
    assert log_in_from(client, "192.0.2.7", "demo", "demo password") == 429
    assert log_in_from(client, "::ffff:192.0.2.8", "demo", "demo password") == 303
    clock.advance(3600)
    assert log_in_from(client, "192.0.2.7", "demo", "demo password") == 303


def test_an_address_that_all_users_may_have_is_not_shut_out(client: FlaskClient) -> None:
    for number in range(20):
        log_in_from(client, "127.0.0.1", f"user{number}", "wrong")
    assert log_in_from(client, "127.0.0.1", "demo", "demo password") == 303


def test_a_burst_of_guesses_is_not_heard_before_the_first_failure_counts(app: Flask) -> None:
    web: Web = app.extensions["onifast"]
    for _ in range(2):
        web.password_checks.acquire()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(log_in, app.test_client(), "demo", "wrong") for _ in range(8)]
        done = as_completed(answers, timeout=30)
        try:
            early = [next(done).result() for _ in range(6)]
        finally:
            web.password_checks.release(2)
        assert early == [429] * 6
        assert [answer.result() for answer in done] == [403] * 2
    assert log_in(app.test_client(), "demo", "demo password") == 303


def test_a_login_form_on_another_site_is_refused(client: FlaskClient) -> None:
    assert log_in(client, "demo", "demo password", **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert log_in(client, "demo", "demo password", Origin="https://evil.example") == 403
    assert log_in(client, "demo", "demo password", **{"Sec-Fetch-Site": "same-site"}) == 403


def test_a_broken_user_file_is_the_servers_fault_and_says_so(client: FlaskClient, settings: Settings) -> None:
    (settings.users_dir / "demo.json").write_text("{not json")
    answer = client.post("/login", data={"username": "demo", "password": "demo password"})
    assert answer.status_code == 503 and str(settings.users_dir) not in answer.text


def test_a_missing_user_directory_is_the_servers_fault(client: FlaskClient, settings: Settings) -> None:
    settings.users_dir.rename(settings.root / "elsewhere")
    assert log_in(client, "demo", "demo password") == 503


def test_logging_out_ends_the_session(browser: Browser) -> None:
    cookie = browser.client.get_cookie("onifast_mail")
    assert cookie is not None
    assert browser.post("/logout").status_code == 303
    browser.client.set_cookie("onifast_mail", cookie.value)
    assert browser.get("/folders/inbox").status_code == 303


def test_a_session_ends_by_itself_unless_it_is_used(browser: Browser, clock: Clock, settings: Settings) -> None:
    clock.advance(settings.session_lifetime - 10)
    renewed = browser.get("/folders/inbox")
    assert renewed.status_code == 200 and "onifast_mail=" in renewed.headers["Set-Cookie"]
    clock.advance(settings.session_lifetime - 10)
    assert browser.get("/folders/inbox").status_code == 200
    clock.advance(settings.session_lifetime + 10)
    assert browser.get("/folders/inbox").status_code == 303


def test_who_is_not_logged_in_comes_back_to_where_he_wanted_to_go(client: FlaskClient) -> None:
    answer = client.get("/folders/sent?q=x")
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"])
    assert 'name="next" value="/folders/sent?q=x"' in page.text
    data = {"username": "demo", "password": "demo password", "next": "/folders/sent?q=x"}
    assert client.post("/login", data=data).headers["Location"] == "/folders/sent?q=x"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "evil", "/a\r\nSet-Cookie: x=y", "\\/x"]
)
def test_login_leads_nowhere_else(client: FlaskClient, target: str) -> None:
    answer = client.post("/login", data={"username": "demo", "password": "demo password", "next": target})
    assert answer.headers["Location"] == "/"


# Single sign-on


def issue(panel: Panel, username: str = "demo") -> str:
    answer = panel.post("/api/panel/sso-token", {"username": username})
    assert answer.status_code == 201, answer.text
    token: str = answer.json["token"]  # type: ignore[index]
    return token


def test_a_link_of_the_panels_signs_its_user_in(panel: Panel, client: FlaskClient) -> None:
    answer = panel.post("/api/panel/sso-token", {"username": "demo"})
    assert answer.status_code == 201 and answer.json is not None
    assert answer.json["url"] == f"http://localhost/sso-login?token={answer.json['token']}"
    assert client.get(f"/sso-login?token={answer.json['token']}").status_code == 303
    assert client.get("/folders/inbox").status_code == 200


def test_a_changed_password_ends_the_sessions_that_links_began(
    panel: Panel, client: FlaskClient, settings: Settings
) -> None:
    client.get(f"/sso-login?token={issue(panel)}")
    assert client.get("/folders/inbox").status_code == 200
    renew_password(settings, "demo")
    assert client.get("/folders/inbox").status_code == 303


def test_a_user_without_a_password_signs_in_by_link(panel: Panel, client: FlaskClient, settings: Settings) -> None:
    change_user(settings, "demo", password=None)
    client.get(f"/sso-login?token={issue(panel)}")
    assert client.get("/folders/inbox").status_code == 200
    add_user(settings, "demo")
    assert client.get("/folders/inbox").status_code == 303


def test_a_link_works_once(panel: Panel, app: Flask) -> None:
    token = issue(panel)
    assert app.test_client().get(f"/sso-login?token={token}").status_code == 303
    second = app.test_client().get(f"/sso-login?token={token}")
    assert second.status_code == 403 and "works once" in second.text


def test_a_link_grows_old(panel: Panel, client: FlaskClient, clock: Clock) -> None:
    token = issue(panel)
    clock.advance(61)
    assert client.get(f"/sso-login?token={token}").status_code == 403


def test_looking_ahead_does_not_use_a_link_up(panel: Panel, client: FlaskClient) -> None:
    token = issue(panel)
    assert client.head(f"/sso-login?token={token}").status_code == 403
    assert client.get(f"/sso-login?token={token}", headers={"Sec-Purpose": "prefetch"}).status_code == 403
    assert client.get(f"/sso-login?token={token}").status_code == 303


def test_a_wrong_token_gets_a_page_that_a_person_understands(client: FlaskClient) -> None:
    answer = client.get("/sso-login?token=wrong")
    assert answer.status_code == 403 and answer.mimetype == "text/html"


def test_a_link_leads_to_a_local_page_only(panel: Panel, app: Flask) -> None:
    there = app.test_client().get(f"/sso-login?token={issue(panel)}&next=/outbox")
    away = app.test_client().get(f"/sso-login?token={issue(panel)}&next=https://evil.example/")
    assert (there.headers["Location"], away.headers["Location"]) == ("/outbox", "/")


def test_nobody_but_the_panel_gets_links(panel: Panel, browser: Browser, database: Database) -> None:
    assert browser.post_json("/api/panel/sso-token", {"username": "maria"}).status_code == 403
    as_admin = Panel(browser.client, personal_token(database, "root-admin"))
    assert as_admin.post("/api/panel/sso-token", {"username": "maria"}).status_code == 403
    assert panel.acting_for("root-admin").post("/api/panel/sso-token", {"username": "maria"}).status_code == 403


def test_there_is_no_link_for_a_user_who_is_not_there_or_disabled(panel: Panel, settings: Settings) -> None:
    add_user(settings, "gone", disabled=True)
    assert panel.post("/api/panel/sso-token", {"username": "nobody"}).status_code == 404
    assert panel.post("/api/panel/sso-token", {"username": "gone"}).status_code == 404


# Tokens


def test_no_login_answers_401_with_a_challenge(client: FlaskClient) -> None:
    answer = client.get("/api/mail/list")
    assert answer.status_code == 401 and "Bearer" in answer.headers["WWW-Authenticate"]


def test_a_wrong_token_answers_401_even_with_a_cookie(browser: Browser) -> None:
    answer = browser.get("/api/mail/list", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


def test_a_personal_token_is_its_user(app: Flask, database: Database) -> None:
    deliver(database, subject="For demo")
    token = personal_token(database, "demo")
    mine = Panel(app.test_client(), token).get("/api/mail/list").json
    other = Panel(app.test_client(), personal_token(database, "maria")).get("/api/mail/list").json
    assert mine is not None and [row["subject"] for row in mine["emails"]] == ["For demo"]
    assert other is not None and other["emails"] == []


def test_the_service_token_sees_everything_or_what_a_user_sees(panel: Panel, database: Database) -> None:
    deliver(database, owner="demo")
    deliver(database, owner="maria", recipient="maria@other.test")
    assert len(panel.get("/api/mail/list").json["emails"]) == 2  # type: ignore[index]
    assert len(panel.acting_for("maria").get("/api/mail/list").json["emails"]) == 1  # type: ignore[index]


def test_the_service_token_acts_for_users_who_exist_only(panel: Panel) -> None:
    assert panel.acting_for("nobody").get("/api/mail/list").status_code == 404
    assert panel.acting_for("../config/x").get("/api/mail/list").status_code == 404


def test_nobody_else_acts_for_others(browser: Browser, database: Database) -> None:
    assert browser.get("/api/mail/list", headers={"X-Onifast-User": "maria"}).status_code == 403
    personal = Panel(browser.client, personal_token(database, "demo"), "maria")
    assert personal.get("/api/mail/list").status_code == 403


# CSRF


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/mail/send", {"from": "demo@example.test", "to": ["a@b.test"], "text": "x"}),
        ("/api/mail/move", {"id": 1, "folder": "trash"}),
        ("/api/mail/outbox", {"ids": [1], "action": "cancel"}),
    ],
)
def test_a_change_by_cookie_needs_the_sessions_token(browser: Browser, path: str, body: dict[str, object]) -> None:
    assert browser.client.post(path, json=body).status_code == 403
    assert browser.client.post(path, json=body, headers={"X-CSRF-Token": "wrong"}).status_code == 403


def test_a_form_needs_the_sessions_token(browser: Browser) -> None:
    assert browser.client.post("/messages", data={"ids": "1", "action": "move:trash"}).status_code == 403


def test_another_sites_request_is_refused_even_with_the_token(browser: Browser) -> None:
    headers = {"X-CSRF-Token": browser.csrf_token, "Sec-Fetch-Site": "cross-site"}
    answer = browser.client.post("/api/mail/move", json={"id": 1, "folder": "trash"}, headers=headers)
    assert answer.status_code == 403


def test_each_session_has_a_token_of_its_own(app: Flask, browser: Browser) -> None:
    other = Browser.logged_in(app.test_client(), "demo")
    assert other.csrf_token != browser.csrf_token
    assert browser.post("/messages", {"csrf_token": other.csrf_token}).status_code == 403


# Everything


def test_every_view_says_who_may_call_it(app: Flask) -> None:
    missing = [name for name, view in app.view_functions.items() if "who" not in vars(view)]
    assert missing == []


PUBLIC = {
    *("/login", "/sso-login", "/api/openapi.json", "/api/docs", "/static/<version>/<path:filename>"),
    *("/manifest.webmanifest", "/service-worker.js", "/offline", "/healthz", "/readyz"),
    *("/robots.txt", "/email.mobileconfig", "/.well-known/mta-sts.txt", *AUTOCONFIG_PATHS),
}


def test_without_a_login_every_page_leads_to_the_login(app: Flask) -> None:
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.rule in PUBLIC or "GET" not in (rule.methods or ()):
            continue
        path = re.sub(r"<int:\w+>", "1", rule.rule.replace("<folder>", "inbox"))
        assert client.get(path).status_code == (401 if path.startswith("/api/") else 303), path


def test_pages_are_locked_in_by_their_headers(browser: Browser) -> None:
    headers = browser.get("/folders/inbox").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_no_page_has_inline_scripts_or_styles(browser: Browser, database: Database) -> None:
    deliver(database, subject="x")
    for path in ("/login", "/folders/inbox", "/messages/1", "/compose", "/outbox", "/addresses", "/dkim"):
        text = browser.get(path).text
        assert " style=" not in text and " onclick=" not in text and "<script>" not in text, path


def test_styles_and_scripts_are_kept_by_browsers(client: FlaskClient) -> None:
    page = client.get("/login").text
    path = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with client.get(path) as answer:
        assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"]
        assert answer.mimetype == "text/css"


def test_every_link_works_under_the_prefix_that_the_settings_name(change: Callable[..., FlaskClient]) -> None:
    client = change(url_prefix="/mail")
    answer = client.get("/folders/inbox")
    assert answer.headers["Location"] == "/mail/login?next=/folders/inbox"
    page = client.get("/mail/login").text
    assert 'action="/mail/login"' in page and 'href="/mail/static/' in page
    signed_in = client.post("/mail/login", data={"username": "demo", "password": "demo password"})
    assert signed_in.headers["Location"] == "/mail/" and "Path=/mail" in signed_in.headers["Set-Cookie"]
