"""Reading in a real browser: acts at hand in a long message, print, short answers, where links lead, many messages."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from playwright.sync_api import Browser, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport
from peers.unpacked import unpacked
from web.browsing import LOOKS, fits, opened
from web.support import Live, deliver, index
from web.test_browser_axe import found_by
from web.test_conversations import letter

pytestmark = pytest.mark.peers

LONG = "\n".join(f"Line {number}" for number in range(300))
SUBJECT = "A subject that goes on and on, as if nobody had ever told its author when a line is full. " * 6
QUOTING = (
    "<p>Yes, see <a href='https://www.remote.example/path?x=1'>the page</a>.</p><div>Bob wrote:</div>"
    f"<blockquote type='cite'>{'<p>A line that was quoted.</p>' * 40}</blockquote>"
)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_acts_are_at_hand_however_long_the_message_is(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    axe = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    email_id = deliver(database, subject=SUBJECT, text=LONG, cc="Bob <bob@remote.example>")
    index(database)
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(f"/messages/{email_id}")
        page.wait_for_selector("html.js")
        head = page.get_by_role("heading", level=1)
        if viewport == PHONE:
            expect(page.locator(".topbar")).to_be_hidden()
            lines = "e => e.clientHeight / Number.parseFloat(getComputedStyle(e).lineHeight)"
            assert round(head.evaluate(lines)) == 3
            head.click()
            assert round(head.evaluate(lines)) > 3
        for place in (0, 3000, 99_999):
            page.evaluate(f"scrollTo(0, {place})")
            for name in ("Reply", "Reply all", "Forward"):
                expect(page.get_by_role("link", name=name, exact=True)).to_be_in_viewport(ratio=1)
            expect(page.get_by_role("button", name="Archive")).to_be_in_viewport(ratio=1)
        fits(page)
        assert found_by(axe, page) == []
        page.get_by_text("More", exact=True).click()
        expect(page.get_by_role("link", name="Show original")).to_be_in_viewport(ratio=1)
        assert found_by(axe, page) == []
        page.get_by_role("link", name="Show original").click()
        expect(page.get_by_role("heading", name="As received")).to_be_visible()
        page.get_by_label("Copy the original").click()
        expect(page.get_by_label("Copied")).to_be_visible()
        assert found_by(axe, page) == []
        fits(page)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_a_short_answer_is_kept_while_it_is_typed_and_goes_on_in_the_composer(
    chrome: Browser, live: Live, database: Database, viewport: Viewport
) -> None:
    email_id = deliver(database, subject="Lunch?")
    index(database)
    with opened(chrome, live, viewport) as page:
        page.goto(f"/messages/{email_id}")
        page.wait_for_selector("html.js")
        page.get_by_label("Answer Ann Taylor").fill("<img src=x onerror=top.owned=1> Yes")
        fits(page)
        expect(page.locator("[data-save-state]")).to_contain_text("Saved")
        drafts = database.read(lambda tx: mailbox.list_page(tx, "demo", "drafts").rows)
        assert len(drafts) == 1
        page.get_by_role("button", name="Open in composer").click()
        composer = page.frame_locator(".docked iframe") if viewport == DESKTOP else page
        expect(composer.get_by_label("Text")).to_contain_text("<img src=x onerror=top.owned=1> Yes")
        expect(composer.get_by_label("Subject")).to_have_value("Re: Lunch?")
        assert page.evaluate("'owned' in window") is False


def test_a_short_answer_is_sent_and_the_message_stays(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(database, subject="Lunch?")
    index(database)
    with opened(chrome, live) as page:
        page.goto(f"/messages/{email_id}")
        page.wait_for_selector("html.js")
        page.get_by_label("Answer Ann Taylor").fill("Yes")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("Message sent.")).to_be_visible()
        expect(page.get_by_role("heading", name="Lunch?")).to_be_visible()
    assert database.read(lambda tx: mailbox.list_page(tx, "demo", "sent").rows[0].subject) == "Re: Lunch?"
    assert database.read(lambda tx: mailbox.list_page(tx, "demo", "drafts").rows) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_target_of_a_link_is_told_and_a_quote_is_folded(
    chrome: Browser, live: Live, database: Database, scheme: ColorScheme
) -> None:
    email_id = deliver(database, text=None, html=QUOTING)
    with opened(chrome, live, DESKTOP, scheme) as page:
        page.goto(f"/messages/{email_id}")
        page.wait_for_selector("html.js")
        frame = page.frame_locator("iframe.html-body")
        expect(frame.get_by_text("A line that was quoted.").first).to_be_hidden()
        height = page.locator("iframe.html-body").evaluate("e => e.clientHeight")
        frame.get_by_role("link").focus()
        expect(page.locator(".link-target")).to_have_text("https://www.remote.example/path?x=1")
        frame.get_by_role("button", name="Quoted text").click()
        expect(frame.get_by_text("A line that was quoted.").first).to_be_visible()
        page.wait_for_function(f"document.querySelector('iframe.html-body').clientHeight > {height + 200}")
        expect(page.locator(".link-target")).to_be_hidden()


def test_print_calls_the_dialogue_for_the_message_dark_on_white(
    chrome: Browser, live: Live, database: Database
) -> None:
    email_id = deliver(
        database, subject="Offer", text="> one\n> two\n> three\n> four\nText\n> a\n> b\n> c\n> d\n> end\n"
    )
    with opened(chrome, live, DESKTOP, "dark") as page:
        page.add_init_script("window.print = () => { top.printed = document.body.innerText }")
        page.goto(f"/messages/{email_id}")
        page.wait_for_selector("html.js")
        page.get_by_text("More", exact=True).click()
        page.get_by_role("link", name="Print").first.click()
        page.wait_for_selector(".print-frame", state="attached")
        frame = page.locator(".print-frame").element_handle().content_frame()
        assert frame
        frame.wait_for_selector("article")
        assert "end" in frame.locator("body").inner_text()
        found = frame.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert found == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        # The page itself, printed by the browser's own menu.
        page.emulate_media(media="print", color_scheme="dark")
        expect(page.locator(".text-body").get_by_text("end")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        expect(page.locator(".toolbar")).to_be_hidden()
        expect(page.locator(".message-foot")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_a_conversation_of_two_hundred_messages_opens_and_all_of_it_unfolds(
    chrome: Browser, live: Live, database: Database, viewport: Viewport
) -> None:
    for number in range(200):
        raw = letter(f"m{number}", f"m{number - 1}" if number else "", text=f"MESSAGE {number}.\n\n> before")
        deliver(database, raw=raw, received=1_790_000_000.0 + number)
    index(database)
    database.write(lambda tx: tx.execute("UPDATE emails SET is_read = 1"))
    with opened(chrome, live, viewport) as page:
        page.locator('.row-link[href*="conversations"]').click()
        expect(page.get_by_text("MESSAGE 199.")).to_be_visible()
        page.wait_for_selector("html.js")
        folded = page.locator(".folded").count()
        assert folded >= 99
        page.get_by_role("button", name="Open all").click()
        expect(page.locator(".folded > .message")).to_have_count(folded, timeout=60_000)
        expect(page.locator("[data-quick]")).to_have_count(1)
        fits(page)
        page.get_by_role("button", name="Fold all").click()
        expect(page.locator(".folded > .message:visible")).to_have_count(0)
        href = page.get_by_role("link", name="Print all").get_attribute("href")
        page.goto(href or "")
        assert page.locator("article").count() == 200
