"""The webmail in a real browser: on a desktop and a phone, light and dark, with the keyboard alone, without scripts."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.queue import view as queue_view
from playwright.sync_api import Browser, Page, expect

from peers.browser import PHONE, ColorScheme, Viewport, page_of
from web.browsing import LOOKS, fits, log_in, opened, press
from web.letters import fill
from web.support import Live, deliver

pytestmark = pytest.mark.peers

PAGES = {
    "outbox": "/outbox",
    "refusals": "/refusals",
    "addresses": "/addresses",
    "dkim": "/dkim",
    "webhooks": "/webhooks",
    "sent": "/folders/sent",
}
LARGEST_PICTURE = 200_000


@pytest.mark.parametrize("look", LOOKS)
def test_mail_is_read_written_and_thrown_away(
    chrome: Browser, live: Live, database: Database, tmp_path: Path, look: tuple[Viewport, ColorScheme]
) -> None:
    fill(database)
    with opened(chrome, live, *look) as page:
        shot = _camera(page, tmp_path / f"{look[0].width}-{look[1]}")
        shot("inbox")
        page.get_by_role("link", name=re.compile("Lunch on Thursday")).click()
        expect(page.get_by_role("heading", name="Lunch on Thursday?")).to_be_visible()
        expect(page.get_by_text("Really from remote.example")).to_be_visible()
        shot("text")

        page.go_back()
        page.get_by_role("link", name=re.compile("Your weekly report")).click()
        frame = page.frame_locator("iframe.html-body")
        expect(frame.get_by_role("heading", name="Your weekly report")).to_be_visible()
        expect(page.get_by_text("One remote image is not shown")).to_be_visible()
        assert "Your weekly report" in page.title()
        page.wait_for_function("document.querySelector('iframe').clientHeight < 900")
        shot("html")

        page.get_by_role("button", name="Trash").click()
        expect(page.get_by_text("Moved 1 message to Trash.")).to_be_visible()
        assert page.get_by_text("Your weekly report").count() == 0
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("link", name=re.compile("Your weekly report"))).to_be_visible()

        page.goto("/compose")
        page.wait_for_selector("form.composer[data-ready]")
        page.get_by_label("To", exact=True).fill("not an address")
        page.get_by_label("Subject").fill("From the browser")
        page.get_by_label("Text").fill("Written in Chromium.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Your message was not sent.")).to_be_visible()
        shot("error")
        page.get_by_role("button", name="Remove not an address").click()
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Message sent.")).to_be_visible()

        for name, path in PAGES.items():
            page.goto(path)
            shot(name)
    subjects = [row.subject for row in database.read(lambda tx: queue_view.list_page(tx, "demo")).rows]
    assert subjects.count("From the browser") == 1


def _camera(page: Page, directory: Path) -> Callable[[str], None]:
    directory.mkdir()

    def shot(name: str) -> None:
        fits(page)
        page.screenshot(path=directory / f"{name}.png")

    return shot


def test_the_keyboard_is_enough(chrome: Browser, live: Live, database: Database) -> None:
    ids = fill(database)
    with opened(chrome, live) as page:
        press(page, "?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        press(page, "Escape", "j", "j", "k", "Enter")
        expect(page.get_by_role("heading", name="Lunch on Thursday?")).to_be_visible()
        press(page, "r")
        docked = page.frame_locator(".docked iframe")
        expect(docked.locator("input[name=to]")).to_have_value("Ann Taylor <ann@remote.example>")
        expect(docked.get_by_label("Text")).to_be_focused()
        page.keyboard.type("Yes, gladly!")
        press(page, "Control+Enter")
        expect(page.get_by_text("Message sent.")).to_be_visible()
        press(page, "u")
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
        press(page, "j", "#")  # the focus is on what was read
        expect(page.get_by_text("Moved 1 message to Trash.")).to_be_visible()
        press(page, "c")
        expect(docked.get_by_label("To", exact=True)).to_be_focused()
    row = database.read(lambda tx: mailbox.get(tx, "demo", ids[1]))
    assert row is not None and row.folder == "trash"


def test_tab_reaches_everything_and_shows_where_it_is(chrome: Browser, live: Live, database: Database) -> None:
    fill(database)
    with opened(chrome, live) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("(document.activeElement.ariaLabel || document.activeElement.textContent).trim()"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or page.evaluate(
                "document.activeElement === document.body"
            )
        assert any("Lunch on Thursday" in name for name in seen) and any("New message" in name for name in seen)


def test_the_menu_of_a_phone_opens_and_closes(chrome: Browser, live: Live) -> None:
    with opened(chrome, live, PHONE) as page:
        page.wait_for_selector("html.js")
        expect(page.get_by_role("link", name="Drafts")).to_be_hidden()
        page.get_by_role("link", name="Open menu").click()
        expect(page.get_by_role("link", name="Drafts")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="Drafts")).to_be_hidden()
        page.get_by_role("link", name="Open menu").click()
        page.get_by_role("link", name="Drafts").click()
        expect(page.get_by_role("heading", name="Drafts")).to_be_visible()


def test_a_list_begins_near_the_top_of_a_phone_and_selecting_moves_nothing(
    chrome: Browser, live: Live, database: Database
) -> None:
    fill(database)
    with opened(chrome, live, PHONE) as page:
        page.wait_for_selector("html.js")
        top = "document.querySelector('.rows').getBoundingClientRect().top"
        before = page.evaluate(top)
        assert before <= 120
        page.locator(".pick input").first.check()
        expect(page.get_by_role("button", name="Archive")).to_be_visible()
        expect(page.get_by_text("1 selected")).to_be_visible()
        assert page.evaluate(top) == before


def test_times_are_shown_in_the_readers_zone(chrome: Browser, live: Live, database: Database) -> None:
    afternoon = calendar.timegm((2026, 3, 4, 5, 6, 0))
    email_id = deliver(database, received=afternoon)
    for locale, shown in (("en-GB", "14:06"), ("en-US", "02:06 PM")):
        context = chrome.new_context(base_url=live.url, timezone_id="Asia/Tokyo", locale=locale)
        page = context.new_page()
        log_in(page)
        page.goto(f"/messages/{email_id}")
        expect(page.locator(".when time")).to_contain_text(shown)
        context.close()


def test_everything_works_without_scripts(chrome: Browser, live: Live, database: Database) -> None:
    fill(database)
    context = chrome.new_context(base_url=live.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page)
    page.get_by_role("checkbox", name="Select: Lunch on Thursday?").check()
    page.get_by_role("button", name="Trash").click()
    expect(page.get_by_text("Moved 1 message to Trash.")).to_be_visible()
    page.get_by_role("link", name=re.compile("Your weekly report")).click()
    expect(page.frame_locator("iframe.html-body").get_by_role("heading", name="Your weekly report")).to_be_visible()
    page.get_by_role("link", name="Reply", exact=True).click()
    page.get_by_label("Text").fill("Thanks.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Message sent.")).to_be_visible()
    context.close()


def test_new_mail_shows_by_itself(chrome: Browser, live: Live, database: Database) -> None:
    with page_of(chrome, live.url) as page:
        page.clock.install()
        log_in(page)
        expect(page.get_by_text("Your inbox is empty")).to_be_visible()
        fill(database)
        page.clock.run_for(31_000)
        expect(page.get_by_role("link", name=re.compile("Lunch on Thursday"))).to_be_visible()
        expect(page.locator('[data-count="inbox"]')).to_have_text(re.compile("7"))


def test_the_picture_for_the_readme(
    chrome: Browser, live: Live, database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ids = fill(database)
    database.write(lambda tx: mailbox.set_read(tx, "demo", ids[3:], True))
    picture = request.config.getoption("--webmail-png", None) or tmp_path / "webmail.png"
    with opened(chrome, live) as page:
        page.screenshot(path=picture)
    assert picture.stat().st_size < LARGEST_PICTURE
