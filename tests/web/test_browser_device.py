"""The webmail as a program of the device: what browsers ask for, links and shares, notifications, no connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from playwright.sync_api import Browser, Page, expect

from web.browsing import opened
from web.support import Live, deliver, index

pytestmark = pytest.mark.peers

WHOLE_BROWSER = True  # a headless shell shows no notifications

READY = "navigator.serviceWorker.ready.then(() => true)"
SHOWN = """
    navigator.serviceWorker.ready.then((worker) => worker.getNotifications())
        .then((all) => all.map((each) => `${each.title}: ${each.body}`))
"""


def until(page: Page, expression: str) -> None:
    """Waits for a value that is not null, 0, "" or empty; the page's policy forbids Playwright's own way."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {expression}")


@pytest.fixture
def page(chrome: Browser, live: Live) -> Iterator[Page]:
    with opened(chrome, live) as shown:
        yield shown


def test_the_manifest_and_its_icons_are_what_browsers_want(page: Page, live: Live) -> None:
    page.goto("/folders/inbox")
    found: dict[str, Any] = page.evaluate(
        "fetch(document.querySelector('link[rel=manifest]').href, {credentials: 'omit'}).then((got) => got.json())"
    )
    assert found["display"] == "standalone" and found["start_url"] == found["scope"] == "/"
    for icon in found["icons"]:
        answer = page.request.get(icon["src"])
        assert answer.ok and answer.headers["content-type"].startswith(icon["type"])
    errors = page.context.new_cdp_session(page).send("Page.getAppManifest")["errors"]
    assert errors == []


def test_without_a_connection_a_page_says_so_and_what_was_written_is_safe(page: Page, live: Live) -> None:
    page.goto("/folders/inbox")
    assert page.evaluate(READY)
    page.reload()  # from now on the worker answers for the page
    live.server.stop()
    live.thread.join(30)
    page.goto("/folders/sent")
    expect(page.get_by_role("heading", name="Your mail cannot be reached just now.")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('main.card')).borderRadius") != "0px"
    expect(page.get_by_role("link", name="Try again")).to_be_visible()


def test_new_mail_is_told_of_once_to_who_asked_for_it(page: Page, live: Live, database: Database) -> None:
    page.context.grant_permissions(["notifications"], origin=live.url)
    deliver(database, subject="Old news")
    index(database)
    page.goto("/device")
    assert page.evaluate(READY)
    page.get_by_role("button", name="Tell me", exact=True).click()
    expect(page.get_by_role("button", name="Tell me no more")).to_be_visible()
    page.goto("/folders/inbox")
    until(page, "localStorage.getItem('onifast-told demo')")
    assert page.evaluate(SHOWN) == [], "what lies there is no news"
    other = page.context.new_page()
    other.goto("/folders/inbox")
    deliver(database, subject="Brought in from another mailbox", received=time.time() - 86400)
    deliver(database, subject="Lunch?")
    index(database)
    until(page, SHOWN)
    (told,) = page.evaluate(SHOWN)
    assert "Lunch?" in told
    page.goto("/device")
    page.get_by_role("button", name="Tell me no more").click()
    expect(page.get_by_role("button", name="Tell me", exact=True)).to_be_visible()


def test_mail_links_and_shares_begin_a_message(page: Page) -> None:
    link = "mailto:ann%40remote.test,bob@remote.test?subject=Lunch%20%26%20cake&cc=carl@remote.test&body=a%2Bb%0Ac+d"
    page.goto(f"/mailto?url={page.evaluate('encodeURIComponent', link)}")
    expect(page.get_by_label("Subject")).to_have_value("Lunch & cake")
    shown = page.locator("form.composer").inner_html()
    assert "ann@remote.test" in shown and "bob@remote.test" in shown and "carl@remote.test" in shown
    assert "a+b" in shown and "c+d" in shown
    page.goto("/share?title=A%20page&text=Look&url=https%3A%2F%2Fremote.test%2Fa")
    expect(page.get_by_label("Subject")).to_have_value("A page")
    assert "https://remote.test/a" in page.locator("form.composer").inner_html()


def test_a_link_that_is_none_to_a_mail_address_is_refused(app: Flask, page: Page) -> None:
    for given in ("javascript:alert(1)", "", "https://remote.test/"):
        answer = page.request.get("/mailto", params={"url": given})
        assert answer.status == 400 and "mailto:" in answer.text()
