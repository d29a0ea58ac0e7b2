"""Search in a real browser: what was found is marked, where to look is chosen below the field, and all of it fits."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from playwright.sync_api import Browser, expect

from peers.browser import Viewport
from web.browsing import LOOKS, fits, opened
from web.support import Live, deliver, index

pytestmark = pytest.mark.peers


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=str)
def test_a_search_is_made_and_widened(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: str
) -> None:
    deliver(database, subject="Invoice of March", text="Please pay the invoice of this month, in time.")
    deliver(database, subject="Re: Invoice", text="Paid.", folder="sent", recipient="bob@x.test")
    index(database)
    database.write(lambda tx: tx.execute("UPDATE search_progress SET position = 1"))
    with opened(chrome, live, viewport, scheme) as page:  # type: ignore[arg-type]
        field = page.get_by_role("searchbox", name="Search inbox")
        field.fill("invoice")
        field.press("Enter")
        expect(page.locator("mark")).to_have_count(2)
        expect(page.get_by_text("Older mail is still being made searchable")).to_be_visible()
        fits(page)
        page.get_by_role("link", name="In all folders").click()
        expect(page.locator(".row", has_text="Re: Invoice").get_by_text("Sent", exact=True)).to_be_visible()
        fits(page)
        page.get_by_role("searchbox").fill("is:un")
        page.get_by_role("searchbox").press("Enter")
        expect(page.get_by_role("heading", name="That search is not understood")).to_be_visible()
        expect(page.get_by_role("link", name="In all folders")).to_have_attribute("aria-current", "true")
        fits(page)
