"""How the webmail feels: the tour, the colours that a user chose, and focus that is never lost."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import AppearanceChoice
from playwright.sync_api import Browser, Page, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport
from web.browsing import fits, opened, press
from web.support import Live, deliver, index

pytestmark = pytest.mark.peers

LOOKS: list[tuple[Viewport, ColorScheme]] = [(DESKTOP, "light"), (PHONE, "dark")]
FORGET = "UPDATE user_preferences SET tour_done = 0"


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_the_tour_stands_beside_the_mail_until_it_is_ended(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    deliver(database, subject="First")
    index(database)
    database.write(lambda tx: tx.execute(FORGET))
    with opened(chrome, live, viewport, scheme) as page:
        tour = page.get_by_role("complementary", name="Tour")
        expect(tour.get_by_role("heading", name="One line, one conversation")).to_be_visible()
        fits(page)
        page.get_by_role("link", name="First").click()  # nothing is in the way
        expect(page.get_by_role("heading", name="First")).to_be_visible()
        page.goto("/folders/inbox")
        next_step = tour.get_by_role("button", name="Next")
        next_step.focus()
        press(page, "Enter", "Enter")
        expect(tour.get_by_role("heading", name="Everything can be undone")).to_be_visible()
        with page.expect_response("**/help/tour"):
            press(page, "Escape")
        expect(tour).to_have_count(0)
        expect(page.get_by_role("main")).to_be_focused()
        page.reload()
        expect(tour).to_have_count(0)
        page.goto("/help")
        page.get_by_role("link", name="Take the tour").click()
        expect(tour.get_by_role("heading", name="One line, one conversation")).to_be_visible()


def test_without_scripts_the_tour_leads_to_all_of_it(chrome: Browser, live: Live, database: Database) -> None:
    database.write(lambda tx: tx.execute(FORGET))
    context = chrome.new_context(base_url=live.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill("demo password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="All of it").click()
    expect(page.get_by_role("heading", name="Find anything")).to_be_visible()
    page.goto("/folders/inbox")
    page.get_by_role("button", name="End the tour").click()
    expect(page.get_by_role("complementary", name="Tour")).to_have_count(0)
    context.close()


def test_colours_and_contrast_are_those_that_were_chosen(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live, DESKTOP, "light") as page:
        light = background(page)
        page.goto("/appearance")
        page.get_by_label("Dark").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        dark = background(page)
        assert light != dark
        database.write(lambda tx: preferences.put_appearance(tx, "demo", AppearanceChoice("dark", "more")))
        page.reload()
        assert background(page) == "rgb(0, 0, 0)"
        page.emulate_media(color_scheme="dark", contrast="more")
        database.write(lambda tx: preferences.put_appearance(tx, "demo", AppearanceChoice("light", "system")))
        page.reload()
        assert background(page) == "rgb(255, 255, 255)"
