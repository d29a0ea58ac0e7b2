"""How many calls of the API a user and a token may make, and what answers say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accounts import api_tokens
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_web.app import create_app
from web.support import Browser, Clock, Panel
from werkzeug.test import TestResponse

Ask = Callable[[], TestResponse]


@pytest.fixture
def limited(settings: Settings, database: Database, clock: Clock) -> Flask:
    """Five calls a minute for a user, three for a token."""
    clock.now = 6_000_000_000.0  # a whole minute
    few = dataclasses.replace(settings, api_calls_per_minute=5, api_calls_per_minute_by_token=3)
    return create_app(few, database, clock=clock)


def with_token(app: Flask, database: Database, clock: Clock, username: str = "demo") -> Ask:
    token, _ = database.write(lambda tx: api_tokens.create(tx, username, "Script", clock()))
    return lambda: Panel(app.test_client(), token).get("/api/mail/counts")


def test_answers_say_what_is_left(limited: Flask, database: Database, clock: Clock) -> None:
    ask = with_token(limited, database, clock)
    clock.advance(20)
    answer = ask()
    assert answer.headers["RateLimit-Policy"] == '"user";q=5;w=60, "token";q=3;w=60'
    assert answer.headers["RateLimit"] == '"user";r=4;t=40, "token";r=2;t=40'
    assert ask().headers["RateLimit"] == '"user";r=3;t=40, "token";r=1;t=40'


def test_too_many_get_a_problem_that_says_when_to_come_back(limited: Flask, database: Database, clock: Clock) -> None:
    ask = with_token(limited, database, clock)
    assert [ask().status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = ask()
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["Retry-After"] == "60"
    assert answer.headers["RateLimit"].endswith('"token";r=0;t=60')
    problem = answer.get_json()
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["violated-policies"] == ["token"]
    clock.advance(60)
    assert ask().status_code == 200


def test_tokens_of_one_user_share_the_users_quota(limited: Flask, database: Database, clock: Clock) -> None:
    asks = [with_token(limited, database, clock) for _ in range(3)]
    statuses = [ask().status_code for ask in asks * 2]
    assert statuses == [200] * 5 + [429]
    assert with_token(limited, database, clock, "maria")().status_code == 200


def test_a_session_has_the_users_quota_and_pages_have_none(limited: Flask) -> None:
    browser = Browser.logged_in(limited.test_client(), "demo")
    assert [browser.get("/api/mail/counts").status_code for _ in range(6)] == [200] * 5 + [429]
    page = browser.get("/folders/inbox")
    assert page.status_code == 200 and "RateLimit" not in page.headers


def test_a_call_of_a_page_by_itself_counts_and_does_not_prolong(limited: Flask) -> None:
    browser = Browser.logged_in(limited.test_client(), "demo")
    answer = browser.get("/api/mail/counts", headers={"X-Onifast-Poll": "1"})
    assert answer.headers["RateLimit"] == '"user";r=4;t=60'


def test_the_panel_has_no_limit(limited: Flask, settings: Settings) -> None:
    panel = Panel(limited.test_client(), settings.panel_token_path.read_text().strip())
    for each in (panel, panel.acting_for("demo")):
        answers = [each.get("/api/sso") for _ in range(8)] + [each.get("/api/mail/addresses") for _ in range(8)]
        assert not [one for one in answers if one.status_code == 429 or "RateLimit" in one.headers]


def test_zero_is_no_limit(change: Callable[..., FlaskClient], database: Database, clock: Clock) -> None:
    client = change(api_calls_per_minute=0, api_calls_per_minute_by_token=0)
    token, _ = database.write(lambda tx: api_tokens.create(tx, "demo", "Script", clock()))
    answer = Panel(client, token).get("/api/mail/counts")
    assert answer.status_code == 200 and "RateLimit" not in answer.headers
