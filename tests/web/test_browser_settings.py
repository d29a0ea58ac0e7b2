"""Settings and Administration: one entry each in the menu, and a way back to the mail, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from peers.browser import PHONE, ColorScheme, Viewport, page_of
from web.browsing import LOOKS, fits, log_in, opened
from web.support import Live

pytestmark = pytest.mark.peers


def test_settings_are_one_click_away_and_so_is_the_mail(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        menu = page.get_by_role("navigation", name="Main")
        menu.get_by_role("link", name="Settings").click()
        expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
        menu.get_by_role("link", name="Forwards").click()
        expect(menu.get_by_role("link", name="Forwards")).to_have_attribute("aria-current", "page")
        menu.get_by_role("link", name="Back to mail").click()
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()


def test_on_a_phone_a_page_of_settings_leads_back_to_all_of_them(chrome: Browser, live: Live) -> None:
    with opened(chrome, live, PHONE) as page:
        page.goto("/settings")
        page.get_by_role("main").get_by_role("link", name="Junk filter").click()
        page.locator(".topbar").get_by_role("link", name="Settings").click()
        expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_all_of_an_area_fits(chrome: Browser, live: Live, viewport: Viewport, scheme: ColorScheme) -> None:
    with page_of(chrome, live.url, viewport=viewport, color_scheme=scheme) as page:
        log_in(page, "root-admin")
        for path in ("/settings", "/administration"):
            page.goto(path)
            fits(page)
