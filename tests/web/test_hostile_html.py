"""Hostile messages in a real browser: nothing of them runs, and nothing is loaded but images that were asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from onifast_shared.db.database import Database
from playwright.sync_api import Browser, Dialog, Error, Page, Request

from web.browsing import log_in
from web.hostile_html import CANARY, PAYLOADS
from web.support import Live, deliver

pytestmark = [pytest.mark.peers, pytest.mark.slow]

HOST = urlsplit(CANARY).hostname

# Waits until a page with scripts has been painted; where the policy forbids these, no callback would come.
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


class Watch:
    """Hears what a page does: its requests, dialogs, windows and frames."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        self.others: list[object] = []
        page.on("request", self._request)
        page.on("dialog", self._refuse)
        page.on("popup", self._other)
        page.on("frameattached", self._other)
        page.on("download", self._other)

    def foreign(self, live: Live) -> list[tuple[str, str]]:
        """What was asked for beyond the page and its own style sheet."""
        return [(request.resource_type, request.url) for request in self.requests if not _is_own(request.url, live)]

    def _refuse(self, dialog: Dialog) -> None:
        self.others.append(dialog)
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        self.requests.append(request)

    def _other(self, what: object) -> None:
        self.others.append(what)


def _is_own(url: str, live: Live) -> bool:
    path = url.removeprefix(live.url)
    return url.startswith(live.url) and (
        path.startswith("/messages/") or (path.startswith("/static/") and "frame" in path)
    )


@contextmanager
def _page(chrome: Browser, live: Live, *, bypass_csp: bool) -> Iterator[Page]:
    context = chrome.new_context(base_url=live.url, bypass_csp=bypass_csp)
    page = context.new_page()
    log_in(page)
    page.goto("about:blank")  # the inbox asks for news, which is no payload's doing
    yield page
    context.close()


def _paint(page: Page) -> None:
    """Has the page painted; Chromium sometimes cannot take the picture of one that is just being made anew."""
    for _ in range(5):
        with contextlib.suppress(Error):
            page.screenshot()
            return
        page.wait_for_timeout(200)
    pytest.fail(f"{page.url} cannot be painted")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("images", [False, True], ids=["images-blocked", "images-shown"])
@pytest.mark.parametrize("bypass_csp", [True, False], ids=["sanitiser-alone", "with-policy"])
def test_nothing_runs_and_nothing_is_loaded_but_images_that_were_asked_for(
    chrome: Browser, live: Live, database: Database, bypass_csp: bool, images: bool
) -> None:
    # With a word before it, for a message that shows nothing has no page.
    ids = {name: deliver(database, text=None, html=f"<p>Hello</p>{html}") for name, html in PAYLOADS.items()}
    found: dict[str, object] = {}
    loaded = 0
    with _page(chrome, live, bypass_csp=bypass_csp) as page:
        watch = Watch(page)
        for name, email_id in ids.items():
            watch.requests.clear()
            page.goto(f"/messages/{email_id}/html{'?images=1' if images else ''}")
            _paint(page)  # the style is computed: by then all loads have begun
            foreign = watch.foreign(live)
            allowed = [each for each in foreign if images and each[0] == "image" and urlsplit(each[1]).hostname == HOST]
            loaded += len(allowed)
            if len(allowed) < len(foreign) or watch.others or page.evaluate("'owned' in window && window.owned === 1"):
                found[name] = (foreign, list(watch.others))
                watch.others.clear()
            assert page.url.startswith(f"{live.url}/messages/{email_id}/html"), name
    assert found == {}
    assert (loaded > 50) is images, loaded


def test_unsanitised_the_same_messages_do_load_and_run(chrome: Browser, live: Live) -> None:
    """So the tests above can fail."""
    wanted = [name for name in PAYLOADS if name.startswith(("sheet background ", "element image-", "breakout image"))]
    seen = 0
    context = chrome.new_context()
    page = context.new_page()
    watch = Watch(page)
    for name in wanted:
        watch.requests.clear()
        page.set_content(f"<!doctype html><body>{PAYLOADS[name]}")
        page.evaluate(_PAINTED)
        seen += any(request.url.startswith(CANARY) for request in watch.requests)
    page.set_content(PAYLOADS["element script"])
    assert page.evaluate("window.owned") == 1
    context.close()
    assert seen > 15
