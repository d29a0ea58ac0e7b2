"""API tokens, by API and page: made with scopes, shown once, used within them, revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accounts import api_tokens
from onifast_shared.accounts.api_tokens import ALL_SCOPES, TokenScope
from onifast_shared.db.database import Connection, Database
from onifast_shared.values import times
from onifast_web.access.caller import Who
from onifast_web.api import ENDPOINTS
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect

from web.browsing import LOOKS, fits, opened
from web.support import Browser, Clock, Live, Panel, deliver, words

API = "/api/tokens"
PAGE = "/tokens"


@pytest.fixture
def demo(panel: Panel) -> Panel:
    """The panel, acting for demo."""
    return panel.acting_for("demo")


def token_of(database: Database, user: str, *scopes: TokenScope, **options: Any) -> str:
    return database.write(lambda tx: api_tokens.create(tx, user, "x", 0, scopes=scopes, **options))[0]


def test_a_program_makes_lists_and_revokes_tokens(
    client: FlaskClient, demo: Panel, clock: Clock, database: Database
) -> None:
    answer = demo.post(API, {"name": " Shop ", "scopes": ["send", "read"], "expires_at": times.rfc3339(clock.now + 60)})
    assert answer.status_code == 201
    made = answer.get_json()
    assert (made["name"], made["username"], made["scopes"]) == ("Shop", "demo", ["read", "send"])
    shop = Panel(client, made["token"])
    assert shop.get("/api/mail/counts").status_code == 200
    (row,) = demo.get(API).get_json()["tokens"]
    assert row["used_at"] == times.rfc3339(clock.now) and row["used_from"] == "127.0.0.1"
    assert not row["expired"] and "token" not in row
    assert demo.delete(API, id=made["id"]).status_code == 204
    assert demo.delete(API, id=made["id"]).status_code == 404
    assert shop.get("/api/mail/counts").status_code == 401


def test_a_token_ends_when_it_says(client: FlaskClient, demo: Panel, clock: Clock) -> None:
    body = {"name": "x", "scopes": ["read"], "expires_at": times.rfc3339(clock.now + 60)}
    shop = Panel(client, demo.post(API, body).get_json()["token"])
    clock.advance(58)
    assert shop.get("/api/mail/counts").status_code == 200
    clock.advance(3)
    assert shop.get("/api/mail/counts").status_code == 401
    assert demo.get(API).get_json()["tokens"][0]["expired"] is True


def test_every_route_of_the_api_asks_for_a_scope(app: Flask) -> None:
    views = {rule.rule: vars(app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()}
    api = {path: marks for path, marks in views.items() if path.startswith("/api/")}
    secret = {path: marks for path, marks in api.items() if marks["who"] is not Who.ANYONE}
    assert len(secret) > 40
    assert [path for path, marks in secret.items() if not isinstance(marks["scope"], TokenScope)] == []


def test_what_administrators_may_needs_admin_and_reading_needs_read() -> None:
    for each in ENDPOINTS:
        if each.who in (Who.ADMINISTRATOR, Who.SERVICE):
            assert each.scope is TokenScope.ADMIN, each.path
        elif each.method == "GET":
            assert each.scope is TokenScope.READ, each.path
        else:
            assert each.scope in (TokenScope.SEND, TokenScope.MANAGE), each.path


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_a_token_without_the_scope_of_an_endpoint_is_refused(
    client: FlaskClient, database: Database, endpoint: Any
) -> None:
    token = token_of(database, "root-admin", *(ALL_SCOPES - {endpoint.scope}))
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.open(endpoint.path, method=endpoint.method, json={} if endpoint.body else None, headers=headers)
    assert answer.status_code == 403
    assert endpoint.scope.value in answer.get_json()["detail"]
    assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{endpoint.scope.value}"'


def test_an_administrators_token_without_admin_is_a_users(client: FlaskClient, database: Database) -> None:
    small = Panel(client, token_of(database, "root-admin", TokenScope.READ, TokenScope.MANAGE))
    full = Panel(client, token_of(database, "root-admin", *ALL_SCOPES))
    assert len(full.get("/api/mail/addresses").get_json()["addresses"]) == 2
    assert small.get("/api/mail/addresses").get_json()["addresses"] == []


def test_a_token_from_before_there_were_scopes_has_them_all(client: FlaskClient, database: Database) -> None:
    token = token_of(database, "demo", TokenScope.READ)
    sql = "INSERT INTO api_tokens (token_hash, username, name, created_ts) VALUES (?, 'demo', 'old', 1)"

    def as_before(tx: Connection) -> None:
        (row,) = tx.execute("DELETE FROM api_tokens RETURNING token_hash").fetchall()
        tx.execute(sql, row)

    database.write(as_before)
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/folders/inbox", headers=headers).status_code == 200
    found = database.read(lambda tx: api_tokens.find(tx, token))
    assert found and found.scopes == ALL_SCOPES and found.expires_ts is None


@pytest.mark.parametrize("left_out", list(TokenScope), ids=lambda scope: scope.value)
def test_pages_open_to_tokens_with_all_scopes_alone(
    client: FlaskClient, database: Database, left_out: TokenScope
) -> None:
    headers = {"Authorization": f"Bearer {token_of(database, 'demo', *(ALL_SCOPES - {left_out}))}"}
    assert client.get("/folders/inbox", headers=headers).status_code == 403
    assert client.post("/compose", headers=headers, data={"to": "a@b.test"}).status_code == 403


def test_reading_without_manage_marks_nothing(client: FlaskClient, database: Database) -> None:
    email_id = deliver(database)
    reader = Panel(client, token_of(database, "demo", TokenScope.READ))
    assert reader.get("/api/mail/read", id=email_id).get_json()["is_read"] is False
    assert reader.get("/api/mail/read", id=email_id, mark_read=1).status_code == 403
    keeper = Panel(client, token_of(database, "demo", TokenScope.READ, TokenScope.MANAGE))
    assert keeper.get("/api/mail/read", id=email_id).get_json()["is_read"] is True


def test_a_token_makes_none_that_may_do_more(client: FlaskClient, database: Database, clock: Clock) -> None:
    ends = int(clock.now + 3600)
    keeper = Panel(client, token_of(database, "demo", TokenScope.READ, TokenScope.MANAGE, expires_ts=1800))
    assert keeper.get(API).status_code == 401
    text = database.write(
        lambda tx: api_tokens.create(
            tx, "demo", "x", clock.now, scopes=[TokenScope.READ, TokenScope.MANAGE], expires_ts=ends
        )
    )[0]
    keeper = Panel(client, text)
    until = times.rfc3339(ends)
    assert keeper.post(API, {"name": "y", "scopes": ["read"], "expires_at": until}).status_code == 201
    for body in (
        {"name": "y", "scopes": ["read", "send"], "expires_at": until},
        {"name": "y", "scopes": ["read"]},
        {"name": "y", "scopes": ["read"], "expires_at": times.rfc3339(ends + 1)},
    ):
        assert keeper.post(API, body).status_code == 403, body
    assert keeper.post("/api/mail/app-passwords", {"name": "y"}).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes.0"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
    ],
    ids=str,
)
def test_what_a_token_cannot_be_is_told(demo: Panel, change: dict[str, Any], field: str) -> None:
    answer = demo.post(API, {"name": "x", "scopes": ["read"]} | change)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == field


def test_admin_is_for_administrators(panel: Panel) -> None:
    body = {"name": "x", "scopes": ["admin"]}
    assert panel.acting_for("demo").post(API, body).status_code == 403
    assert panel.acting_for("root-admin").post(API, body).status_code == 201


def test_another_users_tokens_are_not_there(panel: Panel, demo: Panel) -> None:
    made = demo.post(API, {"name": "Shop", "scopes": ["read"]}).get_json()
    for other in ("maria", "root-admin"):
        assert panel.acting_for(other).get(API).get_json() == {"tokens": []}
        assert panel.acting_for(other).delete(API, id=made["id"]).status_code == 404
    assert panel.get(API).status_code == 403


def test_the_page_makes_shows_once_and_revokes(browser: Browser, client: FlaskClient, database: Database) -> None:
    assert "No API tokens yet" in browser.text_of(PAGE)
    answer = browser.post(PAGE, {"do": "create", "name": "Shop & <more>", "scopes": ["read", "send"], "life": "30"})
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    found = re.search(r'id="fresh-token">([^<]+)<', answer.text)
    assert found
    page = browser.get(PAGE).text
    assert "Shop &amp; &lt;more&gt;" in page and "read, send" in page and found[1] not in page
    (row,) = database.read(lambda tx: api_tokens.list_for(tx, "demo"))
    assert browser.post(PAGE, {"do": "revoke", "id": row.id}).status_code == 303
    assert database.read(lambda tx: api_tokens.find(tx, found[1])) is None
    assert browser.post(PAGE, {"do": "revoke", "id": row.id}).status_code == 404


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": "x", "life": ""}, "Choose what the token may do."),
        ({"name": "", "scopes": "read", "life": ""}, "Give it a name, such as the program's."),
        ({"name": "x", "scopes": "admin", "life": ""}, "Only an administrator's token can have admin."),
        ({"name": "x", "scopes": "read", "life": "7"}, "Choose when it ends."),
    ],
    ids=str,
)
def test_the_page_tells_what_is_wrong(browser: Browser, form: dict[str, str], told: str) -> None:
    answer = browser.post(PAGE, {"do": "create"} | form)
    assert answer.status_code == 422 and told in words(answer.text)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=str)
def test_the_page_fits(chrome: Chrome, live: Live, viewport: Any, scheme: Any) -> None:
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(PAGE)
        page.get_by_label("Program").fill("A program with a name that is quite long, and then some")
        page.get_by_label("Write drafts and send mail").check()
        page.get_by_role("button", name="Make token").click()
        expect(page.get_by_text("Copy the token into the program now.")).to_be_visible()
        fits(page)
