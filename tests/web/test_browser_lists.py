"""Lists in the browser: what mouse, keys and fingers do, how it is undone, and that nothing jumps or is lost."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labels, mailbox, preferences
from onifast_shared.mailboxes.preferences import ListChoice
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import Dialog, Page, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport
from peers.unpacked import unpacked
from web.browsing import LOOKS, fits, opened, press
from web.support import Live, deliver, give_address, index
from web.test_browser_axe import found_by

pytestmark = pytest.mark.peers

KEYS = tuple("?jkoxue#!svlzcraf/[]nIU*gb")
SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
    }).observe({ type: "layout-shift", buffered: true });
"""
SMALL = """
    [...document.querySelectorAll("main :is(button, summary, .row-link, .pick, .search input)")]
      .map((each) => [each.getAttribute("aria-label") ?? each.title, each.getBoundingClientRect()])
      .filter(([, box]) => box.width && box.height && (box.width < 44 || box.height < 44))
      .map(([name, box]) => `${name} ${box.width}x${box.height}`)
"""
FOCUS = (
    "document.activeElement.closest('.row')?.querySelector('.subject').textContent ?? document.activeElement.tagName"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A database with sixty messages of demo's, number 59 the newest, that each test gets a copy of."""
    path = tmp_path_factory.mktemp("filled") / "filled.db"
    shutil.copy(empty_database, path)
    database = Database.open(path, timeout=10)
    give_address(database, "demo@example.test", "demo")
    for number in range(60):
        deliver(
            database,
            sender=f"Person {number % 7} <p{number % 7}@remote.example>",
            subject=f"Subject number {number}",
            text=f"Words of message {number}, as many as a line of the list takes and a few more.\n",
            received=1_750_000_000 + 60 * number,
        )
    index(database)
    database.close()
    return path


@pytest.fixture
def database(settings: Settings, filled: Path) -> Iterator[Database]:
    """A copy of it."""
    shutil.copy(filled, settings.database)
    opened_here = Database.open(settings.database, timeout=10)
    yield opened_here
    opened_here.close()


@pytest.fixture
def mail(database: Database) -> list[int]:
    """The sixty messages, by their number."""
    page = database.read(lambda tx: mailbox.list_page(tx, "demo", "inbox", limit=60))
    return [each.id for each in reversed(page.rows)]


def folder_of(database: Database, email_id: int) -> str | None:
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    return row.folder if row else None


def row(page: Page, number: int) -> str:
    return f'.row:has-text("Subject number {number}")'


def has_pane(database: Database, pane: str) -> None:
    database.write(lambda tx: preferences.put_lists(tx, "demo", ListChoice(pane=pane)))


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_nothing_jumps_and_all_can_be_reached(
    chrome: Chrome, live: Live, mail: list[int], look: tuple[Viewport, ColorScheme]
) -> None:
    axe = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    viewport, scheme = look
    with opened(chrome, live, viewport, scheme) as page:
        page.add_init_script(SHIFTS)
        page.goto("/folders/inbox")
        page.wait_for_selector("html.js")
        page.wait_for_load_state("networkidle")
        page.locator(".pick input").nth(2).check()
        expect(page.locator("[data-selected]")).to_have_text("1 selected")
        fits(page)
        assert found_by(axe, page) == []
        page.locator('details.menu[data-key="b"] > summary').click()
        assert found_by(axe, page) == []
        page.keyboard.press("Escape")
        assert page.evaluate("window.shifts") == []
        rows = page.locator(".row").evaluate_all("all => all.map((each) => each.getBoundingClientRect().bottom)")
        if viewport == DESKTOP:
            assert sum(bottom <= viewport.height for bottom in rows) >= 14
        else:
            box = page.locator(".row").first.bounding_box()
            assert box and box["y"] <= 120
            assert page.evaluate(SMALL) == []


ACTS = (("e", "Moved 1 message to Archive."), ("!", "Moved 1 message to Junk."), ("#", "Moved 1 message to Trash."),
        ("I", "Marked 1 message as read."), ("s", "Starred 1 message."))  # fmt: skip


def test_every_key_acts_on_the_row_and_z_undoes_it(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    before = database.read(lambda tx: mailbox.get(tx, "demo", mail[58]))
    with opened(chrome, live) as page:
        press(page, "j", "j")
        for key, words in ACTS:
            press(page, key)
            expect(page.get_by_role("status").filter(has_text=words)).to_be_visible()
            press(page, "z")
            expect(page.get_by_role("status").filter(has_text="Undone.")).to_be_visible()
            expect(page.locator(".row").nth(1)).to_contain_text("Subject number 58")
            assert database.read(lambda tx: mailbox.get(tx, "demo", mail[58])) == before
            page.locator(row(page, 58)).locator(".row-link").focus()


def test_the_focus_goes_to_the_next_row_and_never_to_nothing(chrome: Chrome, live: Live, mail: list[int]) -> None:
    with opened(chrome, live) as page:
        press(page, "j", "j", "j", "e")
        expect(page.get_by_text("Subject number 57")).to_have_count(0)
        page.wait_for_function(f"() => ({FOCUS}) === 'Subject number 56'")
        press(page, "[")
        expect(page.get_by_text("Subject number 56")).to_have_count(0)
        page.wait_for_function(f"() => ({FOCUS}) === 'Subject number 58'")


def test_rows_are_selected_from_one_to_another_and_all_at_once(chrome: Chrome, live: Live, mail: list[int]) -> None:
    with opened(chrome, live) as page:
        page.wait_for_selector("html.js")
        selected = page.locator("[data-selected]")
        page.locator(".pick input").nth(2).click()
        page.locator(".pick input").nth(8).click(modifiers=["Shift"])
        expect(selected).to_have_text("7 selected")
        press(page, "*", "n")
        expect(selected).to_have_text("")
        page.locator(".row-link").nth(1).focus()
        press(page, "Shift+J", "Shift+J", "Shift+J")
        expect(selected).to_have_text("4 selected")
        press(page, "*", "a")
        expect(selected).to_have_text("50 selected")


def test_all_that_was_found_is_thrown_away_at_once_and_comes_back(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    with opened(chrome, live) as page:
        page.goto("/folders/inbox?q=words")
        page.wait_for_selector("html.js")
        page.get_by_label("Select all", exact=True).check()
        page.get_by_label("All 60 in this search").check()
        page.locator('.bulk [data-key="#"]').click()
        expect(page.get_by_text("Moved 60 messages to Trash.")).to_be_visible()
        assert {folder_of(database, each) for each in mail} == {"trash"}
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Undone.")).to_be_visible()
        expect(page.locator(".row")).to_have_count(50)
        assert page.url.endswith("q=words") and {folder_of(database, each) for each in mail} == {"inbox"}


def test_the_trash_is_emptied_by_one_question_and_had_back(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    database.write(lambda tx: mailbox.move(tx, "demo", mail, "trash"))
    with opened(chrome, live) as page:
        asked: list[str] = []

        def answer(dialog: Dialog) -> None:
            asked.append(dialog.message)
            dialog.accept()

        page.on("dialog", answer)
        page.goto("/folders/trash")
        page.wait_for_selector("html.js")
        page.get_by_role("button", name="Empty the trash").click()
        expect(page.get_by_text("The trash is empty")).to_be_visible()
        assert asked == ["Delete all of Trash for good?"]
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".row")).to_have_count(50)


def test_a_row_has_its_buttons_where_the_pointer_is(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    with opened(chrome, live) as page:
        page.wait_for_selector("html.js")
        page.locator(row(page, 55)).hover()
        page.locator(".hover-actions").get_by_label("Archive").click()
        expect(page.get_by_text("Subject number 55")).to_have_count(0)
        page.locator(row(page, 54)).hover()
        page.locator(".hover-actions").get_by_label("Snooze").click()
        page.get_by_role("button", name=re.compile("^Tomorrow")).click()
        expect(page.get_by_text("Put 1 message off until")).to_be_visible()
        found = database.read(lambda tx: mailbox.get(tx, "demo", mail[54]))
        assert found and found.snoozed_until and folder_of(database, mail[55]) == "archive"
        page.goto("/snoozed")
        expect(page.locator(row(page, 54))).to_be_visible()


def test_the_right_button_opens_a_menu_for_keys_and_pointer(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    with opened(chrome, live) as page:
        page.wait_for_selector("html.js")
        page.locator(row(page, 55)).click(button="right")
        menu = page.get_by_role("menu")
        expect(menu.get_by_role("menuitem", name="Open")).to_be_focused()
        press(page, "ArrowDown", "Escape")
        expect(menu).to_have_count(0)
        page.wait_for_function(f"() => ({FOCUS}) === 'Subject number 55'")
        page.locator(row(page, 55)).click(button="right")
        menu.get_by_role("menuitem", name="Junk").click()
        expect(page.get_by_text("Moved 1 message to Junk.")).to_be_visible()
        assert folder_of(database, mail[55]) == "junk"


def test_rows_are_dragged_to_a_folder_of_the_menu(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    own = database.write(lambda tx: labels.create(tx, "demo", "Clients", is_folder=True, now=1))
    with opened(chrome, live) as page:
        page.wait_for_selector("html.js")
        page.locator(".pick input").nth(0).check()
        page.locator(".pick input").nth(1).check()
        page.locator(".row").nth(0).locator(".subject").drag_to(page.locator(f'[data-drop="move:label:{own.id}"]'))
        expect(page.get_by_text("Moved 2 messages to Clients.")).to_be_visible()


def swipe(page: Page, number: int, by: int) -> None:
    box = page.locator(row(page, number)).bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    x, y = 195.0, box["y"] + box["height"] / 2
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        point = {"x": x + by * step / 8, "y": y}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_swipes_do_what_their_owner_chose(chrome: Chrome, live: Live, database: Database, mail: list[int]) -> None:
    with opened(chrome, live, PHONE) as page:
        page.wait_for_selector("html.js")
        swipe(page, 58, -170)
        expect(page.get_by_text("Moved 1 message to Trash.")).to_be_visible()
        expect(page.locator(row(page, 58))).to_have_count(0)
        swipe(page, 57, 170)
        expect(page.get_by_text("Moved 1 message to Archive.")).to_be_visible()
        expect(page.locator(row(page, 57))).to_have_count(0)
        swipe(page, 56, 40)  # not far enough
        expect(page.locator(row(page, 56))).to_be_visible()
        page.goto("/lists")
        page.get_by_label("Swipe to the right").select_option("Mark as read, or unread")
        page.get_by_role("button", name="Save").click()
        page.goto("/folders/inbox")
        page.wait_for_selector("html.js")
        swipe(page, 56, 170)
        expect(page.get_by_text("Marked 1 message as read.")).to_be_visible()
    assert [folder_of(database, mail[number]) for number in (58, 57, 56)] == ["trash", "archive", "inbox"]


@pytest.mark.parametrize("pane", ["right", "below"])
def test_a_message_opens_beside_its_list(
    chrome: Chrome, live: Live, database: Database, mail: list[int], pane: str
) -> None:
    has_pane(database, pane)
    with opened(chrome, live) as page:
        page.wait_for_selector("html.js")
        reading = page.locator("[data-reading]")
        page.locator(row(page, 50)).locator(".row-link").click()
        expect(reading.get_by_role("heading", name="Subject number 50")).to_be_visible()
        assert page.url.endswith("/folders/inbox")
        reading.get_by_label("Older").click()
        expect(reading.get_by_role("heading", name="Subject number 49")).to_be_visible()
        press(page, "k")
        expect(reading.get_by_role("heading", name="Subject number 50")).to_be_visible()
        fits(page)
        reading.locator('.toolbar [data-key="#"]').click()
        expect(reading.get_by_role("heading", name="Subject number 49")).to_be_visible()
        assert folder_of(database, mail[50]) == "trash"
        press(page, "e")
        expect(reading.get_by_role("heading", name="Subject number 48")).to_be_visible()
        press(page, "u")
        expect(reading.locator(".message")).to_have_count(0)
        page.wait_for_function(f"() => ({FOCUS}) === 'Subject number 48'")


def test_phones_have_no_pane(chrome: Chrome, live: Live, database: Database, mail: list[int]) -> None:
    has_pane(database, "right")
    with opened(chrome, live, PHONE) as page:
        page.wait_for_selector("html.js")
        page.locator(row(page, 58)).locator(".row-link").click()
        page.wait_for_url("**/messages/*")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=str)
def test_one_comes_back_to_the_same_place_of_the_same_search(
    chrome: Chrome, live: Live, mail: list[int], viewport: Viewport
) -> None:
    with opened(chrome, live, viewport) as page:
        page.goto("/folders/inbox?q=words")
        page.wait_for_selector("html.js")
        link = page.locator(row(page, 20)).locator(".row-link")
        link.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        link.click()
        page.wait_for_url("**/messages/*")
        press(page, "u")
        page.wait_for_url("**/folders/inbox?q=words")
        page.wait_for_function(f"() => ({FOCUS}) === 'Subject number 20'")
        assert abs(page.evaluate("scrollY") - before) < 60
        page.locator(row(page, 20)).locator(".row-link").click()
        page.wait_for_url("**/messages/*")
        page.wait_for_selector("html.js")
        page.locator('.toolbar [data-key="#"]').click()
        page.wait_for_url("**/folders/inbox?q=words*")
        expect(page.get_by_text("Moved 1 message to Trash.")).to_be_visible()
        page.wait_for_function(f"() => ({FOCUS}) !== 'BODY'")
        if viewport == PHONE:
            return
        page.locator(row(page, 19)).locator(".row-link").click()
        page.wait_for_selector("[data-steps]:not([hidden])")
        press(page, "j")
        expect(page.get_by_role("heading", name="Subject number 18")).to_be_visible()


def test_keys_are_heard_inside_an_html_message(chrome: Chrome, live: Live, database: Database) -> None:
    deliver(database, subject="With looks", html="<p>Hello <b>you</b></p>", text=None)
    index(database)
    with opened(chrome, live) as page:
        page.get_by_role("link", name=re.compile("With looks")).click()
        page.wait_for_selector("html.js")
        page.frame_locator("iframe.html-body").locator("b").click()
        press(page, "?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        for key in KEYS:
            assert page.locator("#help kbd", has_text=re.compile(f"^{re.escape(key)}$")).count(), key
        press(page, "Escape")
        page.frame_locator("iframe.html-body").locator("b").click()
        press(page, "u")
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()


def test_the_number_of_unread_messages_stands_in_every_title_and_in_the_icon(
    chrome: Chrome, live: Live, mail: list[int]
) -> None:
    with opened(chrome, live) as page:
        for path in ("/folders/inbox", "/folders/sent", "/compose", "/outbox", "/labels"):
            page.goto(path)
            assert page.title().startswith("(60) "), path
        page.wait_for_function("() => document.querySelector('link[rel=icon]').href.startsWith('data:image/png')")
        page.goto("/folders/inbox")
        press(page, "*", "a", "Shift+I")
        expect(page.get_by_text("Marked 50 messages as read.")).to_be_visible()
        page.wait_for_function("() => document.title.startsWith('(10) ')")


def test_mail_to_one_address_is_listed_by_itself(chrome: Chrome, live: Live, database: Database) -> None:
    give_address(database, "info@example.test", "demo")
    deliver(database, subject="For me")
    deliver(database, subject="For all", recipient="info@example.test", to="info@example.test")
    index(database)
    with opened(chrome, live) as page:
        page.goto("/folders/inbox")
        expect(page.locator(".row", has_text="For all").locator(".to-address")).to_have_text("info")
        page.get_by_title("Mail to which address").click()
        page.get_by_role("link", name="info@example.test").click()
        expect(page.locator(".row")).to_have_count(1)
        expect(page.locator(".row")).to_contain_text("For all")
