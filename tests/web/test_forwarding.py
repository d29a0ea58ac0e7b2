"""Messages passed on: with their HTML and its images, as text, or as a file; and what stands in a quote."""

from __future__ import annotations

import base64

import pytest
from onifast_shared.db.database import Database
from onifast_shared.message import compose, html_text, parsing
from onifast_shared.message.compose import Draft, EmbeddedImage, OutgoingAttachment
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue import view as queue_view
from onifast_web.actions import forwarding

from web.composing import body, field, only, rows, send
from web.support import PNG, Browser, deliver

HTML = '<p>Hello <b>you</b></p><img src="cid:logo@x" alt="logo"><script>alert(1)</script><p onclick="x()">Bye</p>'


def newsletter(*more: bytes) -> bytes:
    """HTML with an image that it shows, one that it does not, and a file."""
    parts = [
        _multipart("related", b"Content-Type: text/html\r\n\r\n" + HTML.encode(), _image("logo"), _image("other")),
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n\r\nPDF",
        *more,
    ]
    head = (
        b'From: "Doe, Ann" <ann@remote.test>\r\nTo: demo@example.test\r\nBcc: hidden@remote.test\r\n'
        b"Date: Thu, 1 Feb 2024 12:00:00 +0200\r\nSubject: News <1>\r\n"
    )
    return head + _multipart("mixed", *parts)


def _image(name: str) -> bytes:
    head = f"Content-Type: image/png\r\nContent-ID: <{name}@x>\r\nContent-Transfer-Encoding: base64\r\n"
    return f"{head}Content-Disposition: inline; filename={name}.png\r\n\r\n".encode() + base64.encodebytes(PNG)


def _multipart(subtype: str, *parts: bytes) -> bytes:
    body = b"".join(b"--=" + subtype.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    head = f'Content-Type: multipart/{subtype}; boundary="={subtype}"\r\n\r\n'.encode()
    return head + body + b"--=" + subtype.encode() + b"--\r\n"


def forward(browser: Browser, email_id: int, **fields: str) -> None:
    """Sends what the composer begins a forward with."""
    page = browser.get(f"/compose?forward={email_id}").text
    assert 'name="forward" value="html"' in page
    answer = send(browser, subject=field(page, "subject"), source=field(page, "source"), forward="html", **fields)
    assert answer.status_code == 303, answer.text


def shown(parsed: Parsed) -> list[str]:
    """The file names of a message's attachments that its HTML shows."""
    return [item.filename for item in parsed.attachments if f'"cid:{item.content_id}"' in (parsed.html or "")]


def built(draft: Draft) -> bytes:
    return compose.build(draft, "mail.host.test")


def test_a_forward_keeps_the_html_and_the_images_that_it_shows(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=newsletter())
    page = browser.get(f"/compose?forward={email_id}").text
    assert body(page).strip() == "" and "plan.pdf" in page and "other.png" in page and "logo.png" not in page
    forward(browser, email_id, text="See <below>, https://x.test", keep="2")
    _, sent = only(database, "sent")
    html = sent.html or ""
    assert html.index("See &lt;below&gt;, <a") < html.index("Forwarded message") < html.index("<b>you</b>")
    assert "script" not in html and "onclick" not in html and "hidden@" not in html
    assert "From: &quot;Doe, Ann&quot; &lt;ann@remote.test&gt;" in html and "Subject: News &lt;1&gt;" in html
    assert shown(sent) == ["logo.png"]
    assert {item.filename: item.data for item in sent.attachments} == {"logo.png": PNG, "plan.pdf": b"PDF"}
    text = sent.text or ""
    assert text.startswith("See <below>, https://x.test\n\n---------- Forwarded message ----------\nFrom: ")
    assert "Hello you" in text and sent.subject == "Fwd: News <1>"


def test_a_forward_is_built_of_text_html_and_images_as_readers_expect() -> None:
    parsed = parsing.parse(newsletter())
    found = forwarding.with_formatting(parsed)
    assert found
    text, html = found.below("Note")
    message = Draft("a@x.test", ["b@x.test"], text=text, html=html, images=found.images)
    raw = built(message)
    kinds = [b"multipart/alternative", b"text/plain", b"multipart/related", b"text/html", b"image/png"]
    places = [raw.index(b"Content-Type: " + kind) for kind in kinds]
    assert places == sorted(places)


def test_a_forward_waits_as_a_draft_and_goes_out_whole(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=newsletter())
    forward(browser, email_id, do="save", text="One\n\nTwo", keep="2", to="half an")
    draft, _ = only(database, "drafts")
    page = browser.get(f"/compose?draft={draft}").text
    assert body(page).strip() == "One\n\nTwo" and field(page, "to") == "half an"
    assert "plan.pdf" in page and "logo.png" not in page and 'name="forward" value="html"' in page
    frame = browser.get(f"/messages/{draft}/html?part=forwarded").text
    assert "<b>you</b>" in frame and "Two" not in frame and "data:image/png" in frame
    send(browser, text="Three", draft=str(draft), source=str(draft), forward="html", keep="1")
    _, sent = only(database, "sent")
    assert (sent.html or "").count("Forwarded message") == 1 and "Two" not in (sent.html or "") + (sent.text or "")
    assert (sent.text or "").startswith("Three\n\n---------- Forwarded message") and shown(sent) == ["logo.png"]
    assert sorted(item.filename for item in sent.attachments) == ["logo.png", "plan.pdf"]
    assert rows(database, "drafts") == []


def test_a_forward_that_is_called_back_is_the_same_one(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=newsletter())
    forward(browser, email_id, text="Note", to="ann@remote.example")
    sent, _ = only(database, "sent")
    assert browser.post(f"/messages/{sent}/recall").status_code == 303
    draft, _ = only(database, "drafts")
    page = browser.get(f"/compose?draft={draft}").text
    assert body(page).strip() == "Note" and 'name="forward" value="html"' in page and "logo.png" not in page


def test_a_forward_that_cannot_be_sent_is_kept_whole(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=newsletter())
    answer = send(browser, to="nonsense", text="Note", source=str(email_id), forward="html", keep="2")
    assert answer.status_code == 422 and body(answer.text).strip() == "Note"
    fields = {name: field(answer.text, name) for name in ("draft", "source")}
    assert 'name="forward" value="html"' in answer.text and "plan.pdf" in answer.text
    assert send(browser, text="Note", forward="html", keep="1", **fields).status_code == 303
    _, sent = only(database, "sent")
    assert shown(sent) == ["logo.png"] and (sent.html or "").count("Forwarded message") == 1


def test_a_message_that_is_gone_takes_nothing_along_that_was_written(browser: Browser) -> None:
    answer = send(browser, text="Long text", source="4711", forward="html")
    assert answer.status_code == 404 and body(answer.text).strip() == "Long text"


def test_the_html_can_be_forwarded_as_text_to_edit(browser: Browser, database: Database) -> None:
    page = browser.get(f"/compose?forward={deliver(database, raw=newsletter())}&as=text").text
    assert "Hello you" in body(page) and "logo.png" in page and 'value="html"' not in page


def test_nobody_forwards_a_message_of_somebody_elses(browser: Browser, database: Database) -> None:
    foreign = deliver(database, owner="maria", raw=newsletter())
    assert browser.get(f"/compose?forward={foreign}").status_code == 404
    assert browser.get(f"/compose?forward={foreign}&as=attachment").status_code == 404
    assert send(browser, source=str(foreign), forward="html").status_code == 404
    assert send(browser, enclose=str(foreign)).status_code == 404
    assert rows(database, "sent") == []


def test_what_is_shown_below_the_text_is_what_is_sent(browser: Browser, database: Database) -> None:
    html = 'Hidden<div class="forwarded-message">Shown</div>'
    email_id = deliver(database, html=html)
    page = browser.get(f"/compose?forward={email_id}").text
    assert f'/messages/{email_id}/html"' in page and "Hidden" in browser.get(f"/messages/{email_id}/html").text
    forward(browser, email_id, text="Note")
    _, sent = only(database, "sent")
    assert "Hidden" in (sent.html or "") and (sent.html or "").count('class="forwarded-message"') == 1


def test_a_draft_of_another_program_that_looks_like_a_forward_keeps_its_text(
    browser: Browser, database: Database
) -> None:
    html = '<p>Mine</p><div class="forwarded-message">Theirs</div>'
    email_id = deliver(database, text="Mine alone", html=html, folder="drafts")
    page = browser.get(f"/compose?draft={email_id}").text
    assert body(page).strip() == "Mine alone" and 'value="html"' not in page


# As a file


def enclosed(browser: Browser, database: Database, raw: bytes) -> tuple[str, bytes]:
    """The type and the octets of a message that was forwarded as a file."""
    email_id = deliver(database, raw=raw)
    page = browser.get(f"/compose?forward={email_id}&as=attachment").text
    assert f'name="enclose" value="{email_id}"' in page
    assert send(browser, enclose=str(email_id)).status_code == 303
    _, sent = only(database, "sent")
    (item,) = sent.attachments
    assert item.filename.endswith(".eml")
    return item.content_type, item.data


def test_a_message_is_forwarded_as_a_file_without_who_else_got_it(browser: Browser, database: Database) -> None:
    kind, data = enclosed(browser, database, newsletter())
    assert kind == "message/rfc822" and b"hidden@remote.test" not in data
    assert parsing.parse(data).subject == "News <1>" and len(parsing.parse(data).attachments) == 3


def test_a_message_of_8_bits_is_enclosed_so_that_every_server_takes_it(browser: Browser, database: Database) -> None:
    raw = "From: Jörg <j@remote.test>\r\nSubject: ü\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nä\r\n".encode()
    kind, data = enclosed(browser, database, raw)
    assert kind == "message/rfc822" and data.isascii()
    assert (parsing.parse(data).subject, parsing.parse(data).text) == ("ü", "ä\n")


def test_what_cannot_be_made_7_bit_is_enclosed_as_it_is(browser: Browser, database: Database) -> None:
    raw = "From: jörg@remote.test\r\nSubject: x\r\n\r\nä\r\n".encode()
    assert enclosed(browser, database, raw) == ("application/octet-stream", raw)


def test_an_enclosed_message_waits_in_a_draft(browser: Browser, database: Database) -> None:
    email_id = deliver(database, raw=newsletter())
    send(browser, "save", enclose=str(email_id))
    draft, _ = only(database, "drafts")
    send(browser, draft=str(draft), source=str(draft), keep="0")
    _, sent = only(database, "sent")
    assert [item.content_type for item in sent.attachments] == ["message/rfc822"]
    assert len(database.read(lambda tx: queue_view.list_page(tx, "demo")).rows) == 1


# Quotes


def test_a_quote_of_html_is_made_from_the_html(browser: Browser, database: Database) -> None:
    html = (
        '<div style="display:none">Preview text</div><p>First<br>line</p><ul><li>one</li></ul>'
        "<blockquote><p>Earlier</p><blockquote>Earliest</blockquote></blockquote><p>Last</p>"
    )
    email_id = deliver(database, text="This mail needs HTML.", html=html)
    quote = body(browser.get(f"/compose?reply={email_id}").text)
    assert "Preview" not in quote and "needs HTML" not in quote
    assert [line for line in quote.split("\n") if line.strip("> ")][1:] == [
        "> First", "> line", "> - one", ">> Earlier", ">>> Earliest", "> Last",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<p style="DISPLAY : none">no<b>still no</b><p>yes', "yes"),
        ('<p style="display:none">no<p style="display:none">no<p>yes', "yes"),
        ('<p style="mso-hide:all">no</p>yes', "yes"),
        ('<div style="display:none">no<p>still no', ""),
        ('a<span style="display:none">b<span>c</span>d</span>e', "ae"),
        ('a<br style="display:none">b', "a\nb"),
        ("<blockquote>a", "> a"),
        ("</blockquote>a", "a"),
        ("a&#14;b&#15;\nc", "ab c"),
    ],
)
def test_what_is_quotable_of_html(html: str, text: str) -> None:
    assert html_text.to_quotable(html) == text


def test_pictures_go_out_beside_the_html_that_shows_them() -> None:
    image = EmbeddedImage("1@x", "a.png", "image/png", PNG)
    draft = Draft("a@x.test", ["b@x.test"], html='<img src="cid:1@x">', images=[image])
    files = [OutgoingAttachment("b.txt", "text/plain", b"b")]
    parsed = parsing.parse(built(Draft(**{**draft.__dict__, "attachments": files})))
    assert [(item.filename, item.content_id) for item in parsed.attachments] == [("a.png", "1@x"), ("b.txt", "")]
