"""Images by way of this server: which addresses it takes, and what it shows there."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import ipaddress
import re
import ssl
import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask
from onifast_outbox.image_proxy.fetcher import ImageFetcher
from onifast_shared.db.database import Database
from onifast_shared.image_proxy import ask, store
from onifast_shared.image_proxy.store import ProxiedImage
from onifast_shared.machine import dns as shared_dns
from onifast_shared.machine.config import Settings
from onifast_shared.webhooks import targets
from onifast_web.app import create_app
from playwright.sync_api import Browser as Chrome
from web.browsing import opened
from web.support import PNG, Browser, deliver, serve

from fakes.dns import DnsServer
from fakes.https_server import HttpsServer, Page

HTML = '<style>p{background:url(http://pics.test/b.png)}</style><p>x</p><img src="//pics.test/a.png?x=1&amp;y=2" alt=A>'
A, B = "https://pics.test/a.png?x=1&y=2", "http://pics.test/b.png"


@pytest.fixture
def proxying(settings: Settings, database: Database) -> Flask:
    """The application with the setting on."""
    return create_app(dataclasses.replace(settings, image_proxy=True), database)


@pytest.fixture
def reader(proxying: Flask, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """demo, who does not wait for outbox: it does not run here."""
    monkeypatch.setattr(ask, "PATIENCE", 0.0)
    return Browser.logged_in(proxying.test_client(), "demo")


def fetch_for(database: Database, owner: str, url: str, image: ProxiedImage | None) -> None:
    """Does what outbox does."""
    database.write(lambda tx: store.ask(tx, owner, [url], time.time()))
    (request,) = [each for each in database.read(lambda tx: store.unanswered(tx, time.time(), 99)) if each.url == url]
    database.write(lambda tx: store.answer(tx, request, image, time.time()))


def addresses_of(page: str) -> list[str]:
    """Where the images of a frame come from."""
    plain = re.sub(r"\\([0-9a-f]+) ", lambda match: chr(int(match[1], 16)), html.unescape(page))
    return re.findall(r'"(/messages/\d+/proxied-image[^"]+)"', plain)


def test_images_come_from_here_alone(reader: Browser, database: Database) -> None:
    email_id = deliver(database, html=HTML)
    for url in (A, B):
        fetch_for(database, "demo", url, ProxiedImage("image/png", PNG))
    frame = reader.get(f"/messages/{email_id}/html?images=1")
    assert re.search(r"img-src data: 'self';", frame.headers["Content-Security-Policy"])
    assert not re.search(r"[\"'(]\s*(?:http|//)[^>]*pics", frame.text.partition("<head>")[2])
    found = [reader.get(address) for address in addresses_of(frame.text)]
    assert [(each.status_code, each.mimetype, each.data) for each in found] == [(200, "image/png", PNG)] * 2
    assert "sandbox" in found[0].headers["Content-Security-Policy"]


def test_a_page_has_its_images_fetched(reader: Browser, database: Database) -> None:
    email_id = deliver(database, html=HTML)
    reader.get(f"/messages/{email_id}/html")
    assert database.read(lambda tx: store.unanswered(tx, time.time(), 9)) == []
    reader.get(f"/messages/{email_id}/html?images=1")
    asked = database.read(lambda tx: store.unanswered(tx, time.time(), 9))
    assert {(each.owner, each.url) for each in asked} == {("demo", A), ("demo", B)}


def test_no_other_url_is_fetched(reader: Browser, proxying: Flask, database: Database) -> None:
    first, second = deliver(database, html=HTML), deliver(database, html=HTML)
    for owner in ("demo", "maria"):
        fetch_for(database, owner, A, ProxiedImage("image/png", PNG))
    (address, *_) = [
        each for each in addresses_of(reader.get(f"/messages/{first}/html?images=1").text) if "a.png" in each
    ]
    assert reader.get(address).status_code == 200
    maria = Browser.logged_in(proxying.test_client(), "maria")
    assert maria.get(address).status_code == 404
    assert reader.get(address.replace("pics.test", "evil.test")).status_code == 404
    assert reader.get(address.replace(f"/{first}/", f"/{second}/")).status_code == 404
    assert reader.get(address.partition("&signature")[0]).status_code == 404
    assert proxying.test_client().get(address).status_code in (302, 303, 401)
    waiting = database.read(lambda tx: store.unanswered(tx, time.time(), 9))
    assert [each.url for each in waiting] == [B]


def test_an_image_that_cannot_be_had_is_not_found(reader: Browser, database: Database) -> None:
    email_id = deliver(database, html=HTML)
    fetch_for(database, "demo", A, None)
    addresses = addresses_of(reader.get(f"/messages/{email_id}/html?images=1").text)
    assert [reader.get(address).status_code for address in addresses] == [404, 404]


def test_without_the_setting_the_browser_loads_them_itself(browser: Browser, database: Database) -> None:
    email_id = deliver(database, html=HTML)
    frame = browser.get(f"/messages/{email_id}/html?images=1")
    assert "https://pics.test/a.png" in frame.text
    assert "https: http:" in frame.headers["Content-Security-Policy"]


@pytest.fixture
def fetching(settings: Settings, database: Database, dns: DnsServer) -> Iterator[HttpsServer]:
    """A web server with an image, and outbox's part that fetches it, which may ask this machine in this test alone."""
    dns.set("pics.test", "A", "127.0.0.1")
    stop = threading.Event()
    may_ask = targets.or_in([ipaddress.ip_network("127.0.0.0/8")])
    images = ImageFetcher(database, shared_dns.resolver(settings), ssl.create_default_context(), may_ask=may_ask)

    async def run() -> None:
        while not stop.is_set():
            await images.run_once()
            await asyncio.sleep(0.02)
        await images.finish()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    with HttpsServer(None) as server:
        server.pages["/a.png"] = Page(PNG, content_type="image/png")
        yield server
        stop.set()
        thread.join()


@pytest.mark.peers
def test_in_a_browser_the_image_is_seen_and_its_server_sees_no_browser(
    chrome: Chrome, proxying: Flask, settings: Settings, database: Database, fetching: HttpsServer
) -> None:
    url = f"http://pics.test:{fetching.port}/a.png"
    email_id = deliver(database, text=None, html=f'<p>x</p><img src="{url}" width="40" height="40" alt="A">')
    with serve(proxying, settings) as live, opened(chrome, live) as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"/messages/{email_id}?images=1")
        frame = page.frame_locator("iframe.html-body")
        assert frame.locator("img").evaluate("e => e.decode().then(() => e.naturalWidth)") == 1
        assert all(each.startswith(live.url) for each in requests)
    assert [each.headers["user-agent"] for each in fetching.asked] == [
        "Mozilla/5.0 (compatible; onifast-mail image proxy)"
    ]
