"""HTML messages in a real browser: as their authors meant them, on a desktop and a phone, on light and dark pages."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_shared.db.database import Database
from playwright.sync_api import Browser, Frame, Page, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport
from web.browsing import fits, opened
from web.support import Live, deliver

pytestmark = pytest.mark.peers

NIGHT = '<body style="background:#111111"><p id=p style="color:#ffffff">White on black</p></body>'
PLAIN = "<p id=p>No colours at all</p>"
COLOURED = '<p id=p style="color:#222222">Dark grey</p>'
ADAPTING = """<head><meta name="color-scheme" content="light dark"><style>
  .box{background:#ffffff;color:#000000;width:600px} .wide{display:block}
  @media (prefers-color-scheme: dark){.box{background:#101010;color:#fafafa}}
  @media (max-width: 600px){.box{width:100%} .wide{display:none}}
</style></head><body><div class=box id=p>Box<span class=wide id=w>wide</span></div></body>"""
BOTH: list[ColorScheme] = ["light", "dark"]


def shown(page: Page, email_id: int, query: str = "") -> Frame:
    """The message within its page."""
    page.goto(f"/messages/{email_id}{query}")
    frame = page.locator("iframe.html-body").element_handle().content_frame()
    assert frame
    frame.wait_for_load_state()
    return frame


def style(frame: Frame, selector: str, name: str) -> Any:
    return frame.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")


@pytest.mark.parametrize("scheme", BOTH)
def test_the_bodys_background_reaches_to_the_edges(
    chrome: Browser, live: Live, database: Database, scheme: ColorScheme
) -> None:
    email_id = deliver(database, text=None, html=NIGHT)
    with opened(chrome, live, DESKTOP, scheme) as page:
        frame = shown(page, email_id)
        assert style(frame, "body", "backgroundColor") == "rgb(17, 17, 17)"
        assert style(frame, "html", "backgroundColor") == "rgba(0, 0, 0, 0)"  # so the body's is that of the whole page
        assert style(frame, "#m-p", "color") == "rgb(255, 255, 255)"


def test_what_has_no_colours_follows_the_theme(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(database, text=None, html=PLAIN)
    found = {}
    for scheme in BOTH:
        with opened(chrome, live, DESKTOP, scheme) as page:
            frame = shown(page, email_id)
            found[scheme] = style(frame, "#m-p", "color")
            expect(page.get_by_role("link", name="Show with dark colours")).to_be_hidden()
    assert found == {"light": "rgb(26, 30, 38)", "dark": "rgb(230, 233, 240)"}


def test_what_has_colours_lies_on_paper_until_the_reader_wants_it_dark(
    chrome: Browser, live: Live, database: Database
) -> None:
    email_id = deliver(database, text=None, html=COLOURED)
    with opened(chrome, live, PHONE, "dark") as page:
        frame = shown(page, email_id)
        assert style(frame, "#m-p", "color") == "rgb(34, 34, 34)"
        assert (
            page.eval_on_selector("iframe.html-body", "e => getComputedStyle(e).backgroundColor")
            == "rgb(255, 255, 255)"
        )
        assert style(frame, "html", "filter") == "none"
        fits(page)
        page.get_by_role("link", name="Show with dark colours").click()
        expect(page.get_by_role("link", name="Show as it was made")).to_be_visible()
        assert style(page.frames[-1], "html", "filter") != "none"
    with opened(chrome, live, PHONE, "light") as page:
        shown(page, email_id)
        expect(page.get_by_role("link", name="Show with dark colours")).to_be_hidden()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_its_media_queries_hold(chrome: Browser, live: Live, database: Database, viewport: Viewport) -> None:
    email_id = deliver(database, text=None, html=ADAPTING)
    for scheme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(16, 16, 16)")):
        with opened(chrome, live, viewport, scheme) as page:  # type: ignore[arg-type]
            frame = shown(page, email_id)
            assert style(frame, "#m-p", "backgroundColor") == colour
            assert style(frame, "#m-w", "display") == ("none" if viewport == PHONE else "block")
            light = shown(page, email_id, "?theme=light")
            assert style(light, "#m-p", "backgroundColor") == "rgb(255, 255, 255)"


def test_a_link_within_the_message_leads_there_and_nowhere_else(
    chrome: Browser, live: Live, database: Database
) -> None:
    html = '<a href="#end">Down</a>' + "<p>x</p>" * 200 + '<h2 id="end">The end</h2>'
    email_id = deliver(database, text=None, html=html)
    with opened(chrome, live) as page:
        frame = shown(page, email_id)
        page.wait_for_function("document.querySelector('iframe').clientHeight > 2000")
        frame.click("a")
        expect(page.frame_locator("iframe.html-body").get_by_text("The end")).to_be_in_viewport()
        assert len(page.context.pages) == 1 and page.url.endswith(f"/messages/{email_id}")


def test_blocked_images_leave_no_holes(chrome: Browser, live: Live, database: Database) -> None:
    html = (
        '<p>Before</p><img id=a src="http://i.example/a.png" width=600 height=400><img id=b alt="Our new shop"'
        ' style="display:block;width:600px;height:400px" src="http://i.example/b.png"><p>After</p>'
    )
    email_id = deliver(database, text=None, html=html)
    with opened(chrome, live) as page:
        frame = shown(page, email_id)
        assert 0 < frame.eval_on_selector("#m-b", "e => e.getBoundingClientRect().height") < 40
        assert frame.eval_on_selector("body", "e => e.getBoundingClientRect().height") < 150
        assert frame.eval_on_selector_all("img", "all => all.length") == 0  # each would show the mark of a broken one
        expect(page.get_by_text("2 remote images are not shown")).to_be_visible()


def test_the_authors_own_measures_win_over_ours(chrome: Browser, live: Live, database: Database) -> None:
    html = "<style>div{max-width:200px;width:100%} body{margin:0} a{color:rgb(1,2,3)}</style><div id=p>x <a href='http://a.example'>y</a>"
    email_id = deliver(database, text=None, html=html)
    with opened(chrome, live) as page:
        frame = shown(page, email_id)
        assert style(frame, "#m-p", "width") == "200px"
        assert style(frame, "body", "marginLeft") == "0px"
        assert style(frame, "a", "color") == "rgb(1, 2, 3)"


def test_what_is_too_wide_for_a_phone_is_made_to_fit(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(
        database, text=None, html='<table width="700"><tr><td width=700 style="min-width:700px">x</table>'
    )
    with opened(chrome, live, PHONE) as page:
        frame = shown(page, email_id)
        page.wait_for_function("document.querySelector('iframe').contentDocument.documentElement.style.zoom")
        width, room = frame.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width <= room + 1
        fits(page)


def test_the_list_of_image_senders_is_reached_from_the_message(chrome: Browser, live: Live, database: Database) -> None:
    email_id = deliver(database, text=None, html='<p>x</p><img src="http://127.0.0.1:9/a.png" alt=A>')
    for viewport in (DESKTOP, PHONE):
        with opened(chrome, live, viewport) as page:
            shown(page, email_id)
            fits(page)
            if viewport == DESKTOP:
                page.get_by_role("button", name="Always from ann@remote.example").click()
                expect(page.get_by_text("always shown from now on")).to_be_visible()
            page.goto(f"/messages/{email_id}")
            page.get_by_role("link", name="Change").click()
            expect(page.get_by_role("cell", name="ann@remote.example", exact=True)).to_be_visible()
            fits(page)
