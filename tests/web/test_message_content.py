"""The page of a message shows all that it brings: attachments, invitations, messages inside, long texts in part."""

from __future__ import annotations

import re

import golden
import pytest
from onifast_shared.db.database import Database
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect
from specimens import HEAD, INNER, coded, marked, message, multipart, part, text

from peers.browser import PHONE, ColorScheme
from web.browsing import fits, opened
from web.support import Browser, Live, deliver, index, words

INVITATION = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261201T100000Z\r\nDURATION:PT1H\r\n"
    b"SUMMARY:Plan <b>\\, and review\r\nLOCATION:Room 4\r\nORGANIZER;CN=Ann:mailto:ann@remote.test\r\n"
    b"ATTENDEE;PARTSTAT=ACCEPTED;CN=Bob:mailto:bob@remote.test\r\nDESCRIPTION:Bring\\nnotes\r\nEND:VEVENT\r\n"
    b"END:VCALENDAR\r\n"
)
CARD = b"BEGIN:VCARD\r\nFN:Ann Taylor\r\nORG:Works;Sales\r\nEMAIL:ann@remote.test\r\nTEL:+1 2\r\nEND:VCARD\r\n"


def shown(browser: Browser, database: Database, raw: bytes, more: str = "") -> str:
    """The page of a message."""
    return str(browser.get(f"/messages/{deliver(database, raw=raw)}{more}").text)


def golden_message(name: str) -> bytes:
    return (golden.MESSAGES / f"{name}.eml").read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pdf-in-related", "invoice.pdf"),
        ("jpg-related-unreferenced", "photo.jpg"),
        ("inline-image-heic", "a.heic"),
        ("apple-photo", "IMG_0001.jpeg"),
        ("uuencode-cte", "a.txt"),
        ("mixed-text-named", "a.pdf"),
        ("text-name", "The whole message text."),
        ("wrong-boundary", "Hello there"),
        ("enriched", "Hello there"),
        ("smime-opaque", "S/MIME message in a form that cannot be opened here"),
        ("smime-encrypted", "encrypted with S/MIME"),
        ("pgp-mime", "encrypted with PGP"),
        ("pgp-in-text", "encrypted with PGP"),
        ("calendar-only", "Meeting"),
        ("calendar", "Meeting"),
        ("rfc822", "€ inner"),
        ("image-only", "This message has no text of its own."),
        ("empty-body", "This message is empty."),
        ("empty-message", "This message is empty."),
    ],
)
def test_what_a_message_brings_is_seen(name: str, expected: str, browser: Browser, database: Database) -> None:
    assert expected in words(shown(browser, database, golden_message(name)))


@pytest.mark.parametrize("name", golden.names())
def test_no_message_is_shown_as_if_it_had_nothing(name: str, browser: Browser, database: Database) -> None:
    raw = golden_message(name)
    page = shown(browser, database, raw)
    assert ("This message is empty." in page) == (name in ("empty-body", "empty-message"))


@pytest.mark.parametrize(
    "name", ["image-gif-in-place", "content-location", "image-percent-encoded-reference", "image-escaped-reference"]
)
def test_an_image_that_is_shown_in_place_is_not_listed(name: str, browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=golden_message(name))
    assert "attachments-title" not in browser.get(f"/messages/{email_id}").text
    assert 'src="data:image/' in browser.get(f"/messages/{email_id}/html").text


def test_an_image_is_listed_where_the_text_is_read_without_it(browser: Browser, database: Database) -> None:
    page = shown(browser, database, golden_message("related-in-alternative-in-mixed"), "?view=text")
    assert "2 attachments" in page


def test_an_invitation_says_what_when_where_and_who(browser: Browser, database: Database) -> None:
    raw = message(multipart("alternative", text("You are invited"), part("text/calendar; method=REQUEST", INVITATION)))
    page = shown(browser, database, raw)
    assert "Plan &lt;b&gt;, and review" in page
    assert 'datetime="2026-12-01T10:00:00Z"' in page and 'datetime="2026-12-01T11:00:00Z"' in page
    for expected in ("Room 4", "ann@remote.test", "Bob", "(accepted)", "Bring\nnotes", "You are invited"):
        assert expected in page


def test_a_cancelled_event_is_said_to_be(browser: Browser, database: Database) -> None:
    raw = message(part("text/calendar", INVITATION.replace(b"REQUEST", b"CANCEL")))
    assert "This event is cancelled." in shown(browser, database, raw)


def test_a_card_is_shown(browser: Browser, database: Database) -> None:
    page = words(shown(browser, database, message(multipart("mixed", text("Hi"), part("text/vcard", CARD)))))
    assert "Ann Taylor" in page and "Works, Sales" in page and "+1 2" in page


def test_a_message_inside_opens_with_all_that_is_in_it(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=golden_message("rfc822"))
    assert f"/messages/{email_id}/inside/0" in browser.get(f"/messages/{email_id}").text
    page = browser.get(f"/messages/{email_id}/inside/0").text
    assert "€ inner" in page and "inner text" in page and "inner.pdf" in page
    file = browser.get(f"/messages/{email_id}/inside/0/attachments/0")
    assert (file.data, file.mimetype) == (b"Hello", "application/pdf")


def test_messages_inside_messages_open_one_after_the_other(browser: Browser, database: Database) -> None:
    innermost = HEAD % b"in the middle" + marked('<p>Hi</p><script>alert(1)</script><img src="https://t.test/x.png">')
    raw = message(part("message/rfc822", HEAD % b"between" + multipart("mixed", coded("message/rfc822", innermost))))
    email_id = deliver(database, raw=raw)
    assert f"/messages/{email_id}/inside/0.0" in browser.get(f"/messages/{email_id}/inside/0").text
    page = browser.get(f"/messages/{email_id}/inside/0.0").text
    assert f"/messages/{email_id}/inside/0.0/html" in page and "One remote image is" in page
    frame = browser.get(f"/messages/{email_id}/inside/0.0/html")
    assert "<script" not in frame.text and "t.test" not in frame.text
    assert "default-src 'none'" in frame.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["1", "0.7", "x", "0.", "-1", "9999", "0/../0", ".".join("0" * 11)])
def test_what_is_no_message_inside_is_not_found(path: str, browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=message(part("message/rfc822", INNER)))
    assert browser.get(f"/messages/{email_id}/inside/{path}").status_code == 404


def test_nobody_opens_what_is_inside_the_mail_of_others(browser: Browser, database: Database) -> None:
    email_id = deliver(database, owner="maria", raw=message(part("message/rfc822", INNER)))
    for path in ("", "/html", "/attachments/0"):
        assert browser.get(f"/messages/{email_id}/inside/0{path}").status_code == 404


def test_a_long_text_is_shown_in_part_and_whole_when_asked_for(browser: Browser, database: Database) -> None:
    lines = "\r\n".join(f"https://long.test/{number:06}" for number in range(40_000))
    email_id = deliver(database, raw=message(text(lines)))
    page = browser.get(f"/messages/{email_id}").text
    assert len(page) < 3_000_000 and "https://long.test/000001" in page and "https://long.test/039999" not in page
    (link,) = re.findall(r'href="([^"]*all=1[^"]*)">Show all of it', page)
    whole = browser.get(link.replace("&amp;", "&")).text
    assert "https://long.test/039999" in whole and "Show all of it" not in whole


def test_html_that_is_too_much_for_a_browser_is_shown_as_text_in_part(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=message(marked("<p>line of text</p>" * 30_000)))
    page = browser.get(f"/messages/{email_id}").text
    assert "line of text" in page and "<iframe" not in page and "The text goes on." in page


@pytest.mark.peers
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_invitations_and_messages_inside_fit(
    scheme: ColorScheme, chrome: Chrome, live: Live, database: Database
) -> None:
    raw = message(
        multipart(
            "mixed",
            text("See both."),
            part("text/calendar", INVITATION),
            part("text/vcard", CARD),
            part("message/rfc822", INNER),
        ),
        b"An invitation",
    )
    deliver(database, raw=raw)
    index(database)
    with opened(chrome, live, viewport=PHONE, scheme=scheme) as page:
        page.get_by_role("link", name=re.compile("An invitation")).click()
        expect(page.get_by_role("heading", name="Plan <b>, and review")).to_be_visible()
        fits(page)
        page.get_by_role("link", name=re.compile("inside")).first.click()
        expect(page.get_by_text("The text inside.")).to_be_visible()
        fits(page)
