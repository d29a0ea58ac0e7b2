"""Undo, sending later and the sandbox in a real browser, on every look, by keyboard, and without scripts."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import preferences
from onifast_shared.queue import sandbox
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import OutboxRow
from playwright.sync_api import Browser, Page, expect

from peers.browser import DESKTOP, ColorScheme, Viewport, page_of
from web.browsing import LOOKS, fits, log_in, opened, press
from web.support import Live, queue

pytestmark = pytest.mark.peers

PATIENT = 600  # seconds for undo that no slow machine uses up


@pytest.fixture
def database(database: Database) -> Database:
    """A database in which demo has all the time of a test to call a message back."""
    database.write(lambda tx: preferences.put_undo_seconds(tx, "demo", PATIENT))
    return database


def deliveries(database: Database) -> list[OutboxRow]:
    return database.read(lambda tx: queue_view.list_page(tx, None)).rows


def write(
    page: Page,
    to: str = "ann@remote.example, Bob <bob@remote.example>",
    subject: str = "Hasty",
    *,
    scripts: bool = True,
) -> None:
    page.goto("/compose")
    if scripts:
        page.wait_for_selector("form.composer[data-ready]")
    page.get_by_label("To", exact=True).fill(to)
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Text").fill("Written too fast.")


def captured(database: Database) -> int:
    (row_id,) = queue(database, "ann@remote.example", subject="Order")
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed' WHERE id = ?", (row_id,)))
    database.write(lambda tx: sandbox.mark(tx, row_id, "example.test"))
    return row_id


@pytest.mark.parametrize("look", LOOKS)
def test_a_message_is_sent_called_back_and_found_in_the_composer(
    chrome: Browser, live: Live, database: Database, look: tuple[Viewport, ColorScheme], tmp_path: Path
) -> None:
    with opened(chrome, live, *look) as page:
        write(page)
        page.get_by_role("button", name="Send", exact=True).click()
        bar = page.locator(".snackbar")
        expect(bar.get_by_role("status")).to_contain_text("Message sent.")
        expect(bar).to_be_in_viewport(ratio=1)
        fits(page)
        page.screenshot(path=tmp_path / "undo.png")
        page.goto("/folders/sent")
        expect(page.get_by_role("listitem").filter(has_text="Hasty")).to_contain_text("Waiting")
        bar.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("nothing was sent")).to_be_visible()
        expect(page.locator("input[name=to]")).to_have_value("ann@remote.example, Bob <bob@remote.example>")
        expect(page.get_by_label("Text")).to_have_text("Written too fast.")
        fits(page)
    assert {row.status for row in deliveries(database)} == {"cancelled"}


def test_a_key_calls_it_back(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        write(page)
        press(page, "Control+Enter")
        expect(page.locator(".snackbar")).to_be_visible()
        press(page, "z")
        expect(page.get_by_text("nothing was sent")).to_be_visible()
    assert {row.status for row in deliveries(database)} == {"cancelled"}


def test_undo_works_without_scripts(chrome: Browser, live: Live, database: Database) -> None:
    context = chrome.new_context(base_url=live.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page)
    write(page, scripts=False)
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("nothing was sent")).to_be_visible()
    context.close()
    assert {row.status for row in deliveries(database)} == {"cancelled"}


def test_the_bar_counts_down_and_goes_and_the_focus_stays_on_the_page(
    chrome: Browser, live: Live, database: Database
) -> None:
    database.write(lambda tx: preferences.put_undo_seconds(tx, "demo", 30))
    with page_of(chrome, live.url) as page:
        page.clock.install()
        log_in(page)
        write(page)
        page.get_by_role("button", name="Send", exact=True).click()
        undo = page.locator(".snackbar").get_by_role("button", name="Undo")
        undo.focus()
        expect(page.locator(".snackbar-time")).to_have_text(re.compile(r"^2[0-7] s$"))  # it has begun to count
        page.clock.fast_forward(12_000)
        expect(page.locator(".snackbar-time")).to_have_text(re.compile(r"^1?\d s$"))
        page.clock.fast_forward(30_000)
        expect(undo).to_have_count(0)
        assert page.evaluate("document.activeElement.id") == "content"
    assert {row.status for row in deliveries(database)} == {"pending"}


def test_a_suggested_time_is_the_readers_own(chrome: Browser, live: Live, database: Database) -> None:
    context = chrome.new_context(base_url=live.url, timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    log_in(page)
    write(page)
    page.get_by_text("Send later").click()
    expect(page.get_by_text("Asia/Tokyo")).to_be_visible()
    page.get_by_role("button", name="Tomorrow morning").click()
    expect(page.get_by_text(re.compile("Your message will be sent .* 08:00"))).to_be_visible()
    context.close()
    moment = datetime.fromtimestamp(deliveries(database)[0].release_ts, timezone(timedelta(hours=9)))
    assert (moment.hour, moment.minute) == (8, 0) and 0 < moment.timestamp() - time.time() < 2 * 86400


@pytest.mark.parametrize("look", LOOKS)
def test_a_message_is_scheduled_put_off_and_edited(
    chrome: Browser, live: Live, database: Database, look: tuple[Viewport, ColorScheme]
) -> None:
    chosen = (datetime.now(UTC) + timedelta(days=3)).replace(hour=9, minute=30)
    with opened(chrome, live, *look) as page:
        write(page, "ann@remote.example", "Not yet")
        page.get_by_text("Send later").click()
        fits(page)
        page.get_by_label("Date and time").fill(chosen.strftime("%Y-%m-%dT%H:%M"))
        page.get_by_role("button", name="Schedule").click()
        expect(page.get_by_text("Your message will be sent")).to_be_visible()
        expect(page.locator('[data-count="scheduled"]')).to_have_text("1")
        assert _minute(deliveries(database)) == f"{chosen:%d %H:%M}"

        page.goto("/scheduled")
        fits(page)
        page.locator(".delivery summary").click()
        expect(page.get_by_label("Date and time")).to_have_value(chosen.strftime("%Y-%m-%dT%H:%M"))
        later = chosen + timedelta(days=1)
        page.get_by_label("Date and time").fill(later.strftime("%Y-%m-%dT%H:%M"))
        page.get_by_role("button", name="Change time").click()
        expect(page.get_by_role("status")).to_contain_text("Your message will be sent")
        assert _minute(deliveries(database)) == f"{later:%d %H:%M}"

        page.goto("/folders/sent")
        page.get_by_role("link", name=re.compile("Not yet")).click()
        expect(page.get_by_text("It has not been sent.")).to_be_visible()
        fits(page)
        page.get_by_role("button", name="Edit").click()
        expect(page.get_by_label("Subject")).to_have_value("Not yet")
        expect(page.get_by_label("Date and time")).to_have_value(later.strftime("%Y-%m-%dT%H:%M"))
    assert {row.status for row in deliveries(database)} == {"cancelled"}


def _minute(rows: list[OutboxRow]) -> str:
    return f"{datetime.fromtimestamp(rows[0].release_ts, UTC):%d %H:%M}"


def test_the_menu_of_times_closes_as_menus_do(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        write(page)
        menu, field = page.locator(".later summary"), page.get_by_label("Date and time")
        page.wait_for_selector("html.js")
        menu.focus()
        page.keyboard.press("Enter")
        expect(field).to_be_visible()
        page.keyboard.press("Escape")
        expect(field).to_be_hidden()
        expect(menu).to_be_focused()
        menu.click()
        page.get_by_label("Subject").click()
        expect(field).to_be_hidden()


@pytest.mark.parametrize("look", LOOKS)
def test_captured_mail_is_seen_and_released(
    chrome: Browser, live: Live, database: Database, look: tuple[Viewport, ColorScheme]
) -> None:
    captured(database)
    with opened(chrome, live, *look) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.wait_for_selector("html.js")
        page.goto("/sending")
        fits(page)
        page.get_by_role("button", name="Put in example.test").click()
        expect(page.get_by_text("is captured from now on")).to_be_visible()
        page.get_by_role("link", name="1 captured").click()
        page.locator(".delivery summary").click()
        page.get_by_role("link", name="See what was captured").click()
        expect(page.get_by_text("example.test is in the sandbox")).to_be_visible()
        fits(page)
        page.get_by_role("button", name="Release").click()
        expect(page.get_by_text("1 copy will be sent for real.")).to_be_visible()
    assert [row.status for row in deliveries(database)] == ["pending"]


def test_captured_mail_is_redirected_by_keyboard(chrome: Browser, live: Live, database: Database) -> None:
    row_id = captured(database)
    with opened(chrome, live, DESKTOP) as page:
        page.goto(f"/outbox/{row_id}")
        page.get_by_label("send it to another address").focus()
        page.keyboard.type("tester@remote.example")
        page.keyboard.press("Enter")
        expect(page.get_by_text("It was for ann@remote.example")).to_be_visible()
    assert [row.recipient for row in deliveries(database)] == ["tester@remote.example"]
