"""What is written in a real browser: kept whatever ends, sent once, and harmless whatever is pasted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from playwright.sync_api import Browser, FilePayload, Locator, Page, Playwright, expect, sync_playwright

from peers.browser import DESKTOP, PHONE, page_of
from web.browsing import begin_writing, fits, log_in, opened, press
from web.support import Live, deliver

pytestmark = pytest.mark.peers

PASTE = """(element, [kind, text]) => {
    const data = new DataTransfer();
    data.setData(kind, text);
    data.setData("text/plain", "bad");
    element.focus();
    element.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
}"""
PASTE_PICTURE = """async element => {
    const canvas = document.createElement("canvas");
    const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
    const data = new DataTransfer();
    data.items.add(new File([blob], "image.png", {type: "image/png"}));
    element.focus();
    element.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
}"""
HOSTILE = (
    '<p style="color:#aa0000;background:url(http://canary.test/a)" onclick="owned=1" hx-get="/compose"'
    ' data-hx-post="/x">'
    'bad<img src=x onerror="window.owned=1"><img src="http://canary.test/p.png"><script>window.owned=1</script>'
    '<svg onload="window.owned=1"></svg><a href="javascript:owned=1">go</a>'
    '<table><tr><td style="border:1px solid #00aa00">cell</td></tr></table></p>'
)


def text_of(page: Page) -> Locator:
    return page.get_by_label("Text")


def is_saved(page: Page) -> None:
    """Waits for what the composer says within the promised three seconds, and a busy machine's time."""
    expect(page.locator("[data-save-state]")).to_contain_text("Saved", timeout=15_000)


def messages(database: Database, folder: str) -> list[Parsed]:
    rows = database.read(lambda tx: mailbox.list_page(tx, "demo", folder)).rows
    return [parsing.parse(database.read(partial(mailbox.raw, email_id=row.id))) for row in rows]


def outgoing(database: Database) -> int:
    return int(database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get))


def test_a_composer_in_which_nothing_stands_leaves_no_draft(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        page.goto("/compose")
        expect(page.locator("form.composer[data-ready]")).to_be_visible()
        page.screenshot()  # the editor takes that for a change
        page.goto("/folders/inbox")
        page.goto("/compose")
        expect(page.locator("form.composer[data-ready]")).to_be_visible()
        text_of(page).press_sequentially("a")
        text_of(page).press("Backspace")
        page.goto("/folders/inbox")
        page.wait_for_load_state("networkidle")
        page.goto("/folders/drafts")
        expect(page.get_by_role("heading", name="Drafts")).to_be_visible()
        assert messages(database, "drafts") == []


def test_what_is_typed_is_a_draft_within_three_seconds(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        text_of(page).fill("Dear you")
        began = time.monotonic()
        while not messages(database, "drafts") and time.monotonic() < began + 10:
            page.wait_for_timeout(50)
        assert time.monotonic() - began < 3
        (draft,) = messages(database, "drafts")
        assert (draft.text or "").strip() == "Dear you"


def test_a_closed_tab_loses_nothing_though_it_closes_before_the_first_save(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        other = page.context.new_page()
        begin_writing(other)
        text_of(other).type("Dear you")
        url = other.url
        with other.expect_event("close"):
            other.close(run_before_unload=True)  # which alone waits for nothing
        for _ in range(20):  # what a page sends as it closes comes when it comes
            page.goto(url)
            page.wait_for_selector("form.composer[data-ready]")
            if text_of(page).inner_text().strip() == "Dear you":
                return
        raise AssertionError("what was written is gone")


def test_a_reload_shows_what_was_written_while_the_server_was_away(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.route("**/compose", lambda route: route.abort())
        text_of(page).fill("Dear you")
        expect(page.locator("[data-save-state]")).to_contain_text("Not saved", timeout=15_000)
        page.unroute("**/compose")
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        expect(text_of(page)).to_have_text("Dear you")
        is_saved(page)


def test_an_ended_session_loses_nothing_once_somebody_is_signed_in_again(
    chrome: Browser, live: Live, database: Database
) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.context.clear_cookies()
        text_of(page).fill("Dear you")
        expect(page.get_by_role("alert")).to_contain_text("You are signed out", timeout=15_000)
        other = page.context.new_page()
        log_in(other)
        is_saved(page)
        assert len(messages(database, "drafts")) == 1


def killed_while_writing(url: str, profile: Path) -> str:
    """Writes into a composer whose words never reach the server, and kills the browser; returns the page's address."""
    with sync_playwright() as playwright:
        page = with_profile(playwright, url, profile)
        log_in(page)
        begin_writing(page)
        page.route("**/compose", lambda route: route.abort())
        text_of(page).fill("Dear you")
        page.wait_for_timeout(1000)
        listed = subprocess.run(["pgrep", "-f", str(profile)], capture_output=True, text=True, check=True)
        address = page.url
        for process in map(int, listed.stdout.split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    return address


def found_again(url: str, profile: Path, address: str) -> str:
    """What the composer at an address shows to who starts the browser anew."""
    with sync_playwright() as playwright:
        page = with_profile(playwright, url, profile)
        log_in(page)
        page.goto(address)
        expect(text_of(page)).to_have_text("Dear you")
        found = text_of(page).inner_text()
        page.context.close()
    return found


def with_profile(playwright: Playwright, url: str, profile: Path) -> Page:
    return playwright.chromium.launch_persistent_context(
        str(profile), executable_path="/usr/bin/chromium", args=["--no-sandbox"], base_url=url
    ).new_page()


@pytest.mark.slow
def test_a_killed_browser_loses_nothing(live: Live, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as other_thread:  # Playwright runs once in each
        address = other_thread.submit(killed_while_writing, live.url, tmp_path / "profile").result()
        assert other_thread.submit(found_again, live.url, tmp_path / "profile", address).result() == "Dear you"


def test_two_tabs_of_one_composer_send_once(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        text_of(page).fill("Dear you")
        is_saved(page)
        other = page.context.new_page()
        other.goto(page.url)
        other.wait_for_selector("form.composer[data-ready]")
        for each in (page, other):
            each.get_by_role("button", name="Send", exact=True).click()
            each.wait_for_url("**/folders/**")
        expect(other.get_by_text("This message was sent already.")).to_be_visible()
    assert (outgoing(database), messages(database, "drafts")) == (1, [])


def test_a_double_click_and_the_way_back_send_once(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        text_of(page).fill("Dear you")
        page.get_by_role("button", name="Send", exact=True).dblclick()
        page.wait_for_url("**/folders/**")
        page.go_back()
        expect(page.get_by_text("This message was sent already.")).to_be_visible()
    assert outgoing(database) == 1


def test_another_window_that_changed_a_draft_is_told_of(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        text_of(page).fill("First")
        is_saved(page)
        other = page.context.new_page()
        other.goto(page.url)
        other.wait_for_selector("form.composer[data-ready]")
        text_of(other).fill("Second")
        is_saved(other)
        text_of(page).fill("Third")
        expect(page.get_by_role("alert")).to_contain_text("changed in another window", timeout=15_000)
        page.get_by_role("button", name="Keep what is here").click()
        is_saved(page)
        other.reload()
        expect(text_of(other)).to_have_text("Third")


def test_files_go_up_as_they_are_chosen_and_can_be_taken_away(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        one, two, too_large = (
            FilePayload(name=name, mimeType="text/plain", buffer=b"x" * size)
            for name, size in (("a.txt", 900), ("b.txt", 900), ("c.txt", 300_000))
        )
        files = page.get_by_label("Attach files")
        files.set_input_files([one])
        files.set_input_files([two])
        expect(page.get_by_role("button", name="Remove b.txt")).to_be_visible()
        expect(page.locator(".upload progress")).to_have_count(0, timeout=15_000)
        page.get_by_role("button", name="Remove a.txt").click()
        is_saved(page)
        page.reload()
        expect(page.locator(".upload")).to_have_count(1)
        expect(page.locator(".upload")).to_contain_text("b.txt")
        files.set_input_files([too_large])
        expect(page.get_by_role("alert")).to_contain_text("Too large")


def test_what_looks_forgotten_is_asked_about_once(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("Subject").fill("")
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        text_of(page).fill("The report is attached.")
        send = page.locator(".composer-foot").get_by_role("button", name="Send", exact=True)
        send.click()
        expect(page.get_by_role("alertdialog", name="Send it without a subject?")).to_be_visible()
        press(page, "Escape")
        expect(page.get_by_label("Subject")).to_be_focused()
        send.click()
        asked = page.get_by_role("alertdialog", name="You speak of an attachment")
        asked.get_by_role("button", name="Go back").click()
        expect(send).to_be_focused()
        send.click()
        page.wait_for_url("**/folders/**")
    assert outgoing(database) == 1


def test_rich_text_with_a_pasted_picture_is_sent_as_good_alternatives(
    chrome: Browser, live: Live, database: Database
) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        text_of(page).click()
        press(page, "Control+b")
        page.keyboard.type("Important")
        press(page, "Control+b", "Enter")
        page.keyboard.type("one")
        page.get_by_role("button", name="Bulleted list").click()
        text_of(page).evaluate(PASTE_PICTURE)
        expect(text_of(page).locator("img")).to_be_attached()
        expect(page.locator(".upload")).to_have_count(0, timeout=15_000)
        is_saved(page)
        page.reload()
        expect(text_of(page).locator("img[data-cid]")).to_be_attached()
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/folders/**")
    (sent,) = messages(database, "sent")
    assert sent.html is not None and "<b>Important</b>" in sent.html and "<li>" in sent.html
    assert (sent.text or "").split() == ["Important", "-", "one"]
    assert [item.content_type for item in sent.embedded.values()] == ["image/png"]
    raw = database.read(lambda tx: mailbox.raw(tx, mailbox.list_page(tx, "demo", "sent").rows[0].id))
    order = [raw.index(kind) for kind in (b"multipart/alternative", b"text/plain", b"multipart/related", b"text/html")]
    assert order == sorted(order)


def test_what_is_pasted_runs_loads_and_says_nothing(chrome: Browser, live: Live, database: Database) -> None:
    with page_of(chrome, live.url) as page:
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: said.append(request.url) if not request.url.startswith(live.url) else None)
        log_in(page)
        begin_writing(page)
        page.get_by_label("To", exact=True).fill("bob@remote.example")
        text_of(page).evaluate(PASTE, ["text/html", HOSTILE])
        expect(text_of(page)).to_contain_text("cell")
        for name in ("Undo (Ctrl+Z)", "Redo (Ctrl+Y)"):
            page.get_by_role("button", name=name).click()
        is_saved(page)
        page.reload()
        expect(text_of(page)).to_contain_text("cell")
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/folders/**")
        assert page.evaluate("window.owned") is None
        assert [text for text in said if not text.startswith("data:")] == []
    html = messages(database, "sent")[0].html or ""
    assert "cell" in html and "#00aa00" in html.lower().replace("rgb(0, 170, 0)", "#00aa00")
    assert not any(bad in html for bad in ("script", "onclick", "onerror", "hx-", "svg", "javascript", "url("))


def test_several_messages_are_written_in_the_dock_and_outlive_a_page(
    chrome: Browser, live: Live, database: Database
) -> None:
    deliver(database, subject="Lunch?")
    with opened(chrome, live, DESKTOP) as page:
        page.reload()
        press(page, "c")
        first = page.frame_locator(".docked iframe").first
        first.locator("form[data-ready]").wait_for()
        first.get_by_label("Subject").fill("The first")
        is_titled = page.get_by_role("button", name="The first")
        expect(is_titled).to_be_visible(timeout=15_000)
        page.get_by_role("link", name="Lunch?").click()
        expect(page.get_by_role("heading", name="Lunch?")).to_be_visible()
        page.get_by_role("link", name="Reply", exact=True).click()
        expect(page.locator(".docked")).to_have_count(2)
        second = page.frame_locator(".docked iframe").last
        second.locator("form[data-ready]").wait_for()
        second.get_by_label("Text").fill("Gladly")
        second.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator(".snackbar")).to_contain_text("Message sent.", timeout=15_000)
        expect(page.locator(".docked")).to_have_count(1)
        expect(page.frame_locator(".docked iframe").get_by_label("Subject")).to_have_value("The first")
        page.get_by_role("button", name="Minimise").click()
        expect(page.locator(".docked iframe")).to_be_hidden()
    sent = messages(database, "sent")[0]
    assert sent.html is not None and "<blockquote" in sent.html and "> " in (sent.text or "")


def test_send_is_within_reach_of_a_thumb(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(database, text="line\n" * 200)
    with opened(chrome, live, PHONE) as page:
        begin_writing(page, f"?reply={email_id}")
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
        fits(page)
