"""Hostile messages in a real browser: nothing of them runs, and nothing is loaded but images that were asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response
from onifast_shared.db.database import Database
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from playwright.sync_api import Browser, Dialog, Error, Frame, Page, Request

from web.browsing import log_in
from web.hostile_html import CANARY, PAYLOADS, bundled
from web.support import Live, deliver

pytestmark = [pytest.mark.peers, pytest.mark.slow]

HOST = urlsplit(CANARY).hostname

AT_ONCE = 40

# Waits until a page with scripts has been painted; where the policy forbids these, no callback would come.
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


class Watch:
    """Hears what a page does: its requests, dialogs, windows and the frames within its frames."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        self.others: list[object] = []
        page.on("request", self._request)
        page.on("dialog", self._refuse)
        page.on("popup", self._other)
        page.on("frameattached", self._frame)
        page.on("download", self._other)

    def foreign(self, live: Live) -> list[tuple[str, str, str]]:
        """What was asked for beyond the messages and their own style sheets: by which frame, as what, and what."""
        return [
            (request.frame.name, request.resource_type, request.url)
            for request in self.requests
            if not _is_own(request.url, live)
        ]

    def _refuse(self, dialog: Dialog) -> None:
        self.others.append(dialog)
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        self.requests.append(request)

    def _frame(self, frame: Frame) -> None:
        if frame.parent_frame is not frame.page.main_frame:
            self.others.append(frame)

    def _other(self, what: object) -> None:
        self.others.append(what)


def _is_own(url: str, live: Live) -> bool:
    path = url.removeprefix(live.url)
    is_style = path.startswith("/static/") and path.endswith(("/frame.css", "/print.css", "/tokens.css"))
    return url.startswith(live.url) and (path.startswith("/messages/") or path == Beside.PATH or is_style)


class Beside:
    """A page of the tests that shows pages of ours beside each other, each in a frame of its name."""

    PATH = "/healthz"  # the tests' application has this page in its place

    def __init__(self, app: Flask) -> None:
        self.paths: Mapping[str, str] = {}
        app.view_functions["health:alive"] = allow(Who.ANYONE)(self.view)

    def view(self) -> Response:
        frames = "".join(f'<iframe name="{name}" src="{path}"></iframe>' for name, path in self.paths.items())
        style = "<style>iframe { width: 140px; height: 140px }</style>"
        response = Response(f"<!doctype html>{style}{frames}", mimetype="text/html")
        response.headers["Content-Security-Policy"] = "default-src 'self' 'unsafe-inline'; img-src *"
        return response

    def loads(self, page: Page, live: Live, paths: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """What the pages load that is not ours: which of them, as what, and what. No script of theirs runs."""
        watch = Watch(page)
        for names in batched(paths):
            self.paths = {name: paths[name] for name in names}
            page.goto(self.PATH)
            _paint(page)  # the style is computed: by then all loads have begun
            frames = {frame.name: frame for frame in page.frames if frame.parent_frame is page.main_frame}
            assert {name: frame.url.removeprefix(live.url) for name, frame in frames.items()} == self.paths
            assert [name for name, frame in frames.items() if has_run(frame)] == []
            assert page.url == live.url + self.PATH and not has_run(page)
        assert watch.others == []
        return watch.foreign(live)


@pytest.fixture
def beside(app: Flask) -> Beside:
    """Shows many messages at a time: a window for each took minutes."""
    return Beside(app)


def delivered(database: Database) -> dict[str, int]:
    """The ids of the messages, with a word before each payload: a message that shows nothing has no page."""
    return {name: deliver(database, text=None, html=f"<p>Hello</p>{html}") for name, html in bundled().items()}


def has_run(frame: Frame | Page) -> bool:
    """Whether a script of a payload ran."""
    return bool(frame.evaluate("'owned' in window && window.owned === 1"))


@contextmanager
def _page(chrome: Browser, live: Live, *, bypass_csp: bool) -> Iterator[Page]:
    context = chrome.new_context(base_url=live.url, bypass_csp=bypass_csp)
    page = context.new_page()
    log_in(page)
    page.goto("about:blank")  # the inbox asks for news, which is no payload's doing
    yield page
    context.close()


def batched(names: Iterable[str]) -> Iterator[list[str]]:
    """As many names at a time as a window shows frames."""
    rest = list(names)
    while rest:
        yield rest[:AT_ONCE]
        del rest[:AT_ONCE]


def _paint(page: Page) -> None:
    """Has the page painted; Chromium sometimes cannot take the picture of one that is just being made anew."""
    for _ in range(5):
        with contextlib.suppress(Error):
            page.screenshot()
            return
        page.wait_for_timeout(200)
    pytest.fail(f"{page.url} cannot be painted")


def is_wrong(load: tuple[str, str, str]) -> bool:
    """Whether something else was loaded than an image of the message."""
    _, kind, url = load
    return kind != "image" or urlsplit(url).hostname != HOST


@pytest.mark.timeout(600)
def test_nothing_runs_and_nothing_is_loaded_but_images_that_were_asked_for(
    chrome: Browser, beside: Beside, live: Live, database: Database
) -> None:
    """By the sanitiser alone."""
    ids = delivered(database)
    with _page(chrome, live, bypass_csp=True) as page:
        assert beside.loads(page, live, {name: f"/messages/{each}/html" for name, each in ids.items()}) == []
        loaded = beside.loads(page, live, {name: f"/messages/{each}/html?images=1" for name, each in ids.items()})
    assert [each for each in loaded if is_wrong(each)] == [] and len(loaded) > 50


@pytest.mark.timeout(600)
def test_the_policy_lets_images_through_that_were_asked_for_and_nothing_else(
    chrome: Browser, beside: Beside, live: Live, database: Database
) -> None:
    ids = delivered(database)
    with _page(chrome, live, bypass_csp=False) as page:
        loaded = beside.loads(page, live, {name: f"/messages/{each}/html?images=1" for name, each in ids.items()})
    assert [each for each in loaded if is_wrong(each)] == [] and len(loaded) > 50


@pytest.mark.timeout(600)
def test_nothing_hostile_runs_or_loads_on_paper(
    chrome: Browser, beside: Beside, live: Live, database: Database
) -> None:
    ids = delivered(database)
    with _page(chrome, live, bypass_csp=False) as page:
        assert beside.loads(page, live, {name: f"/messages/{each}/print?images=0" for name, each in ids.items()}) == []


@pytest.mark.parametrize("bypass_csp", [True, False], ids=["sanitiser-alone", "with-policy"])
def test_what_only_a_page_of_its_own_would_load_is_not_loaded_either(
    chrome: Browser, live: Live, database: Database, bypass_csp: bool
) -> None:
    """Icons, manifests and where the whole window goes."""
    alone = [html for html in PAYLOADS.values() if any(word in html.lower() for word in ("<link", "<meta", "<base"))]
    ids = [deliver(database, text=None, html=f"<p>Hello</p>{html}") for html in alone]
    with _page(chrome, live, bypass_csp=bypass_csp) as page:
        watch = Watch(page)
        for email_id in ids:
            page.goto(f"/messages/{email_id}/html?images=1")
            _paint(page)
            assert page.url == f"{live.url}/messages/{email_id}/html?images=1" and not has_run(page)
        foreign = [each for each in watch.foreign(live) if is_wrong(each)]
        assert (foreign, watch.others) == ([], [])
    assert len(ids) > 5


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
