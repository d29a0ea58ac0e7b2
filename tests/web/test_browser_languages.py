"""The webmail in other languages: nothing of English is left on a page, and pages from right to left are whole.

A picture of each page is left in var/screenshots, for people to look at.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import RegionalChoice
from playwright.sync_api import Browser, Page

from peers.browser import DESKTOP, PHONE, page_of, screenshot
from tools import translations
from web.browsing import fits, log_in
from web.support import Live, deliver, index, queue

pytestmark = pytest.mark.slow

PICTURES = Path(__file__).parents[2] / "var" / "screenshots"
NO_PAGES = re.compile(r"/(logout|static|api|files|attachments|zone|print|export)\b|\.(eml|ics|zip|zone)|/raw")
# Users' data, and what is the same in every language: addresses, hosts, names of things, formats, keys.
SAME = re.compile(
    r"[\w.+*-]*@[\w.-]+|\b[\w-]+(\.[\w-]+)+\b|https?:\S+|[\w-]*(_\w+)+|\b[A-Z][A-Z0-9/-]+s?\b|UTC"
    r"|\b(root-admin|demo|maria|somebody|Onifast Mail|English|Deutsch|Lunch|Plans|Queued|Ann Taylor|By the river"
    r"|Thunderbird|Google|Outlook|Aegis|Authenticator|Microsoft|vCard|Chrome|Chromium|Linux|Safari|Firefox|Edge|Squire"
    r"|onifast-\w+|kB|MB|GB|KiB|MiB|GiB|ms|min|Ctrl|Enter|Esc|smtpd|outbox|web|quoted|pdf|password)\b|Mozilla/.*|supervisorctl.*"
)
VISIBLE = """() => {
  const found = [];
  const data = "bdi, code, kbd, samp, pre, .mono, time, script, style, svg, iframe, optgroup, .snippet, .subject,"
    + " .text-body, .header-list, [lang]:not(html)";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.data.trim() && !node.parentElement.closest(data)) found.push(node.data.trim().replace(/\\s+/g, " "));
  }
  for (const element of document.querySelectorAll("[title], [aria-label], [placeholder], [alt], [data-confirm]")) {
    if (element.closest(data)) continue;
    for (const name of ["title", "aria-label", "placeholder", "alt", "data-confirm"]) {
      if (element.getAttribute(name)) found.push(element.getAttribute(name));
    }
  }
  return found;
}"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    translations.compile_all()
    return dataclasses.replace(settings, pseudo_languages=True)


@pytest.fixture
def mailbox(database: Database) -> None:
    """Some of what pages show."""
    deliver(database, subject="Lunch", text="> quoted\n\nBy the river.\n")
    deliver(database, subject="Plans", html="<p>Some <b>looks</b></p>")
    queue(database, "somebody@remote.example")
    index(database)


def chooses(database: Database, username: str, language: str) -> None:
    choice = RegionalChoice(language, "Europe/Berlin")
    database.write(lambda tx: preferences.put_regional(tx, username, choice))


def pages(page: Page, base: str) -> Iterator[str]:
    """Every page that links lead to, once of each kind; the page is there as it is given out."""
    open_, known = (
        ["/folders/inbox", "/settings", "/administration", "/messages/1", "/compose", "/folders/inbox?q=zebra"],
        set(),
    )
    while open_:
        path = open_.pop(0)
        kind = re.sub(r"\d+|[\w.%-]+(@|%40)[\w.-]+", "N", urlsplit(path).path) + ("?" if "q=" in path else "")
        if kind in known or NO_PAGES.search(path):
            continue
        known.add(kind)
        answer = page.goto(path)
        if answer is None or answer.status != 200:
            continue
        page.wait_for_load_state()
        yield kind
        links: list[str] = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        open_ += [
            urlsplit(each)._replace(scheme="", netloc="", fragment="").geturl()
            for each in links
            if each.startswith(base)
        ]


def keep(page: Page, kind: str, folder: str) -> None:
    (PICTURES / folder).mkdir(parents=True, exist_ok=True)
    screenshot(page, PICTURES / folder / f"{re.sub(r'[^a-z0-9]+', '-', kind.lower()).strip('-')}.png")


def left_english(page: Page) -> list[str]:
    """Texts with a word of plain letters and none with an accent."""
    texts: list[str] = page.evaluate(VISIBLE)
    plain = [SAME.sub("", each) for each in texts]
    return [
        text for text, rest in zip(texts, plain, strict=True) if re.search(r"[A-Za-z]{3,}", rest) and rest.isascii()
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("username", ["root-admin", "demo"])
def test_no_english_is_left_on_any_page(
    chrome: Browser, live: Live, database: Database, mailbox: None, username: str
) -> None:
    with page_of(chrome, live.url, viewport=PHONE, color_scheme="dark") as page:
        log_in(page, username)
        chooses(database, username, "en-XA")
        left = {kind: found for kind in pages(page, live.url) if (found := left_english(page))}
        assert left == {}, "\n".join(f"{kind}: {found}" for kind, found in left.items())


@pytest.mark.timeout(300)
def test_pages_in_german_fit_on_a_phone(chrome: Browser, live: Live, database: Database, mailbox: None) -> None:
    with page_of(chrome, live.url, viewport=PHONE, color_scheme="dark") as page:
        log_in(page, "root-admin")
        chooses(database, "root-admin", "de")
        for kind in pages(page, live.url):
            keep(page, kind, "german-phone")
            fits(page)


@pytest.mark.timeout(300)
def test_pages_from_right_to_left_are_whole(chrome: Browser, live: Live, database: Database, mailbox: None) -> None:
    with page_of(chrome, live.url, viewport=DESKTOP, color_scheme="light") as page:
        log_in(page)
        chooses(database, "demo", "ar-XB")
        for kind in pages(page, live.url):
            keep(page, kind, "right-to-left")
            fits(page)
            side = page.locator("nav.sidebar").bounding_box() if page.locator("nav.sidebar").count() else None
            assert side is None or side["x"] + side["width"] == DESKTOP.width, kind
