"""Unsubscribe: which way is offered, what is done when it is pressed, and what the message tells of it afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import contents, unsubscriptions
from onifast_shared.message import parsing
from onifast_web.actions import unsubscribing

from web.support import Browser, deliver, index

SIGNED = "DKIM-Signature: v=1; d=news.example; h=from:list-unsubscribe:list-unsubscribe-post; b=x"
PASSED = {"spf": "pass", "dkim": "pass", "dmarc": "pass", "arc": "none", "dkim_domains": ["news.example"]}
URL = "https://news.example/u?x=1"
POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click"


def newsletter(database: Database, *fields: str, **more: Any) -> int:
    head = ("From: News <news@news.example>", "To: demo@example.test", "Subject: News", "List-Id: <a.news.example>")
    raw = "\r\n".join((*fields, *head, "", "Hello", "")).encode()
    email_id = deliver(database, raw=raw, **({"authentication": PASSED} | more))
    index(database)
    return email_id


@pytest.fixture
def demo(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setattr(unsubscribing, "PATIENCE", 0.0)
    return Browser.logged_in(app.test_client(), "demo")


def test_one_click_is_asked_for_and_told_of(demo: Browser, database: Database) -> None:
    email_id = newsletter(database, SIGNED, POST, f"List-Unsubscribe: <{URL}>, <mailto:leave@news.example>")
    assert "Unsubscribe by one click at news.example" in demo.text_of(f"/messages/{email_id}")
    assert demo.post(f"/messages/{email_id}/unsubscribe").status_code == 303
    assert "is being asked for no more" in demo.text_of(f"/messages/{email_id}")
    (request,) = database.read(lambda tx: unsubscriptions.waiting(tx, 0, 9))
    assert (request.method, request.target, request.list) == ("one-click", URL, "a.news.example")
    database.write(lambda tx: unsubscriptions.answer(tx, request, "the list’s server answered 500", 1_800_000_000))
    page = demo.text_of(f"/messages/{email_id}")
    assert "could not be left by one click: the list’s server answered 500." in page and "Try again" in page
    database.write(lambda tx: unsubscriptions.answer(tx, request, "", 1_800_000_000))
    later = newsletter(database, SIGNED, POST, f"List-Unsubscribe: <{URL}>")
    page = demo.text_of(f"/messages/{later}")
    assert "You unsubscribed by one click" in page and "Unsubscribe by one" not in page


@pytest.mark.parametrize(
    ("signature", "authentication"),
    [
        ("X-Other: x", PASSED),
        (SIGNED, PASSED | {"dkim_domains": []}),
        (SIGNED.replace(":list-unsubscribe-post", ""), PASSED),
    ],
)
def test_without_a_signature_over_it_no_click_is_made(
    demo: Browser, database: Database, signature: str, authentication: dict[str, Any]
) -> None:
    unsubscribe = f"List-Unsubscribe: <{URL}>, <mailto:leave@news.example?subject=Stop>"
    email_id = newsletter(database, signature, POST, unsubscribe, authentication=authentication)
    assert "by a message to leave@news.example" in demo.text_of(f"/messages/{email_id}")
    assert demo.post(f"/messages/{email_id}/unsubscribe").status_code == 303
    assert database.read(lambda tx: unsubscriptions.waiting(tx, 0, 9)) == []
    sender, recipient, content_id = database.read(
        lambda tx: tx.execute("SELECT sender, recipient, content_id FROM outbox").fetchone() or ("", "", 0)
    )
    assert (sender, recipient) == ("demo@example.test", "leave@news.example")
    raw = database.read(lambda tx: contents.read(tx, int(str(content_id))))
    assert parsing.parse(raw).subject == "Stop"
    assert "You asked by mail to leave@news.example" in demo.text_of(f"/messages/{email_id}")


def test_a_page_is_for_people_to_go_to(demo: Browser, database: Database) -> None:
    email_id = newsletter(database, f"List-Unsubscribe: <{URL}>")
    page = demo.get(f"/messages/{email_id}").text
    assert f'href="{URL}" target="_blank" rel="noopener noreferrer nofollow"' in page
    assert demo.post(f"/messages/{email_id}/unsubscribe").status_code == 409


def test_junk_is_not_answered_and_others_mail_is_nobodys(demo: Browser, app: Flask, database: Database) -> None:
    unsubscribe = "List-Unsubscribe: <mailto:leave@news.example>"
    junk = newsletter(database, unsubscribe, folder="junk")
    assert "Unsubscribe" not in demo.text_of(f"/messages/{junk}")
    assert demo.post(f"/messages/{junk}/unsubscribe").status_code == 409
    email_id = newsletter(database, unsubscribe)
    maria = Browser.logged_in(app.test_client(), "maria")
    assert maria.post(f"/messages/{email_id}/unsubscribe").status_code == 404
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get) == 0
