"""axe-core finds nothing against WCAG 2.2 AA on any page that links lead to, whoever is logged in.

A picture of each page is left in var/screenshots, for people to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from onifast_shared.db.database import Database
from playwright.sync_api import Browser, Page

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport, page_of, screenshot
from peers.unpacked import unpacked
from web.browsing import log_in
from web.support import Live, deliver, index, queue

pytestmark = [pytest.mark.peers, pytest.mark.slow]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOST_PAGES = 200
"""Far more than there are: so many would mean that links make pages without end."""

PICTURES = Path(__file__).parents[2] / "var" / "screenshots"

NO_PAGES = (
    "/logout",
    "/static",
    "/api",
    ".eml",
    ".ics",
    "/raw",
    "/export",
    "/attachments",
    "/files",
    ".zip",
    ".zone",
    "/zone",
    "/print",
)
"""What is no page, and the page for paper: it runs no script, and axe would wait for its own for ever."""


def found_by(axe: str, page: Page) -> list[str]:
    """What axe has against the page, a line each."""
    page.evaluate(axe)  # by the debugger, which the page's Content-Security-Policy does not bind
    result: dict[str, Any] = page.evaluate(
        "rules => axe.run({runOnly: {type: 'tag', values: rules}, resultTypes: ['violations'], iframes: false})", RULES
    )
    return [
        f"{page.url}: {each['id']}: {each['help']}: {each['nodes'][0]['html'][:160]}" for each in result["violations"]
    ]


def linked(page: Page, base: str) -> Iterator[str]:
    """The pages of ours that a page links to."""
    for href in page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)"):
        parts = urlsplit(href)
        if href.startswith(base) and not any(word in parts.path for word in NO_PAGES):
            yield parts._replace(scheme="", netloc="", fragment="").geturl()


def keep_picture(page: Page, path: str, username: str, look: tuple[Viewport, ColorScheme]) -> None:
    """Leaves a picture of the page as it is first seen."""
    folder = PICTURES / f"{username}-{look[0].width}-{look[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    screenshot(page, folder / f"{re.sub(r'[^a-z0-9]+', '-', kind_of(path)).strip('-') or 'home'}.png")


def kind_of(path: str) -> str:
    """Pages of one kind differ by a number, a name or what is asked for only: one of them is looked at."""
    parts = urlsplit(path).path.split("/")
    return "/".join("N" if part.isdigit() or "." in part or "@" in part or "%" in part else part for part in parts)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("username", ["root-admin", "demo"])
@pytest.mark.parametrize("look", [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_no_page_has_anything_that_axe_finds(
    chrome: Browser, live: Live, database: Database, username: str, look: tuple[Viewport, ColorScheme]
) -> None:
    axe = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    deliver(database, subject="Plain", text="> quoted\n\nText.\n")
    deliver(database, subject="With looks", html="<p>Some <b>HTML</b> <a href='https://remote.test/'>link</a></p>")
    queue(database, "somebody@remote.example")
    index(database)
    found: list[str] = []
    seen: set[str] = set()
    with page_of(chrome, live.url, viewport=look[0], color_scheme=look[1]) as page:
        page.goto("/login")
        found += found_by(axe, page)
        log_in(page, username)
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            if kind_of(path) in seen:
                continue
            seen.add(kind_of(path))
            assert len(seen) < MOST_PAGES, sorted(seen)
            answer = page.goto(path)
            if answer is None or "text/html" not in answer.headers.get("content-type", ""):
                continue
            assert answer.status == 200, path
            keep_picture(page, path, username, look)
            found += found_by(axe, page)
            waiting += linked(page, live.url)
    assert len(seen) > 20, sorted(seen)
    assert "\n".join(found) == ""
