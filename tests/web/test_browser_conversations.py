"""A conversation in the browser: messages unfold in their place, and all of it fits and can be read by everybody."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from playwright.sync_api import Browser, expect

from peers.browser import ColorScheme, Viewport
from peers.unpacked import unpacked
from web.browsing import LOOKS, fits, opened
from web.support import Live
from web.test_browser_axe import found_by
from web.test_conversations import three

pytestmark = pytest.mark.peers


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_a_folded_message_opens_in_its_place(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    axe = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    ids = three(database)
    database.write(lambda tx: mailbox.set_read(tx, "demo", ids[:2], True))
    with opened(chrome, live, viewport, scheme) as page:
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.locator('.row-link[href*="conversations"]').click()
        expect(page.get_by_role("heading", name="The plan", exact=True)).to_be_visible()
        expect(page.get_by_text("THANKS")).to_be_visible()
        page.wait_for_selector("html.js")
        page.locator("[data-unfold]").first.click()
        expect(page.locator(".folded .text-body", has_text="QUESTION")).to_be_visible()
        fits(page)
        assert found_by(axe, page) == []
        page.locator("[data-unfold]").first.click()
        expect(page.locator(".folded .text-body", has_text="QUESTION")).to_be_hidden()
        assert errors == []
