"""Chromium under Playwright, on a page from a tiny HTTP server."""

import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from peers.browser import DESKTOP, PHONE, chromium, page_of, screenshot

pytestmark = pytest.mark.peers

PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Tiny</title>
<style>@media (prefers-color-scheme: dark) { body { background: rgb(1, 2, 3) } }</style>
<label>Name <input id="name" autofocus></label> <button onclick="greet()">Greet</button> <p id="greeting"></p>
<script>function greet() { document.querySelector("#greeting").textContent =
  "Hello, " + document.querySelector("#name").value + " \xf0\x9f\x93\xa8" }</script></html>"""


class TinySite(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        broken = b"<script>undefinedFunction()</script>" if self.path == "/broken" else b""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE + broken)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), TinySite) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_types_and_clicks_without_a_mouse(browser: Browser, site: str) -> None:
    with page_of(browser, site) as page:
        page.goto("/")
        assert page.title() == "Tiny"
        page.keyboard.type("Anna")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#greeting")).to_have_text("Hello, Anna 📨")


def test_has_the_viewport_and_the_color_scheme_asked_for(browser: Browser, site: str) -> None:
    with page_of(browser, site, viewport=PHONE, color_scheme="dark") as page:
        page.goto("/")
        assert page.evaluate("[innerWidth, innerHeight]") == list(PHONE)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(1, 2, 3)"


def test_takes_a_screenshot(browser: Browser, site: str, tmp_path: Path) -> None:
    with page_of(browser, site) as page:
        page.goto("/")
        png = screenshot(page, tmp_path / "tiny.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == DESKTOP


def test_an_error_in_a_script_of_the_page_fails_the_test(browser: Browser, site: str) -> None:
    with pytest.raises(AssertionError, match="undefinedFunction"), page_of(browser, site) as page:
        page.goto("/broken")


def test_nothing_but_this_machine_can_be_reached(browser: Browser) -> None:
    with page_of(browser) as page, pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://remote.test/")
