"""A person at a browser: in by the panel's link or with a password, reads, writes to another site, sees its fate."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.conftest import OUTSIDE
from e2e.site import Site
from peers.browser import PHONE, chromium, page_of
from peers.postfix import RemotePostfix
from peers.swaks import swaks

pytestmark = [pytest.mark.peers, pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(whole=True) as running:
        yield running


def sso_path(site: Site, user: str) -> str:
    """A one-time link as the panel asks for it."""
    issued = site.api("POST", "/api/panel/sso-token", {"username": user})
    assert issued.status == 201, issued.text
    url = urllib.parse.urlsplit(issued.json["url"])
    return f"{url.path}?{url.query}"


def log_in(page: Page, user: str, password: str) -> None:
    page.goto("/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()


def statuses(site: Site, subject: str) -> list[str]:
    """How the recipients of ann's message stand."""
    rows = site.api("GET", "/api/mail/outbox", user="ann").json["outbox"]
    return [row["status"] for row in rows if row["subject"] == subject]


def test_the_panels_link_signs_in_once(site: Site, browser: Browser) -> None:
    path = sso_path(site, "ann")
    with page_of(browser, site.base_url) as page:
        page.goto(path)
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
    with page_of(browser, site.base_url) as page:
        answer = page.goto(path)
        assert answer is not None and answer.status == 403
        expect(page.get_by_role("main")).to_contain_text("link")


def test_mail_is_written_to_another_site_and_its_fate_is_seen(
    site: Site, remote: RemotePostfix, browser: Browser
) -> None:
    with page_of(browser, site.base_url) as page:
        log_in(page, "ann", "correct horse")
        page.goto("/compose")
        page.wait_for_selector("form.composer[data-ready]")
        page.get_by_label("To", exact=True).fill("bob@remote.test")
        page.get_by_label("Subject").fill("From a browser")
        page.get_by_label("Text").fill("Grüße, Bob.")
        page.get_by_role("button", name="Send").click()
        remote.wait_for_one("bob", b"Subject: From a browser")
        # The site has it a moment before the result of that is written here.
        site.eventually(lambda: "sent" in statuses(site, "From a browser"), "the delivery is settled")
        page.goto("/outbox")
        row = page.get_by_role("listitem").filter(has_text="From a browser")
        expect(row).to_contain_text("bob@remote.test")
        expect(row).to_contain_text("Delivered")


def test_mail_is_read_on_a_phone_and_trashed_without_a_mouse(site: Site, browser: Browser) -> None:
    swaks(
        "127.0.0.1", site.smtp_port, "--local-interface", OUTSIDE, "--ehlo", "mx.remote.test",
        "--from", "alice@remote.test", "--to", "ben@example.test", "--header", "Subject: For the phone",
        "--body", "Short and sweet.",
    )  # fmt: skip
    site.wait_for_mail("ben", "For the phone")
    with page_of(browser, site.base_url, viewport=PHONE) as page:
        log_in(page, "ben", "battery staple")
        page.get_by_role("link", name="For the phone").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_contain_text("Short and sweet.")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.keyboard.press("#")
        page.wait_for_url("**/folders/inbox**")
        page.goto("/folders/trash")
        expect(page.get_by_role("main")).to_contain_text("For the phone")
