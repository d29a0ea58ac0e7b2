"""Search in a real browser: what was found is marked, where to look is chosen below the field, and all of it fits."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from playwright.sync_api import Browser, Route, expect

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
        field = page.get_by_role("combobox", name="Search all mail")
        field.fill("invoice")
        field.press("Enter")
        page.get_by_role("link", name="In Inbox").click()
        expect(page.locator("mark")).to_have_count(2)
        expect(page.get_by_text("Older mail is still being made searchable")).to_be_visible()
        fits(page)
        page.get_by_role("link", name="In all folders").click()
        expect(page.locator(".row", has_text="Re: Invoice").get_by_text("Sent", exact=True)).to_be_visible()
        fits(page)
        page.get_by_role("combobox").fill("is:un")
        page.get_by_role("combobox").press("Enter")
        expect(page.get_by_role("heading", name="That search is not understood")).to_be_visible()
        expect(page.get_by_role("link", name="In all folders")).to_have_attribute("aria-current", "true")
        fits(page)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=str)
def test_a_search_is_completed_made_again_and_kept(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: str
) -> None:
    deliver(database, subject="Invoice of March", folder="archive")
    index(database)
    with opened(chrome, live, viewport, scheme) as page:  # type: ignore[arg-type]
        field = page.get_by_role("combobox")
        options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
        field.press_sequentially("subj")
        expect(options).to_have_count(1)
        field.press("ArrowDown")
        field.press("Enter")
        expect(field).to_have_value("subject:")
        field.press_sequentially("invoice")
        field.press("Enter")
        expect(page.locator(".row", has_text="Invoice of March")).to_be_visible()
        fits(page)
        page.get_by_role("button", name="Keep this search").click()
        expect(page.get_by_role("heading", name="Searches", exact=True)).to_be_visible()
        fits(page)
        page.goto("/folders/inbox")
        field.click()
        expect(options.first).to_contain_text("subject:invoice")
        fits(page)
        options.first.click()
        expect(page.locator(".row", has_text="Invoice of March")).to_be_visible()
        page.get_by_role("link", name="Search by a form").click()
        page.get_by_label("Subject", exact=True).fill("invoice")
        page.get_by_label("With a file").check()
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_enter_searches_for_what_is_typed_while_the_suggestions_are_on_their_way(
    chrome: Browser, live: Live, database: Database
) -> None:
    deliver(database, subject="Invoice of March", folder="archive")
    index(database)
    with opened(chrome, live) as page:
        field = page.get_by_role("combobox")
        field.press_sequentially("subj")
        expect(page.get_by_role("option")).to_have_count(1)
        waiting: list[Route] = []

        def keep(route: Route) -> None:
            waiting.append(route)

        page.route("**/searches/suggestions?*", keep)
        field.press("ArrowDown")
        field.press("Enter")
        expect(field).to_have_value("subject:")
        field.press_sequentially("invoice")
        field.press("Enter")
        expect(page.locator(".row", has_text="Invoice of March")).to_be_visible()
        for route in waiting:
            route.abort()
