"""Hostile messages where others show them: nothing runs and nothing is loaded in lists, searches, conversations, the
composer and notifications. The reader itself is in test_hostile_html, paper in test_browser_reading_acts, previews in
test_browser_previews."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from playwright.sync_api import Browser, Page, expect

from web.browsing import log_in
from web.hostile_html import CANARY, PAYLOADS
from web.support import Live, deliver, index
from web.test_browser_device import READY, SHOWN, until
from web.test_hostile_html import Watch

pytestmark = [pytest.mark.peers, pytest.mark.slow]

WHOLE_BROWSER = True  # a headless shell shows no notifications

SENDER = '"<img src=x onerror=top.owned=1>" <a@b.test>'
TOGETHER = 60
"""Payloads in one message: a page for each would take minutes."""
ACTIVE = "script, iframe, object, embed, form"
"""What has no place in a text that is written."""


@contextmanager
def watched(chrome: Browser, live: Live) -> Iterator[Page]:
    """A page of demo's in which no policy helps; fails if anything ran, or was asked for elsewhere."""
    context = chrome.new_context(base_url=live.url, bypass_csp=True)
    page = context.new_page()
    log_in(page)
    watch = Watch(page)
    yield page
    assert [request.url for request in watch.requests if request.url.startswith(CANARY)] == []
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.querySelectorAll('[onerror], [onload], [onclick], main script').length") == 0
    context.close()


def bundles() -> list[str]:
    every = list(PAYLOADS.values())
    return ["".join(every[start : start + TOGETHER]) for start in range(0, len(every), TOGETHER)]


@pytest.mark.timeout(300)
def test_in_the_list_and_in_what_a_search_shows_it_is_text(chrome: Browser, live: Live, database: Database) -> None:
    short = ["".join(c for c in each if c.isprintable())[:200] for each in PAYLOADS.values()]
    for number, each in enumerate(short):
        deliver(database, subject=f"{number} needle {each}", text=f"needle {each}", sender=SENDER)
    index(database)
    with watched(chrome, live) as page:
        for query in ("", "?q=needle"):
            page.goto(f"/folders/inbox{query}")
            seen = 0
            while True:
                page.wait_for_selector("html.js")
                seen += page.locator("ol.rows > li").count()
                assert page.evaluate("document.querySelectorAll('.rows img, .rows script, .rows iframe').length") == 0
                older = page.get_by_role("link", name="Older", exact=True)
                if not older.count():
                    break
                page.goto(older.get_attribute("href") or "")
            assert seen >= len(short)


@pytest.mark.timeout(300)
def test_in_a_conversation_and_in_the_text_of_an_answer_nothing_runs(
    chrome: Browser, live: Live, database: Database
) -> None:
    ids = [deliver(database, subject="Hello", text=None, html=f"<p>Hello</p>{each}") for each in bundles()]
    index(database)
    with watched(chrome, live) as page:
        for email_id in ids:
            for way in ("reply", "forward"):
                page.goto(f"/compose?{way}={email_id}")
                page.wait_for_selector("form.composer[data-ready]")
                assert page.evaluate(f"document.querySelectorAll('[data-editor] :is({ACTIVE})').length") == 0
        row = database.read(lambda tx: mailbox.list_page(tx, "demo", "inbox")).rows[0]
        page.goto(f"/conversations/{row.conversation_id}")
        page.wait_for_selector("html.js")
        expect(page.locator("article, .conversation").first).to_be_visible()


def test_a_notification_has_the_words_as_they_stand(chrome: Browser, live: Live, database: Database) -> None:
    subject = "<img src=x onerror=top.owned=1>"
    deliver(database, subject="Old news")
    index(database)
    with watched(chrome, live) as page:
        page.context.grant_permissions(["notifications"], origin=live.url)
        page.goto("/device")
        assert page.evaluate(READY)
        page.get_by_role("button", name="Tell me", exact=True).click()
        page.goto("/folders/inbox")
        until(page, "localStorage.getItem('onifast-told demo')")
        deliver(database, subject=subject, text="Hi")
        index(database)
        until(page, f"{SHOWN}.then((all) => all.length)")
        assert subject in page.evaluate(SHOWN)[0]
