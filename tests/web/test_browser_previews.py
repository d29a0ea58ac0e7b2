"""Previews in a real browser: what is attached is seen, and nothing of it runs or reaches the reader's mail."""

from __future__ import annotations

import io
import wave

import pytest
from onifast_shared.db.database import Database
from onifast_shared.message.compose import OutgoingAttachment
from playwright.sync_api import Browser, Page, expect

from peers.browser import DESKTOP, PHONE, ColorScheme, Viewport
from peers.unpacked import unpacked
from web.browsing import LOOKS, fits, opened
from web.hostile_html import PAYLOADS
from web.support import Live, deliver
from web.test_browser_axe import found_by
from web.test_previews import png

pytestmark = pytest.mark.peers

RUNS = b"top.owned=1;parent.owned=1;window.owned=1;app.alert('x')"


def pdf(pages: int) -> bytes:
    """A PDF of so many pages in Helvetica, which runs a script as it is opened and has one behind a link."""
    kids = " ".join(f"{5 + 2 * page} 0 R" for page in range(pages))
    run = f"<< /S /JavaScript /JS ({RUNS.decode()}) >>".replace("('x')", "\\('x'\\)")
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /OpenAction {run} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Annot /Subtype /Link /Rect [0 0 595 842] /A << /S /URI /URI (http://evil.example/) >> >>",
    ]
    for page in range(pages):
        text = f"BT /F1 32 Tf 72 700 Td (Invoice page {page + 1}) Tj ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Annots [4 0 R] /Contents {6 + 2 * page} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        ]
    body, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer << /Size {len(objects) + 1} /Root 1 0 R >>"
    return body + f"{end}\nstartxref\n{len(body)}\n%%EOF".encode()


def sound() -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 10)
    return made.getvalue()


def with_files(database: Database) -> int:
    files = (
        ("invoice.pdf", "application/pdf", pdf(60)),
        ("photo of the office.png", "image/png", png(400, 300)),
        ("ding.wav", "audio/wav", sound()),
        ("drawing.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='" + RUNS[:12] + b"'/>"),
        ("page.html", "text/html", f"<script>{RUNS.decode()}</script>{''.join(PAYLOADS.values())}".encode()),
        ("broken.pdf", "application/pdf", b"%PDF-1.4 nonsense"),
    )
    return deliver(database, subject="Files", attachments=[OutgoingAttachment(*each) for each in files])


def heard(page: Page) -> list[str]:
    """What a page asks for, and the errors that it reports, from now on."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_a_pdf_is_drawn_page_by_page_and_nothing_of_it_runs(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    email_id = with_files(database)
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(f"/messages/{email_id}")
        page.get_by_role("link", name="invoice.pdf").first.click()
        found = heard(page)
        drawn = page.frame_locator("iframe")
        expect(drawn.locator("[data-page='1'][data-drawn]")).to_be_visible()
        expect(drawn.get_by_text("Invoice page 1", exact=True)).to_be_attached()
        expect(drawn.get_by_text("60 pages")).to_be_visible()
        expect(drawn.locator("[data-page='50'] canvas")).to_have_count(0)
        drawn.locator("[data-page='50']").evaluate("e => e.scrollIntoView()")
        expect(drawn.locator("[data-page='50'][data-drawn]")).to_be_attached()
        expect(drawn.locator("[data-page='1'] canvas")).to_have_count(0)
        drawn.get_by_role("button", name="Larger").click()
        expect(drawn.get_by_text("125 %")).to_be_visible()
        expect(drawn.get_by_role("link")).to_have_count(0)
        assert [each for each in found if not each.startswith((live.url, "blob:"))] == []
        frame = page.frames[1]
        assert frame.evaluate("self.origin") == "null"
        assert frame.evaluate("fetch('/folders/inbox').then(() => 'read', () => 'refused')") == "refused"
        assert page.evaluate("'owned' in window") is False
        fits(page)


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_one_goes_through_what_is_attached_by_keys_and_nothing_runs(
    chrome: Browser, live: Live, database: Database, viewport: Viewport, scheme: ColorScheme
) -> None:
    axe = (unpacked("npm") / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    email_id = with_files(database)
    with opened(chrome, live, viewport, scheme) as page:
        page.goto(f"/messages/{email_id}/preview/1")
        found = heard(page)
        assert page.locator("main img").evaluate("e => e.decode().then(() => e.naturalWidth)") == 400
        assert found_by(axe, page) == []
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**/preview/2")
        page.wait_for_function("document.querySelector('audio').readyState > 0")
        page.keyboard.press("ArrowRight")
        for name in ("drawing.svg", "page.html"):
            expect(page.get_by_role("heading", name=name)).to_be_visible()
            expect(page.locator("pre")).to_contain_text("owned=1")
            assert page.evaluate("'owned' in window") is False
            assert found_by(axe, page) == []
            fits(page)
            page.wait_for_selector("html.js")
            page.keyboard.press("j")
        expect(page.frame_locator("iframe").get_by_text("This file is no PDF that can be read.")).to_be_visible()
        assert [each for each in found if not each.startswith((live.url, "blob:"))] == []
        page.wait_for_selector("html.js")
        page.keyboard.press("Escape")
        page.wait_for_url(f"**/messages/{email_id}")
        fits(page)
        assert found_by(axe, page) == []


def test_without_scripts_all_but_a_pdf_is_shown(chrome: Browser, live: Live, database: Database) -> None:
    email_id = with_files(database)
    with opened(chrome, live) as page:
        state = page.context.storage_state()
    context = chrome.new_context(base_url=live.url, java_script_enabled=False, storage_state=state)
    plain = context.new_page()
    plain.goto(f"/messages/{email_id}/preview/0")
    expect(plain.get_by_text("Without JavaScript a PDF cannot be shown here")).to_be_visible()
    plain.get_by_role("link", name="Next attachment").click()
    expect(plain.get_by_role("img", name="photo of the office.png")).to_be_visible()
    context.close()
