"""Settings and Administration: one entry each in the menu, and a way back to the mail, in a browser."""

from __future__ import annotations

import re

import pytest
from onifast_shared.db.database import Database
from onifast_shared.filters import runs, vacations
from onifast_shared.filters.deciding import FiredFilters
from onifast_shared.mailboxes import labels
from playwright.sync_api import Browser, Route, expect

from peers.browser import PHONE, ColorScheme, Viewport, page_of
from web.browsing import LOOKS, fits, log_in, opened
from web.support import Live, deliver, index

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


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_an_empty_list_leaves_its_form_in_view(
    chrome: Browser, live: Live, viewport: Viewport, scheme: ColorScheme
) -> None:
    pages = ("/contacts", "/destinations", "/hold-rules", "/labels", "/routes", "/templates")
    with page_of(chrome, live.url, viewport=viewport, color_scheme=scheme) as page:
        log_in(page, "root-admin")
        for path in pages:
            page.goto(path)
            fits(page)
            empty = page.locator(".empty:has(~ .settings-form)")
            expect(empty).to_be_visible()
            form = empty.locator("xpath=following-sibling::*[contains(@class, 'settings-form')][1]")
            expect(form.locator("input:visible, select:visible").first, path).to_be_in_viewport()


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_a_filter_is_made_tried_and_run_in_a_browser(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    deliver(database, subject="Your invoice 17")
    index(database)
    database.write(lambda tx: labels.create(tx, "demo", "Work", colour="teal", now=1))
    with opened(chrome, live, viewport, scheme) as page:
        page.goto("/filters")
        expect(page.get_by_role("heading", name="No filters yet")).to_be_visible()
        fits(page)
        page.get_by_role("link", name="New filter").click()
        page.get_by_label("Name", exact=True).fill("Invoices")
        page.get_by_label("What is looked at, 1").select_option("subject")
        expect(page.get_by_label("Name of the header field, 1")).to_be_hidden()
        page.get_by_label("What is looked for, 1").fill("invoice")
        page.get_by_role("button", name="One more").click()
        page.get_by_label("What is looked at, 2").select_option("junk")
        expect(page.get_by_label("What is looked for, 2")).to_be_hidden()
        page.get_by_label("Not", exact=True).nth(1).check()
        page.get_by_label("Work").check()
        page.get_by_label("Put it").select_option("reject")
        expect(page.get_by_label("What the sender’s server is told")).to_be_visible()
        page.get_by_label("Put it").select_option("archive")
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_role("heading", name="1 message of the newest 1")).to_be_visible()
        fits(page)
        page.get_by_label("Run it on the mail in the inbox now").check()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Subject contains “invoice” and it is no junk")).to_be_visible()
        expect(page.get_by_text("0 of 1 looked at")).to_be_visible()
        fits(page)
        index_and_run(database)
        expect(page.get_by_text("1 of 1 messages changed")).to_be_visible()
        page.get_by_role("button", name="Undo", exact=True).click()
        index_and_run(database)
        expect(page.get_by_text("Undone: all is as it was")).to_be_visible()


def test_a_sender_is_blocked_and_a_filter_begun_from_a_message(chrome: Browser, live: Live, database: Database) -> None:
    deliver(database, subject="Buy now")
    index(database)
    with opened(chrome, live) as page:
        page.get_by_role("link", name=re.compile("Buy now")).click()
        page.get_by_title("Filter or block the sender").click()
        page.get_by_role("link", name="Filter messages like this").click()
        expect(page.get_by_label("What is looked for, 1")).to_have_value("ann@remote.example")
        page.go_back()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_title("Filter or block the sender").click()
        page.get_by_role("button", name="Block the sender").click()
        expect(page.get_by_text("Blocked: moved 1 message to junk")).to_be_visible()
        page.goto("/senders")
        expect(page.get_by_role("cell", name="ann@remote.example", exact=True)).to_be_visible()


def test_what_was_typed_before_the_editor_came_stays_and_is_gone_on_with(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/rich-field.js*", hold)
        page.goto("/vacation")
        page.get_by_role("textbox", name="Text", exact=True).click()
        page.keyboard.type("One\nI am ")
        held[0].continue_()
        page.wait_for_selector("html.js")
        page.get_by_role("button", name="Bold").first.click()
        page.keyboard.type("away")
        expect(page.locator(".editor").first).to_have_text("OneI am away")
        expect(page.locator(".editor b").first).to_have_text("away")


def test_saving_before_the_editor_came_keeps_the_looks(chrome: Browser, live: Live, database: Database) -> None:
    note = vacations.VacationNote("", is_on=True, text="I am away", html="<div>I am <b>away</b></div>")
    database.write(lambda tx: vacations.put(tx, "demo", note))
    with opened(chrome, live) as page:
        page.route("**/rich-field.js*", lambda route: None)  # it never comes
        page.goto("/vacation", wait_until="commit")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Who writes to you is answered from now on.")).to_be_visible()
    kept = database.read(lambda tx: vacations.get(tx, "demo"))
    assert kept is not None and "<b>away</b>" in kept.html


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_a_vacation_note_is_written_with_looks_and_turned_off_from_any_page(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    with opened(chrome, live, viewport, scheme) as page:
        page.goto("/vacation")
        page.wait_for_selector("html.js")  # or the click is for a field that the editor takes the place of
        page.get_by_label("Answer who writes to me").check()
        page.get_by_label("Last day").fill("2099-01-06")
        text = page.get_by_role("textbox", name="Text", exact=True)
        text.click()
        page.keyboard.type("I am ")
        page.get_by_role("button", name="Bold").first.click()
        page.keyboard.type("away")
        fits(page)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Who writes to you is answered from now on.")).to_be_visible()
        expect(page.locator(".editor b").first).to_have_text("away")
        page.goto("/folders/inbox")
        expect(page.get_by_text("answers until")).to_be_visible()
        fits(page)
        page.get_by_role("button", name="Turn it off").click()
        expect(page.get_by_text("Turned off. Nobody is answered any more.")).to_be_visible()
    found = database.read(lambda tx: vacations.get(tx, "demo"))
    assert found is not None and (found.text.split(), "<b>away</b>" in found.html) == (["I", "am", "away"], True)


def index_and_run(database: Database) -> None:
    """Does what outbox does with a run of filters, as far as it goes."""
    while (run := database.read(runs.next_one)) is not None:
        if run.state == "undoing":
            database.write(lambda tx, run=run: runs.step_back(tx, run, 1.0))  # type: ignore[misc]
            continue
        rows = database.read(lambda tx, run=run: runs.messages(tx, run))  # type: ignore[misc]
        fired = [(row, FiredFilters(run.filters)) for row in rows]
        database.write(lambda tx, run=run, fired=fired: runs.step(tx, run, fired, 1.0))  # type: ignore[misc]
