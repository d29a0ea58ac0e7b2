"""Logging in to the webmail, and being signed in by the panel, with an e-mail address in a user's name's place."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from onifast_shared.accounts import throttle
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from web.support import Panel, add_user, change_user, give_address


def log_in(client: FlaskClient, username: str, password: str, client_address: str = "192.0.2.1") -> int:
    data = {"username": username, "password": password}
    return client.post("/login", data=data, environ_overrides={"REMOTE_ADDR": client_address}).status_code


@pytest.mark.parametrize("typed", ["demo@example.test", " Demo@EXAMPLE.test "])
def test_an_address_logs_in_its_owner(client: FlaskClient, typed: str) -> None:
    assert log_in(client, typed, "demo password") == 303
    assert "demo@example.test" in client.get("/addresses").text


@pytest.mark.parametrize("typed", ["demo+x@example.test", "*@example.test", "nobody@example.test", "demo@other.test"])
def test_what_is_not_exactly_an_address_logs_nobody_in(client: FlaskClient, database: Database, typed: str) -> None:
    give_address(database, "*@example.test", "demo")
    assert log_in(client, typed, "demo password") == 403


def test_an_exact_user_name_wins_over_an_address(client: FlaskClient, settings: Settings) -> None:
    add_user(settings, "demo@example.test")
    assert log_in(client, "demo@example.test", "demo password") == 403
    assert log_in(client, "demo@example.test", "demo@example.test password") == 303


def test_a_disabled_users_address_does_not_log_in(client: FlaskClient, settings: Settings) -> None:
    change_user(settings, "demo", disabled=True)
    assert log_in(client, "demo@example.test", "demo password") == 403


def test_guesses_by_name_and_address_count_together_and_both_pages_say_the_same(client: FlaskClient) -> None:
    for number in range(throttle.FREE_FAILURES):
        assert log_in(client, ("demo", "demo@example.test")[number % 2], "wrong") == 403
    assert log_in(client, "demo", "demo password") == log_in(client, "demo@example.test", "demo password") == 429
    for _ in range(throttle.FREE_FAILURES):
        assert log_in(client, "nobody@example.test", "wrong", "192.0.2.2") == 403
    assert log_in(client, "nobody@example.test", "wrong", "192.0.2.2") == 429


def test_a_page_shows_what_was_typed_and_not_whose_it_is(client: FlaskClient) -> None:
    pages = []
    for name in ("maria@other.test", "nobody@other.test"):
        answer = client.post("/login", data={"username": name, "password": "wrong"})
        pages.append((answer.status_code, answer.text.replace(name, "NAME")))
    assert pages[0] == pages[1] and "maria" not in pages[0][1]


def test_the_panel_signs_in_and_acts_for_a_user_by_address(panel: Panel, client: FlaskClient) -> None:
    made = panel.post("/api/panel/sso-token", {"username": "Maria@other.test"})
    assert made.status_code == 201, made.text
    assert client.get("/sso-login", query_string={"token": made.get_json()["token"]}).status_code == 303
    assert "maria@other.test" in client.get("/addresses").text
    found = panel.acting_for("maria@other.test").get("/api/mail/addresses").get_json()["addresses"]
    assert [each["owner"] for each in found] == ["maria"]
    assert panel.post("/api/panel/sso-token", {"username": "nobody@other.test"}).status_code == 404
    assert panel.acting_for("nobody@other.test").get("/api/mail/addresses").status_code == 404
