"""An open page asks every two seconds whether anything has changed, and shows it; one that nobody sees asks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import labelling, labels
from playwright.sync_api import Browser, Page, Response, expect

from web.browsing import opened
from web.support import Live, deliver, index

pytestmark = pytest.mark.peers

HIDE = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s});"
TELL = "document.dispatchEvent(new Event('visibilitychange'))"


class Looks:
    """The answers to a page's looks at the counts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.statuses: list[int] = []
        page.on("response", self._note)

    def _note(self, response: Response) -> None:
        if response.url.endswith("/api/mail/counts"):
            self.statuses.append(response.status)

    def during(self, seconds: int, work: Callable[[], object] = lambda: None) -> list[int]:
        """Those that come while the page's clock runs on, one after the other."""
        del self.statuses[:]
        work()
        for _ in range(seconds):
            self._page.clock.run_for(1000)
            self._page.wait_for_load_state("networkidle")
        return list(self.statuses)


@pytest.fixture
def page(chrome: Browser, live: Live) -> Iterator[Page]:
    """The inbox, on a page whose clock the test moves."""
    with opened(chrome, live) as shown:
        shown.clock.install()
        yield shown


def show(page: Page) -> Looks:
    page.wait_for_load_state("networkidle")  # the page before it looks, too
    looks = Looks(page)
    with page.expect_response("**/api/mail/counts"):
        page.goto("/folders/inbox")
    page.wait_for_load_state("networkidle")
    return looks


def test_an_open_page_looks_every_two_seconds_and_is_told_that_nothing_has_changed(page: Page) -> None:
    looks = show(page)
    del looks.statuses[:]
    for _ in range(5):
        with page.expect_response("**/api/mail/counts"):
            page.clock.run_for(2500)
        page.wait_for_load_state("networkidle")
    assert len(looks.statuses) <= 6 and set(looks.statuses) == {304}  # one more where it was just about to ask


def test_new_mail_shows_by_itself(page: Page, database: Database) -> None:
    show(page)
    deliver(database, subject="Fresh news")
    index(database)
    page.clock.run_for(3000)
    expect(page.get_by_role("link", name="Fresh news")).to_be_visible()
    expect(page.locator("[data-count=inbox]")).to_contain_text("1")


def test_what_changes_nothing_in_the_counts_shows_too(page: Page, database: Database) -> None:
    email_id = deliver(database, subject="Old words")
    index(database)
    show(page)
    expect(page.get_by_role("link", name="Old words")).to_be_visible()
    database.write(lambda tx: tx.execute("UPDATE emails SET subject = 'New words' WHERE id = ?", (email_id,)))
    page.clock.run_for(3000)
    expect(page.get_by_role("link", name="New words")).to_be_visible()


def test_a_list_that_somebody_is_at_shows_what_comes_and_stays_as_it_is(page: Page, database: Database) -> None:
    deliver(database, subject="First")
    show(page)
    page.locator(".pick input").first.check()
    page.get_by_role("link", name="First").focus()
    deliver(database, subject="Second")
    page.clock.run_for(2500)
    expect(page.get_by_role("link", name="Second")).to_be_visible()
    expect(page.get_by_label("Select: First")).to_be_checked()
    expect(page.get_by_role("link", name="First")).to_be_focused()
    expect(page.locator("[data-count=inbox]")).to_contain_text("2")


def test_a_list_waits_while_something_is_chosen_in_its_menus(page: Page, database: Database) -> None:
    deliver(database, subject="First")
    show(page)
    page.locator(".pick input").first.check()
    page.get_by_title("Move to (v)").click()
    deliver(database, subject="Second")
    page.clock.run_for(5000)
    expect(page.locator("[data-count=inbox]")).to_contain_text("2")
    assert page.get_by_role("link", name="Second").count() == 0
    page.keyboard.press("Escape")
    page.clock.run_for(5000)
    expect(page.get_by_role("link", name="Second")).to_be_visible()


def test_a_hidden_page_asks_nothing_and_looks_at_once_when_it_is_seen(page: Page) -> None:
    looks = show(page)
    looks.during(4)
    page.evaluate(HIDE % "true")
    page.evaluate(TELL)
    looks.during(3)  # what was on its way is answered
    assert looks.during(30) == []
    page.evaluate(HIDE % "false")
    with page.expect_response("**/api/mail/counts"):
        page.evaluate(TELL)


def test_a_page_that_was_hidden_and_shown_often_asks_no_more_than_another(page: Page) -> None:
    looks = show(page)
    for _ in range(5):
        page.evaluate(HIDE % "true")
        page.evaluate(TELL)
        page.evaluate(HIDE % "false")
        page.evaluate(TELL)
    page.wait_for_load_state("networkidle")
    assert len(looks.during(20)) <= 11


def test_a_server_in_trouble_is_asked_more_and_more_seldom(page: Page) -> None:
    looks = show(page)
    page.route("**/api/mail/counts", lambda route: route.fulfill(status=503))
    assert len(looks.during(60)) <= 6


def test_who_was_logged_out_is_asked_for_no_more(page: Page) -> None:
    looks = show(page)
    page.context.clear_cookies()
    assert looks.during(30).count(401) == 1


def test_the_number_beside_a_label_follows(page: Page, database: Database) -> None:
    label = database.write(lambda tx: labels.create(tx, "demo", "Urgent", now=1))
    email_id = deliver(database)
    looks = show(page)
    badge = page.locator(f"[data-count='label-{label.id}']")
    expect(badge).to_be_hidden()
    looks.during(4, lambda: database.write(lambda tx: labelling.assign(tx, label, [email_id])))
    expect(badge).to_contain_text("1")
