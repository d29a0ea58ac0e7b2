"""Recipients in a real browser: chips, completion by keys and pointer, pasted lists, and what is told of each."""

from __future__ import annotations

import re

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.message.vcard import Card
from onifast_shared.queue import suppressions
from onifast_shared.recipients import addressees, contacts
from onifast_shared.values.address import Address
from playwright.sync_api import Browser, Locator, Page, Route, expect

from peers.browser import DESKTOP, PHONE, Viewport
from web.browsing import begin_writing, fits, opened, press
from web.support import Live, deliver, index
from web.test_browser_writing import PASTE, is_saved, messages, text_of

pytestmark = pytest.mark.peers


@pytest.fixture(autouse=True)
def people(database: Database) -> None:
    """Ann, who wrote; Anna and Zoe, who are contacts and a group."""
    deliver(database)
    index(database)
    while database.read(addressees.is_behind):
        database.write(addressees.gather)

    def keep(tx: Connection) -> None:
        team = ["Team"]
        cards = [
            Card("Anna Other", "", ["anna@b.test"], [], groups=team),
            Card("Zoe", "", ["zoe@b.test"], [], groups=team),
        ]
        contacts.take_in(tx, "demo", cards, 1000)

    database.write(keep)


def to_field(page: Page) -> Locator:
    return page.get_by_label("To", exact=True)


def chips(page: Page) -> list[str]:
    found: list[str] = page.locator(".recipient").evaluate_all("all => all.map(each => each.dataset.entry)")
    return found


def offered(page: Page, text: str) -> None:
    to_field(page).press_sequentially(text)
    expect(page.locator(".recipient-option").first).to_be_visible()


def test_an_address_typed_while_suggestions_are_on_their_way_is_meant_as_it_stands(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        offered(page, "ann")
        assert to_field(page).get_attribute("aria-activedescendant"), "Enter would take the first one"
        waiting: list[Route] = []

        def keep(route: Route) -> None:
            waiting.append(route)

        page.route(re.compile("suggest"), keep)
        to_field(page).press_sequentially("ette@far.test")
        press(page, "Enter")
        assert chips(page) == ["annette@far.test"]
        for route in waiting:
            route.abort()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_people_are_completed_by_keys_and_by_pointer(
    chrome: Browser, live: Live, database: Database, viewport: Viewport
) -> None:
    with opened(chrome, live, viewport) as page:
        begin_writing(page)
        offered(page, "ann")
        expect(to_field(page)).to_have_attribute("aria-expanded", "true")
        press(page, "ArrowDown", "ArrowUp", "ArrowDown", "Enter")
        assert chips(page) == ["Anna Other <anna@b.test>"]
        offered(page, "tay")
        press(page, "Tab")
        expect(to_field(page)).to_be_focused()
        offered(page, "zo")
        page.locator(".recipient-option").first.click()
        to_field(page).press_sequentially("new@far.test,")
        assert chips(page)[1:] == ["Ann Taylor <ann@remote.example>", "Zoe <zoe@b.test>", "new@far.test"]
        fits(page)
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/folders/**")
    (sent,) = messages(database, "sent")
    assert [each.key for each in sent.mailboxes("to")] == [
        "anna@b.test", "ann@remote.example", "zoe@b.test", "new@far.test",
    ]  # fmt: skip
    assert sent.mailboxes("to")[0].name == "Anna Other"


def test_a_groups_name_stands_for_its_members(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        offered(page, "team")
        press(page, "Enter")
        assert chips(page) == ["Anna Other <anna@b.test>", "Zoe <zoe@b.test>"]


def test_backspace_and_arrows_go_through_the_chips(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        to_field(page).fill("a@a.test, b@a.test, c@a.test,")
        press(page, "Backspace")
        expect(page.get_by_role("button", name="c@a.test", exact=True)).to_be_focused()
        press(page, "Backspace", "ArrowLeft", "Delete")
        expect(page.get_by_role("button", name="b@a.test", exact=True)).to_be_focused()
        assert chips(page) == ["b@a.test"]
        press(page, "ArrowRight")
        expect(to_field(page)).to_be_focused()
        press(page, "Enter")
        assert "/compose" in page.url


def test_a_pasted_list_becomes_chips_and_is_sent_as_it_was_meant(
    chrome: Browser, live: Live, database: Database
) -> None:
    pasted = '"Stone, Bob" <bob@a.test>; eve@a.test\nTeam: x@a.test, y@a.test;  z@a.test w@a.test'
    with opened(chrome, live) as page:
        begin_writing(page)
        to_field(page).evaluate(PASTE.replace('data.setData("text/plain", "bad");', ""), ["text/plain", pasted])
        assert len(chips(page)) == 6
        is_saved(page)
        page.reload()
        page.wait_for_selector("form.composer[data-ready]")
        assert len(chips(page)) == 6
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/folders/**")
    (sent,) = messages(database, "sent")
    found = [(each.name, each.key) for each in sent.mailboxes("to")]
    assert found[0] == ("Stone, Bob", "bob@a.test")
    assert [key for _, key in found[1:]] == ["eve@a.test", "x@a.test", "y@a.test", "z@a.test", "w@a.test"]


def test_each_chip_tells_what_is_known_before_anything_is_sent(chrome: Browser, live: Live, database: Database) -> None:
    bounced = Address.parse("gone@far.test")
    database.write(lambda tx: suppressions.add(tx, "demo", bounced, "mailbox unknown", 1000))
    with opened(chrome, live) as page:
        begin_writing(page)
        to_field(page).fill(
            "maria@other.test, nobody@other.test, gone@far.test, new@far.test, ann@remote.example, half,"
        )
        notes = page.locator("[data-recipient-notes]")
        expect(notes).to_contain_text("There is no mailbox nobody@other.test on this server.")
        expect(notes).to_contain_text("Mail to gone@far.test is not sent")
        expect(notes).to_contain_text("“half” is no mail address.")
        expect(notes).to_contain_text("You have never written to maria@other.test, new@far.test.")
        kinds = page.locator(".recipient").evaluate_all("all => all.map(each => each.dataset.kind)")
        assert kinds == ["note", "stop", "stop", "note", "good", "stop"]
        page.get_by_role("button", name="Ann Taylor").click()
        card = page.locator(".recipient-card")
        expect(card).to_contain_text("ann@remote.example")
        expect(card).to_contain_text("They have written to you once.")
        card.get_by_role("button", name="Edit").click()
        expect(to_field(page)).to_have_value("ann@remote.example")


def test_without_scripts_the_fields_are_lists_of_text(chrome: Browser, live: Live, database: Database) -> None:
    context = chrome.new_context(base_url=live.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill("demo password")
    page.get_by_role("button", name="Sign in").click()
    page.goto("/compose")
    to_field(page).fill("Bob <bob@a.test>, eve@a.test")
    page.get_by_label("Text", exact=True).fill("Dear both")
    page.get_by_role("button", name="Send", exact=True).click()
    (sent,) = messages(database, "sent")
    context.close()
    assert [each.key for each in sent.mailboxes("to")] == ["bob@a.test", "eve@a.test"]


def test_what_is_typed_counts_though_it_is_no_chip_yet(chrome: Browser, live: Live, database: Database) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        text_of(page).fill("Dear you")
        to_field(page).fill("bob@a.test")
        press(page, "Control+Enter")
        page.wait_for_url("**/folders/**")
    assert messages(database, "sent")[0].mailboxes("to")[0].key == "bob@a.test"


def test_a_recipient_is_moved_to_another_field_by_mouse_and_by_keys(chrome: Browser, live: Live) -> None:
    with opened(chrome, live) as page:
        begin_writing(page)
        to_field(page).fill("a@a.test, b@a.test,")
        page.get_by_text("Cc and Bcc").click()
        page.locator(".recipient", has_text="a@a.test").drag_to(page.get_by_label("Cc", exact=True))
        expect(page.locator("input[type=hidden][name=to]")).to_have_value("b@a.test")
        expect(page.locator("input[type=hidden][name=cc]")).to_have_value("a@a.test")
        to_field(page).focus()
        press(page, "Backspace", "Enter")
        page.get_by_role("button", name="Move to Bcc").focus()
        press(page, "Enter")
        expect(page.locator("input[type=hidden][name=bcc]")).to_have_value("b@a.test")
        expect(page.get_by_role("button", name="b@a.test", exact=True)).to_be_focused()
