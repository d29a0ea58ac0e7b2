"""Debian's Chromium, driven by Playwright, as a person's browser.

Nearly all tests run in its headless shell: the same engine without the window around it. There a profile with a page
costs a fifth of the processor time that it costs in the browser with its tabs and bars, which the end-to-end tests use.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, Page, expect, sync_playwright

_SHELL = "/usr/bin/chromium-headless-shell"
_WHOLE = "/usr/bin/chromium"
_PATIENCE_MS = 20_000
expect.set_options(timeout=_PATIENCE_MS)  # as long as for a click: five seconds are short on a busy machine
_FLAGS = (
    "--no-sandbox",  # Chromium's sandbox does not start as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # nothing leaves the machine
)

ColorScheme = Literal["light", "dark"]


class Viewport(NamedTuple):
    """The size of a window, in CSS pixels."""

    width: int
    height: int


DESKTOP = Viewport(1280, 800)
PHONE = Viewport(390, 844)


@contextmanager
def chromium(*, whole: bool = False) -> Iterator[Browser]:
    """Runs one Chromium, its headless shell or the *whole* browser; it takes a second to start, so share it.

    While it runs its event loop belongs to this thread: no async test can run in between.
    """
    with sync_playwright() as playwright:
        program = _WHOLE if whole else _SHELL
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser,
    base_url: str | None = None,
    *,
    viewport: Viewport = DESKTOP,
    color_scheme: ColorScheme = "light",
    reduced_motion: bool = True,
) -> Iterator[Page]:
    """Opens a page in a profile of its own, with no cookie; ``page.goto`` and the like take paths under *base_url*.

    At the end an error that a script of the page did not catch raises AssertionError.
    """
    context = browser.new_context(
        base_url=base_url,
        viewport={"width": viewport.width, "height": viewport.height},
        color_scheme=color_scheme,
        reduced_motion="reduce" if reduced_motion else "no-preference",
        has_touch=viewport.width < 600,
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert not errors, errors


def screenshot(page: Page, path: Path, *, full_page: bool = False) -> Path:
    """Writes a PNG of *page*, with animations at their end and no blinking cursor; returns *path*."""
    page.screenshot(path=path, full_page=full_page, animations="disabled", caret="hide")
    return path
