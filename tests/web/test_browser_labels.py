"""Labels, own folders and stars in a real browser: keys, menus, and how they look."""

from __future__ import annotations

from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import labelling, labels
from onifast_shared.mailboxes.labels import Label
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect

from peers.browser import ColorScheme, Viewport
from web.browsing import LOOKS, fits, opened, press
from web.support import Live, deliver


def make(database: Database, name: str, colour: str = "", *, is_folder: bool = False) -> Label:
    return database.write(lambda tx: labels.create(tx, "demo", name, colour=colour, is_folder=is_folder, now=1))


def labels_on(database: Database, email_id: int) -> list[str]:
    found = database.read(lambda tx: labelling.of_messages(tx, [email_id]))
    return [each.name for each in found.get(email_id, [])]


@pytest.fixture
def mail(database: Database) -> list[int]:
    """Some messages, labels of several colours, and own folders in one another."""
    ids = [deliver(database, subject=f"Offer {number}", text="Please find our offer below.") for number in range(4)]
    urgent, acme = make(database, "Urgent", "red"), make(database, "Clients/Acme Limited", "teal")
    make(database, "Rechnungen/2026/März", "amber", is_folder=True)
    database.write(lambda tx: labelling.assign(tx, urgent, ids[:2]))
    database.write(lambda tx: labelling.assign(tx, acme, ids[1:3]))
    database.write(lambda tx: labelling.set_starred(tx, "demo", ids[:1], True))
    return ids


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_page_with_labels_fits(
    chrome: Chrome, live: Live, mail: list[int], look: tuple[Viewport, ColorScheme], tmp_path: Path
) -> None:
    viewport, scheme = look
    with opened(chrome, live, viewport, scheme) as page:
        for name, path in {"list": "/folders/inbox", "page": "/labels", "message": f"/messages/{mail[1]}"}.items():
            page.goto(path)
            fits(page)
            page.screenshot(path=tmp_path / f"{name}-{viewport.width}-{scheme}.png")
        press(page, "l")
        expect(page.get_by_role("checkbox", name="Clients", exact=True)).to_be_focused()
        page.screenshot(path=tmp_path / f"menu-{viewport.width}-{scheme}.png")
        page.goto("/folders/inbox#nav")
        page.screenshot(path=tmp_path / f"nav-{viewport.width}-{scheme}.png")


def test_a_star_changes_at_once_and_stays(chrome: Chrome, live: Live, mail: list[int]) -> None:
    with opened(chrome, live) as page:
        page.wait_for_selector("html.js")
        star = page.get_by_role("button", name="Star: Offer 3")
        with page.expect_response("**/messages"):
            star.click()
        expect(star).to_have_attribute("aria-pressed", "true")
        page.goto("/starred")
        expect(page.get_by_role("link", name="Offer 3")).to_be_visible()
        page.goto(f"/messages/{mail[3]}")
        with page.expect_response("**/messages"):
            press(page, "s")
        page.goto("/starred")
        expect(page.get_by_text("Offer 3")).to_have_count(0)


def test_keys_label_and_move(chrome: Chrome, live: Live, database: Database, mail: list[int]) -> None:
    with opened(chrome, live) as page:
        press(page, "j", "l")
        page.get_by_role("button", name="Clients", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Changed the labels of 1 message.")
        assert labels_on(database, mail[3]) == ["Clients"]
        page.goto(f"/messages/{mail[2]}")
        press(page, "v")
        page.get_by_role("button", name="März").click()
        expect(page.get_by_role("status")).to_contain_text("Moved 1 message to Rechnungen/2026/März.")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Offer 2")).to_be_visible()
        assert labels_on(database, mail[2]) == ["Clients/Acme Limited"]


def test_labels_of_a_message_are_ticked_and_taken_off(
    chrome: Chrome, live: Live, database: Database, mail: list[int]
) -> None:
    with opened(chrome, live) as page:
        page.goto(f"/messages/{mail[3]}")
        press(page, "l")
        page.get_by_role("checkbox", name="Urgent").check()
        page.get_by_role("button", name="Apply").click()
        page.get_by_role("button", name="Take the label Urgent off").click()
        expect(page.get_by_role("button", name="Take the label Urgent off")).to_have_count(0)
        assert labels_on(database, mail[3]) == []
