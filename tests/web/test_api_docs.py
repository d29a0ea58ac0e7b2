"""The API's page: everything of the document stands in it, and calls can be tried."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import Page, expect

from peers.browser import ColorScheme, Viewport, page_of
from web.browsing import LOOKS, fits, log_in
from web.support import Live, Panel, deliver, words


def test_every_call_stands_in_it_with_its_parameters_and_fields(client: FlaskClient) -> None:
    document: Any = client.get("/api/openapi.json").json
    answer = client.get("/api/docs")
    assert answer.status_code == 200 and answer.mimetype == "text/html"
    text = words(answer.text)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path} {operation['summary']}" in text
            for parameter in operation.get("parameters", ()):
                assert parameter["name"] in text
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}):
            assert field in answer.text or schema is document["components"]["schemas"]["Problem"], field


def test_nothing_is_loaded_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/api/docs").text
    assert set(re.findall(r'(?:src|href)="(https?:[^"]*|//[^"]*)"', page)) == set()
    assert client.get("/api/docs").headers["Content-Security-Policy"].startswith("default-src 'none'")


def open_call(page: Page, name: str) -> None:
    page.goto(f"/api/docs#{name}")
    expect(page.locator(f"#{name} .api-try")).to_be_visible()


@pytest.mark.peers
@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_a_call_is_tried_with_the_login(
    chrome: Chrome, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    deliver(database, subject="Hello")
    with page_of(chrome, live.url, viewport=viewport, color_scheme=scheme) as page:
        log_in(page)
        open_call(page, "get-mail-list")
        fits(page)
        call = page.locator("#get-mail-list")
        call.get_by_label("Query").fill("folder=inbox")
        call.get_by_role("button", name="Send GET").click()
        expect(call.locator("output")).to_contain_text("200 OK")
        expect(call.locator("output")).to_contain_text('"subject": "Hello"')
        open_call(page, "post-mail-labels")
        call = page.locator("#post-mail-labels")
        call.get_by_label("Body").fill('{"name": "Clients"}')
        call.get_by_role("button", name="Send POST").click()
        expect(call.locator("output")).to_contain_text('"Clients"')


@pytest.mark.peers
def test_a_call_is_tried_with_a_token_and_by_nobody(chrome: Chrome, live: Live, panel: Panel) -> None:
    with page_of(chrome, live.url) as page:
        open_call(page, "get-mail-counts")
        call = page.locator("#get-mail-counts")
        call.get_by_role("button", name="Send GET").click()
        expect(call.locator("output")).to_contain_text("401")
        page.get_by_label("Token", exact=True).fill(panel.token)
        page.get_by_label("Act for").fill("demo")
        call.get_by_role("button", name="Send GET").click()
        expect(call.locator("output")).to_contain_text("200 OK")
