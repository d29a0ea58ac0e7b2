"""What the browser tests are written with: a page that demo is logged in to, and what must hold for every page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport, page_of
from web.support import Live

LOOKS: list[tuple[Viewport, ColorScheme]] = [(DESKTOP, "light"), (PHONE, "dark")]
"""Each width and each scheme once: layout goes by the one, colours by the other."""


@contextmanager
def opened(chrome: Browser, live: Live, viewport: Viewport = DESKTOP, scheme: ColorScheme = "light") -> Iterator[Page]:
    """A page of the webmail that demo is logged in to; fails if the browser refused anything on the way."""
    with page_of(chrome, live.url, viewport=viewport, color_scheme=scheme) as page:
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text) if "Security Policy" in message.text else None)
        log_in(page)
        yield page
        assert refused == []


def log_in(page: Page, username: str = "demo") -> None:
    page.goto("/login")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(f"{username} password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()


def press(page: Page, *keys: str) -> None:
    """Presses keys one after the other, once the page's scripts listen."""
    page.wait_for_selector("html.js")
    for key in keys:
        page.keyboard.press(key)


def fits(page: Page) -> None:
    """Nothing sticks out to the side, and on a phone whatever is to be touched is large enough."""
    page.wait_for_load_state()  # until its style sheets are there a page is measured without them
    width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= window, f"{page.url} is {width} wide in a window of {window}"
    if window > 600:
        return
    small = page.evaluate(
        """[...document.querySelectorAll("main button, main a.button, .topbar a, .nav-list a, .row-link")]
           .map(e => [e.textContent.trim().slice(0, 30), e.getBoundingClientRect()])
           .filter(([, box]) => box.width && box.height && (box.height < 40 || box.width < 40))
           .map(([text]) => text)"""
    )
    assert [text for text in small if text not in ("Undo",)] == [], page.url


def begin_writing(page: Page, query: str = "") -> None:
    """Opens the composer on a page of its own, with a subject, once its scripts listen."""
    page.goto(f"/compose{query}")
    page.wait_for_selector("form.composer[data-ready]")
    page.get_by_label("Subject").fill("A subject")
