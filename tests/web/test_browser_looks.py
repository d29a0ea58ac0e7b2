"""How the webmail looks where it is easily wrong: text from right to left, long names, and what was not sent."""

from __future__ import annotations

import re

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.queue import destinations, hold_rules, suppressions
from onifast_shared.queue.destinations import OwnLimits
from onifast_shared.queue.hold_rules import Pattern
from onifast_shared.values.address import Address
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from peers.browser import DESKTOP, PHONE, Viewport, page_of
from web.browsing import begin_writing, fits, log_in, opened
from web.support import Clock, Live, deliver, index, queue

pytestmark = pytest.mark.peers

HEBREW = "שלום, הנה הדוח"
LONG = "a-name-that-is-longer-than-a-telephone-is-wide-and-has-no-space"
ADMINISTRATORS_PAGES = (
    "/suppressions", "/hold-rules", "/departed", "/destinations", "/tls", "/routes", "/source-addresses", "/limits",
    "/addresses", "/domains", "/mailbox-users", "/shared-mailboxes",
    "/overview", "/live-log", "/test-mail", "/users", "/users/domains",
)  # fmt: skip


def direction(element: Locator) -> str:
    return str(element.evaluate("each => getComputedStyle(each).direction"))


def test_mail_from_right_to_left_reads_so(chrome: Browser, live: Live, database: Database) -> None:
    deliver(database, subject=HEBREW, text=f"{HEBREW}.\n", html=f"<p>{HEBREW}.</p>")
    deliver(database, subject="Left to right", text="Plain.\n")
    index(database)
    with opened(chrome, live) as page:
        assert direction(page.locator(".what", has_text=HEBREW)) == "rtl"
        assert direction(page.locator(".what", has_text="Left to right")) == "ltr"
        page.get_by_role("link", name=re.compile(HEBREW)).click()
        assert direction(page.get_by_role("heading", name=HEBREW)) == "rtl"
        expect(page.frame_locator("iframe.html-body").locator("body")).to_have_css("direction", "rtl")
        page.get_by_role("link", name="Show as plain text").click()
        text = page.locator(".text-body > div")
        assert text.evaluate("each => getComputedStyle(each).unicodeBidi") == "plaintext"
        page.get_by_role("link", name="Forward", exact=True).click()
        docked = page.frame_locator(".docked iframe")
        docked.get_by_label("Text").fill(HEBREW)
        assert direction(docked.get_by_label("Text")) == "rtl"


def test_long_names_fit_on_a_phone(chrome: Browser, live: Live, database: Database, clock: Clock) -> None:
    address, domain = Address.parse(f"{LONG[:60]}@{LONG}.test"), f"{LONG}.test"

    def write(tx: Connection) -> None:
        suppressions.add(tx, "maria", address, LONG * 3, clock())
        hold_rules.add(tx, Pattern.parse(domain, str(address), LONG), LONG * 3, f"user:{LONG}", clock())
        name = LONG[:64]
        missing = "INSERT INTO seen_users (username, missing_since_ts, held) VALUES (?, 1, 1), (?, 1, 0)"
        tx.execute(missing, (name, name[1:]))
        tx.execute("INSERT INTO departures (username, departed_ts, asked_by) VALUES (?, 1, ?)", (name, f"user:{name}"))
        destinations.set_limits(tx, OwnLimits(f"{LONG}.test:65535", None, 1_000_000))

    database.write(write)
    with page_of(chrome, live.url, viewport=PHONE) as page:
        log_in(page, "root-admin")
        for path in ADMINISTRATORS_PAGES:
            page.goto(path)
            fits(page)


def test_the_menu_of_states_is_all_on_the_screen_of_a_phone(chrome: Browser, live: Live) -> None:
    with opened(chrome, live, PHONE) as page:
        page.goto("/outbox?status=sandboxed")
        chosen = page.locator(".tabs [aria-current]").bounding_box()
        assert chosen and chosen["x"] >= 0 and chosen["x"] + chosen["width"] <= PHONE.width


def test_what_was_written_is_thrown_away_only_after_a_question(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        asked = answering(page, accept=False)
        begin_writing(page)
        page.get_by_label("Text").fill("Dear you")
        page.get_by_role("button", name="Discard").click()
        assert asked == ["Throw away what you have written?"]
        expect(page.get_by_label("Text")).to_have_text("Dear you")


def test_what_is_done_to_all_pages_is_asked_for_first(chrome: Browser, live: Live, database: Database) -> None:
    queue(database, *(f"customer{number}@remote.example" for number in range(60)))
    with opened(chrome, live) as page:
        asked = answering(page, accept=False)
        page.goto("/outbox")
        page.wait_for_selector("html.js")
        page.get_by_label("Select: customer59@remote.example").check()
        page.get_by_label("All pages").check()
        page.get_by_role("button", name="Hold").click()
        assert asked == ["Hold: all of this list, on every page?"]
        page.get_by_label("All pages").uncheck()
        page.get_by_role("button", name="Hold").click()
        expect(page.get_by_text("Changed 1 delivery.")).to_be_visible()
        assert len(asked) == 1


def test_a_password_is_copied_where_the_browser_gives_no_clipboard(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        page.goto("/app-passwords")
        page.get_by_label("Program").fill("Thunderbird")
        page.get_by_role("button", name="Make password").click()
        password = page.locator("#fresh-password").inner_text()
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        page.get_by_label("Copy password").click()
        expect(page.get_by_label("Copied")).to_be_visible()
        assert page.evaluate("getSelection().toString()") == password


def test_what_was_refused_is_guarded_as_what_was_typed(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("Text").fill("Dear you")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_text("Your message was not sent.")).to_be_visible()
        expect(page.get_by_label("Text")).to_have_text("Dear you")
        expect(page.get_by_text(re.compile("^Saved "))).to_be_visible()
        page.get_by_role("link", name="Drafts").click()
        expect(page.get_by_role("listitem").filter(has_text="Dear you")).to_be_visible()


def test_what_was_written_outlives_its_session(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        page.get_by_label("Text").fill("Dear you")
        page.context.clear_cookies()
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("You are signed out")
        expect(page.get_by_label("Text")).to_have_text("Dear you")
        log_in(page.context.new_page())
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_text("Message sent.")).to_be_visible()
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get) == 1


def test_what_was_written_outlives_the_login_of_a_panel_before_us(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("Text").fill("Dear you")
        page.route("**/compose", lambda route: route.fulfill(body="<h1>Panel</h1>", content_type="text/html"))
        page.get_by_role("button", name="Save draft").click()
        expect(page.get_by_role("alert")).to_contain_text("You are signed out")
        expect(page.get_by_label("Text")).to_have_text("Dear you")


def test_what_was_written_outlives_a_server_that_is_away(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("Text").fill("Dear you")
        page.context.set_offline(True)
        page.get_by_role("button", name="Save draft").click()
        expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
        page.context.set_offline(False)
        page.get_by_role("button", name="Save draft").click()
        expect(page.get_by_text("Draft saved.")).to_be_visible()
        assert page.get_by_text("Dear you").count() == 1


def answering(page: Page, *, accept: bool) -> list[str]:
    """Answers what the page asks; returns the questions."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept() if accept else dialog.dismiss()

    page.on("dialog", answer)
    return asked


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_warnings_stand_above_the_message_in_words(
    chrome: Browser, live: Live, database: Database, viewport: Viewport
) -> None:
    sender = f'"ceo@bank.test {LONG}" <x@{LONG}.test>'
    deliver(database, sender=sender, subject="Pay")
    index(database)
    with opened(chrome, live, viewport) as page:
        fits(page)
        expect(page.get_by_text("Check sender")).to_be_visible()
        page.get_by_role("link", name=re.compile("Pay")).click()
        warning = page.get_by_role("note", name="Warning")
        expect(warning).to_contain_text("The sender’s name contains the address ceo@bank.test")
        fits(page)
