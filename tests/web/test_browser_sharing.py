"""Shared mailboxes and mailbox users in the browser: marks in list and conversation, and who reads whose mail."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from onifast_shared.accounts import mailbox_users, passwords, second_factor, shared_mailboxes
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox, team_marks
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_web.app import create_app
from playwright.sync_api import Browser, expect

from peers.browser import ColorScheme, Viewport, page_of
from peers.unpacked import unpacked
from web.browsing import LOOKS, fits, log_in, opened
from web.support import Live, deliver, index, serve
from web.test_browser_axe import found_by

pytestmark = pytest.mark.peers

INFO, ANNA = "info@example.test", "anna@example.test"


@pytest.fixture
def accounts(database: Database) -> dict[str, str]:
    """anna, a mailbox user of demo's, and info, a shared mailbox of theirs; by address."""

    def make(tx: Connection) -> dict[str, str]:
        for address in (INFO, ANNA):
            addresses.add(tx, Address.parse(address), "demo")
        anna = mailbox_users.create(tx, Address.parse(ANNA), "demo", passwords.hashed(f"{ANNA} password"), 1)
        info = shared_mailboxes.create(tx, Address.parse(INFO), "demo", ["demo", anna.account], 1)
        return {ANNA: anna.account, INFO: info.account}

    return database.write(make)


@pytest.fixture
def seeing(settings: Settings, database: Database, templates: BytecodeCache) -> Iterator[Live]:
    """A server where panel users may read mailbox users' mail."""
    others = dataclasses.replace(settings, owners_read_mailboxes=True)
    made: Flask = create_app(others, database)
    made.jinja_env.bytecode_cache = templates
    with serve(made, others) as server:
        yield server


@pytest.mark.parametrize("look", LOOKS)
def test_members_see_whose_task_a_message_is_in_list_and_conversation(
    chrome: Browser, live: Live, database: Database, accounts: dict[str, str], look: tuple[Viewport, ColorScheme]
) -> None:
    info, anna = accounts[INFO], accounts[ANNA]
    first, second, third = (
        deliver(database, owner=info, recipient=INFO, subject=subject)
        for subject in ("Quokka", "Re: Quokka", "Platypus")
    )
    index(database)
    axe, now = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"), time.time()
    database.write(lambda tx: mailbox.set_read(tx, info, [first], True))
    database.write(lambda tx: team_marks.assign(tx, info, second, anna))
    database.write(lambda tx: team_marks.begin_answer(tx, info, second, anna, now))
    database.write(lambda tx: team_marks.set_done(tx, info, first, anna, now))
    database.write(lambda tx: team_marks.set_done(tx, info, third, "demo", now))
    with opened(chrome, live, *look) as page:
        page.goto("/shared-mailboxes")
        page.get_by_role("button", name="Open").first.click()
        rows = page.locator("[data-rows] .row")
        expect(rows.filter(has_text="Quokka")).to_contain_text("anna is answering")
        expect(rows.filter(has_text="Quokka")).to_contain_text("For anna")
        expect(rows.filter(has_text="Platypus")).to_contain_text("Done")
        fits(page)
        assert found_by(axe, page) == []
        page.get_by_role("navigation", name="Tasks").get_by_role("link", name="To do").click()
        expect(rows).to_have_count(1)
        page.get_by_role("navigation", name="Tasks").get_by_role("link", name="Mine").click()
        expect(page.get_by_text("Nothing is yours to do")).to_be_visible()
        page.get_by_role("navigation", name="Tasks").get_by_role("link", name="To do").click()
        rows.first.get_by_role("link").click()
        expect(page.get_by_text("anna@example.test is answering since")).to_be_visible()
        expect(page.locator(f"#message-{first}")).to_contain_text("Done")
        fits(page)
        assert found_by(axe, page) == []
        page.locator(f"#message-{second}").get_by_label("Assigned to").select_option("demo")
        page.locator(f"#message-{second}").get_by_role("button", name="Assign").click()
        expect(page.locator(f"#message-{second}").get_by_label("Assigned to")).to_have_value("demo")
        assert "/conversations/" in page.url


@pytest.mark.parametrize("look", LOOKS)
def test_who_reads_a_mailbox_users_mail_is_told_so_and_seen_by_them(
    chrome: Browser, seeing: Live, database: Database, accounts: dict[str, str], look: tuple[Viewport, ColorScheme]
) -> None:
    deliver(database, owner=accounts[ANNA], recipient=ANNA, subject="Quokka")
    with opened(chrome, seeing, *look) as page:
        page.goto("/mailbox-users")
        page.locator("summary").filter(has_text=ANNA).click()
        page.get_by_role("button", name="Read their mail").click()
        notice = page.get_by_role("status").filter(has_text=f"You are reading the mailbox of {ANNA}")
        expect(notice).to_be_visible()
        fits(page)
        page.get_by_role("link", name="Quokka").click()
        expect(notice).to_be_visible()
        page.get_by_role("button", name="Leave").click()
        expect(page.get_by_text("You are in your own mailbox again.")).to_be_visible()
    with page_of(chrome, seeing.url, viewport=look[0], color_scheme=look[1]) as page:
        log_in(page, ANNA)
        page.goto("/activity")
        expect(page.get_by_text("Mailbox opened by its panel user").first).to_be_visible()
        expect(page.get_by_text("Message read").first).to_be_visible()


def test_administrators_reset_a_second_factor_on_a_page(chrome: Browser, live: Live, database: Database) -> None:
    database.write(lambda tx: second_factor.begin(tx, "demo", 1e9))
    database.write(lambda tx: second_factor.confirm(tx, "demo", "", 1e9, lambda *_: 1))
    with page_of(chrome, live.url) as page:
        log_in(page, "root-admin")
        page.goto("/second-factors")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Reset demo").click()
        expect(page.get_by_text("Nobody yet")).to_be_visible()
    assert not database.read(lambda tx: second_factor.is_on(tx, "demo"))
