"""A short answer below the message: sent once, from the address that the message came to, and found in the composer."""

from __future__ import annotations

import re
from html import unescape

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import parsing

from web.support import Browser, deliver, index


def fields(page: str) -> dict[str, str]:
    form = page.partition('<form class="quick-reply"')[2].partition("</form>")[0]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in found if name != "csrf_token"}


def test_it_goes_to_the_author_with_the_message_quoted_and_leads_back(app: Flask, database: Database) -> None:
    email_id = deliver(database, subject="Lunch?", text="How about Thursday?\n")
    index(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    form = fields(demo.get(f"/messages/{email_id}").text)
    assert form["to"] == "Ann Taylor <ann@remote.example>"
    data = form | {"text": "Yes!", "do": "send"}
    answer = demo.post("/compose", data)
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/messages/{email_id}?did=sent")
    sent = database.read(lambda tx: mailbox.raw(tx, mailbox.list_page(tx, "demo", "sent").rows[0].id))
    parsed = parsing.parse(sent)
    assert str(parsed.sender) == "demo@example.test"
    assert parsed.subject == "Re: Lunch?"
    assert parsed.in_reply_to == parsing.parse(database.read(lambda tx: mailbox.raw(tx, email_id))).message_id
    assert (parsed.text or "").startswith("Yes!") and "How about Thursday?" in (parsed.text or "")
    again = demo.post("/compose", data)
    assert "already-sent" in again.headers["Location"]


def test_it_goes_on_in_the_composer(app: Flask, database: Database) -> None:
    email_id = deliver(database, subject="Lunch?")
    demo = Browser.logged_in(app.test_client(), "demo")
    form = fields(demo.get(f"/messages/{email_id}").text)
    answer = demo.post("/compose", form | {"text": "Let me think", "do": "open"})
    assert answer.headers["Location"].endswith(f"/compose?key={form['key']}")
    page = demo.get(answer.headers["Location"]).text
    assert "Let me think" in page and "ann@remote.example" in page and "Re: Lunch?" in page


def test_there_is_none_below_junk_and_for_who_only_looks(app: Flask, database: Database) -> None:
    email_id = deliver(database, folder="junk")
    page = Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}").text
    assert 'class="quick-reply"' not in page
