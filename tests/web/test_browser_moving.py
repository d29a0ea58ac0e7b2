"""Import, export and storage in a browser: a file goes up in pieces, is gone on with, and its messages are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labelling, labels
from onifast_shared.moving import jobs, working
from onifast_web.actions import moving as actions
from playwright.sync_api import Browser, Page, Route, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport
from web.browsing import fits, opened
from web.support import Live, deliver, index

pytestmark = pytest.mark.peers

LOOKS: list[tuple[Viewport, ColorScheme]] = [(DESKTOP, "light"), (PHONE, "dark")]


def mbox(tmp_path: Path, size: int) -> Path:
    """An mbox of a few messages that has so many octets at least."""
    path = tmp_path / "old mail.mbox"
    with path.open("w") as file:
        for number in range(4):
            file.write(f"From a@x.test Mon Jan  5 10:00:00 2015\nSubject: m{number}\nMessage-ID: <{number}@x>\n\n")
            file.write(("x" * 99 + "\n") * (size // 400) + "\n")
    return path


def work(database: Database, settings: Settings) -> None:
    for job in database.read(jobs.waiting):
        working.run(database, settings, job)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_a_file_goes_up_is_broken_off_and_gone_on_with(  # noqa: PLR0917
    chrome: Browser,
    live: Live,
    database: Database,
    settings: Settings,
    tmp_path: Path,
    viewport: Viewport,
    scheme: ColorScheme,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(actions, "PIECE", 300_000)
    path, pieces = mbox(tmp_path, 1_000_000), list[str]()

    def broken_off(route: Route) -> None:
        pieces.append(route.request.method)
        if len(pieces) == 3:
            route.fulfill(status=409, json={"detail": "Broken off for a test."})
        else:
            route.continue_()

    with opened(chrome, live, viewport, scheme) as page:
        page.goto("/moving")
        fits(page)
        page.route("**/api/mail/imports/pieces", broken_off)
        upload(page, path)
        expect(page.get_by_text("Broken off for a test.")).to_be_visible()
        page.goto("/moving")
        expect(page.get_by_text("choose the same file again: it goes on")).to_be_visible()
        upload(page, path)
        expect(page.locator(".notice")).to_contain_text("The import has begun")
        assert len(pieces) == 3 + 2, "what was here did not go up again"
        work(database, settings)
        expect(page.get_by_text("4 messages came in")).to_be_visible()
        fits(page)


def upload(page: Page, path: Path) -> None:
    form = page.locator("[data-moving-upload]")
    form.get_by_label("File").set_input_files(path)
    form.get_by_role("button", name="Import").click()


def test_a_search_is_exported_and_fetched(chrome: Browser, live: Live, database: Database, settings: Settings) -> None:
    deliver(database, subject="Invoice")
    index(database)
    with opened(chrome, live) as page:
        page.goto("/moving")
        expect(page.get_by_label("Search for")).to_be_hidden()
        page.get_by_label("What", exact=True).select_option("What a search finds")
        page.get_by_label("Search for").fill("subject:invoice")
        page.get_by_role("button", name="Export").click()
        expect(page.get_by_text("Under way", exact=True)).to_be_visible()
        work(database, settings)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert b"Subject: Invoice" in Path(download.value.path()).read_bytes()


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_storage_shows_what_is_large_and_clears_it_away(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    large = deliver(database, subject="A film of the holidays, " * 4, text="x" * 400_000)
    own = database.write(lambda tx: labels.create(tx, "demo", "Clients/Acme", is_folder=True, now=1.0))
    database.write(lambda tx: labelling.assign(tx, own, [large]))
    index(database)
    with opened(chrome, live, viewport, scheme) as page:
        page.goto("/storage")
        fits(page)
        page.get_by_label(re.compile("^Select A film")).check()
        page.get_by_role("button", name="Move to trash").click()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Empty the trash").click()
        expect(page.get_by_role("row", name=re.compile("^Trash"))).to_contain_text("0")
