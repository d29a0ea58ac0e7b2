"""What one writes with, in a real browser: signatures, templates, links, and what is left in the browser alone."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import identities, mailbox, templates
from onifast_shared.mailboxes.identities import Identity
from onifast_shared.mailboxes.templates import TextTemplate
from playwright.sync_api import Browser, Dialog, Page, expect

from peers.browser import DESKTOP, PHONE
from web.browsing import begin_writing, fits, log_in, opened, press
from web.support import Live, deliver, give_address
from web.test_browser_writing import is_saved, messages, text_of

pytestmark = pytest.mark.peers

LOOKS = "<div><b>Demo</b> Person</div><div>ACME</div>"


@pytest.fixture(autouse=True)
def signatures(database: Database) -> None:
    """Two addresses, one with a signature with looks, one with plain text and answers that go elsewhere."""
    give_address(database, "sales@example.test", "demo")

    def put(tx: Connection) -> None:
        mine = Identity("demo@example.test", "Demo Person", LOOKS, "Demo Person\nACME", is_default=True)
        identities.put(tx, "demo", mine)
        identities.put(
            tx, "demo", Identity("sales@example.test", "Sales", "", "Sales team", reply_to="answers@example.test")
        )

    database.write(put)


def send(page: Page) -> None:
    page.get_by_label("To", exact=True).fill("bob@remote.example")
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url("**/folders/**")


def test_a_signature_stands_below_what_is_written_and_changes_with_the_address(
    chrome: Browser, live: Live, database: Database
) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        expect(text_of(page).locator("b")).to_have_text("Demo")
        text_of(page).click(position={"x": 30, "y": 25})
        page.keyboard.type("Dear you")
        page.get_by_label("From").select_option("sales@example.test")
        expect(text_of(page)).to_contain_text("Sales team")
        expect(text_of(page)).not_to_contain_text("ACME")
        is_saved(page)
        page.reload()
        page.wait_for_selector("form.composer[data-ready]")
        page.get_by_label("From").select_option("demo@example.test")
        expect(text_of(page)).not_to_contain_text("Sales team")
        page.get_by_label("From").select_option("sales@example.test")
        send(page)
    (sent,) = messages(database, "sent")
    assert sent.sender_name == "Sales" and str(sent.sender) == "sales@example.test"
    assert sent.header("reply-to") == "answers@example.test"
    text = (sent.text or "").replace("\r\n", "\n")
    assert text.startswith("Dear you") and text.rstrip().endswith("-- \nSales team"), text


def test_in_an_answer_it_stands_above_the_quote(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(database, html="<p>The question</p>", text="The question")
    with opened(chrome, live) as page:
        begin_writing(page, f"?reply={email_id}")
        expect(text_of(page)).to_contain_text("ACME")
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/folders/**")
    sent = messages(database, "sent")[0]
    html = sent.html or ""
    assert html.index("ACME") < html.index("The question") and html.count("ACME") == 1


def test_plain_text_has_the_plain_signature(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        page.goto("/writing")
        page.get_by_label("Plain text").check()
        page.get_by_role("button", name="Save").click()
        begin_writing(page)
        expect(page.get_by_label("Text", exact=True)).to_have_value("\n\n-- \nDemo Person\nACME\n")
        page.get_by_label("From").select_option("sales@example.test")
        expect(page.get_by_label("Text", exact=True)).to_have_value("\n\n-- \nSales team\n")


def test_a_signature_is_written_with_looks_on_its_page(chrome: Browser, live: Live, database: Database) -> None:
    for viewport in (DESKTOP, PHONE):
        with opened(chrome, live, viewport) as page:
            page.goto("/identities")
            page.locator("summary").filter(has_text="Sales").click()
            if viewport is DESKTOP:
                page.get_by_role("button", name="Rich text").click()
            if viewport is DESKTOP:
                page.locator(".fold-list details[open] [data-editor]").fill("New")
                press(page, "Control+a", "Control+b")
            fits(page)
            page.locator("details[open]").get_by_role("button", name="Save").click()
            expect(page.get_by_text("Saved.")).to_be_visible()
    kept = database.read(lambda tx: identities.of(tx, "demo"))["sales@example.test"]
    assert "<b>" in kept.signature_html and kept.signature_text == "New"


def test_a_template_comes_to_where_the_cursor_is(chrome: Browser, live: Live, database: Database) -> None:
    made = TextTemplate(0, "Thanks", "Thank you", "<div>Many <b>thanks</b></div>", "Many thanks")
    database.write(lambda tx: templates.put(tx, "demo", made, 1000))
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("Subject").fill("")
        page.get_by_label("More options").click()
        page.get_by_label("Templates").select_option("Thanks")
        expect(text_of(page)).to_contain_text("Many thanks")
        expect(text_of(page)).to_contain_text("ACME")
        expect(page.get_by_label("Subject")).to_have_value("Thank you")
        is_saved(page)


def test_a_link_is_asked_for_in_a_dialogue(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        text_of(page).click(position={"x": 30, "y": 25})
        press(page, "Control+k")
        page.get_by_label("Page or mail address").fill("javascript:alert(1)")
        page.get_by_label("Words to show").fill("our page")
        page.get_by_role("button", name="Set link").click()
        expect(page.get_by_text("neither a web address nor a mail address")).to_be_visible()
        page.get_by_label("Page or mail address").fill("example.com/x")
        press(page, "Enter")
        link = text_of(page).get_by_role("link", name="our page")
        expect(link).to_have_attribute("href", "https://example.com/x")
        link.click()
        page.get_by_role("button", name="Link (Ctrl+K)").click()
        expect(page.get_by_label("Page or mail address")).to_have_value("https://example.com/x")
        page.get_by_role("button", name="Remove link").click()
        expect(text_of(page).get_by_role("link")).to_have_count(0)
        expect(text_of(page)).to_contain_text("our page")


def test_what_is_forwarded_is_marked(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(database, html="<p>News</p>")
    with opened(chrome, live) as page:
        begin_writing(page, f"?forward={email_id}")
        text_of(page).fill("See below")
        is_saved(page)
        page.reload()
        page.wait_for_selector("form.composer[data-ready]")
        send(page)
        page.goto("/folders/inbox")
        expect(page.get_by_role("img", name="Forwarded").first).to_be_visible()
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    assert row is not None and row.is_forwarded


def test_what_is_in_the_browser_alone_is_told_of_and_cleared_at_sign_out(chrome: Browser, live: Live) -> None:
    with opened(chrome, live, PHONE) as page:
        page.clock.install()
        begin_writing(page, "?key=lost")
        page.route("**/compose", lambda route: route.abort())
        text_of(page).fill("Dear you")
        page.clock.run_for(1_000)
        page.wait_for_timeout(300)
        page.on("dialog", lambda dialog: dialog.accept())
        other = page.context.new_page()
        page.close()
        other.clock.install()
        other.clock.fast_forward(60_000)
        other.goto("/folders/inbox")
        banner = other.locator(".local-draft")
        expect(banner).to_contain_text("A message from")
        expect(banner).to_contain_text("“A subject”")
        banner.get_by_role("link", name="Restore it").click()
        other.wait_for_url("**/compose?key=lost")
        expect(text_of(other)).to_contain_text("Dear you")
        other.route("**/compose", lambda route: route.abort())
        text_of(other).fill("Dear all")
        other.clock.run_for(1_000)
        other.wait_for_timeout(300)
        asked: list[str] = []

        def refuse(dialog: Dialog) -> None:
            asked.append(dialog.message)
            dialog.dismiss()

        other.once("dialog", refuse)
        other.get_by_role("link", name="Open menu").click()
        other.get_by_role("button", name="Sign out").click()
        other.wait_for_timeout(300)
        assert "in this browser alone" in asked[0] and "/compose" in other.url
        other.on("dialog", lambda dialog: dialog.accept())
        other.get_by_role("button", name="Sign out").click()
        other.wait_for_url("**/login**")
        log_in(other)
        kept = other.evaluate(
            """() => new Promise(done => {
                const request = indexedDB.open("onifast-mail", 1);
                request.onsuccess = () => {
                    const all = request.result.transaction("composers").objectStore("composers").getAll();
                    all.onsuccess = () => done(all.result.length);
                };
            })"""
        )
        assert kept == 0


def test_send_is_above_the_keyboard_and_the_undo_bar_beside_the_composer(
    chrome: Browser, live: Live, database: Database
) -> None:
    with opened(chrome, live, PHONE) as page:
        begin_writing(page)
        page.evaluate(
            """() => {
                Object.defineProperty(visualViewport, "height", {get: () => 480});
                visualViewport.dispatchEvent(new Event("resize"));
            }"""
        )
        box = page.get_by_role("button", name="Send", exact=True).bounding_box()
        assert box is not None and box["y"] + box["height"] <= 480
    for viewport in (DESKTOP, PHONE):
        with opened(chrome, live, viewport) as page:
            begin_writing(page)
            send(page)
            begin_writing(page)
            bar = page.locator(".snackbar").bounding_box()
            form = page.locator("form.composer .line").first.bounding_box()
            send_button = page.get_by_role("button", name="Send", exact=True).bounding_box()
            assert bar and form and send_button
            assert bar["y"] + bar["height"] <= send_button["y"]
            if viewport is DESKTOP:
                assert bar["y"] + bar["height"] <= form["y"]
