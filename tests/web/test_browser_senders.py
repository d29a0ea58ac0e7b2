"""Unknown senders in the browser: one click accepts or blocks them, and all of it fits and can be read by everybody."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.junk import senders
from onifast_shared.mailboxes import sender_choices
from playwright.sync_api import Browser, Page, expect

from peers.browser import DESKTOP, ColorScheme, Viewport
from peers.unpacked import unpacked
from web.browsing import LOOKS, fits, opened
from web.support import Live, deliver, index
from web.test_browser_axe import found_by
from web.test_senders import folder_of

pytestmark = pytest.mark.peers

ONE_ROW = 56  # CSS pixels
"""Pixels that the bar above a list may be high where its buttons stand beside each other."""


def two_strangers(database: Database) -> list[int]:
    """Messages of two senders that lie apart, first and second."""
    ids = [deliver(database, subject=f"From {name}", sender=f"{name}@remote.test") for name in ("eve", "ann")]
    for email_id in ids:
        database.write(lambda tx, email_id=email_id: senders.put_apart(tx, "demo", email_id, 1))  # type: ignore[misc]
    index(database)
    return ids


def open_list(page: Page) -> None:
    """Goes to what lies apart by way of the page of senders."""
    page.goto("/senders")
    page.locator("main").get_by_role("link", name="Unknown senders").click()
    expect(page.get_by_role("heading", name="Unknown senders")).to_be_visible()
    page.wait_for_selector("html.js")


def test_a_click_in_the_list_accepts_or_blocks(chrome: Browser, live: Live, database: Database) -> None:
    eve, ann = two_strangers(database)
    with opened(chrome, live) as page:
        open_list(page)
        page.get_by_role("button", name="Block eve@remote.test: From eve").click()
        expect(page.get_by_text("Blocked: moved 1 message to junk")).to_be_visible()
        page.keyboard.press("z")
        expect(page.get_by_text("Undone")).to_be_visible()
        assert database.read(lambda tx: sender_choices.list_all(tx, "demo")) == []
        page.get_by_role("button", name="Block eve@remote.test: From eve").click()
        expect(page.get_by_text("Blocked: moved 1 message to junk")).to_be_visible()
        page.get_by_role("button", name="Accept ann@remote.test: From ann").click()
        expect(page.get_by_text("Accepted: moved 1 message to your inbox")).to_be_visible()
        expect(page.get_by_text("Nobody waits")).to_be_visible()
    assert [folder_of(database, each) for each in (eve, ann)] == ["junk", "inbox"]


def test_the_bar_blocks_all_that_is_selected(chrome: Browser, live: Live, database: Database) -> None:
    ids = two_strangers(database)
    with opened(chrome, live) as page:
        open_list(page)
        page.get_by_label("Select all").check()
        page.get_by_role("toolbar").get_by_role("button", name="Block").click()
        expect(page.get_by_text("Nobody waits")).to_be_visible()
    assert [folder_of(database, each) for each in ids] == ["junk", "junk"]


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_lists_messages_and_choices_fit(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    axe = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    two_strangers(database)

    def looked_at(page: Page) -> None:
        fits(page)
        assert found_by(axe, page) == []

    with opened(chrome, live, viewport, scheme) as page:
        open_list(page)
        looked_at(page)
        if viewport == DESKTOP:
            assert page.locator(".bulk").evaluate("each => each.offsetHeight") <= ONE_ROW
        page.get_by_label("Select: From eve").check(force=True)
        looked_at(page)
        page.locator(".row-link").first.click()
        expect(page.get_by_text("You do not know")).to_be_visible()
        assert page.locator(".toolbar").evaluate("each => each.offsetHeight") <= ONE_ROW
        looked_at(page)
        page.goto("/senders")
        page.get_by_label("Accept or block an address").fill("<b>x")
        page.get_by_role("button", name="Block").click()
        problem = page.get_by_text("Neither an e-mail address nor a domain.")
        colours = "each => [each, document.body].map(one => getComputedStyle(one).color)"
        assert len(set(problem.evaluate(colours))) == 2, "the problem looks like any other text"
        looked_at(page)
