"""The delivery check: who may ask what, and what the page shows of outbox's answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Connection, Database
from onifast_shared.delivery_check import ask, store
from onifast_shared.queue import hold_rules
from onifast_shared.queue.hold_rules import Pattern
from onifast_web.access.context import Web
from onifast_web.http.problems import waiting_for_others

from web.support import Browser, Panel

API = "/api/mail/explain"
GOOD = {"about": "route", "verdict": "good", "text": "It goes straight to the domain's mail servers.", "facts": {}}
STOP = {"about": "recipient", "verdict": "stop", "text": "There is <no> such mailbox.", "facts": {}}


@contextmanager
def answering(database: Database, *findings: dict[str, Any]) -> Iterator[list[store.DeliveryCheck]]:
    """Answers every inquiry, as outbox does; returns those that came."""
    seen: list[store.DeliveryCheck] = []
    done = threading.Event()

    def write(tx: Connection) -> list[store.DeliveryCheck]:
        waiting = store.unanswered(tx, time.time())
        for each in waiting:
            store.answer(tx, each.id, {"problem": "", "findings": list(findings)})
        return waiting

    def answer() -> None:
        while not done.wait(0.02):
            seen.extend(database.write(write))

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def test_the_api_gives_what_outbox_found(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    with answering(database, GOOD, STOP) as seen:
        answer = demo.get(API, address="bob@remote.test")
    assert answer.status_code == 200
    assert answer.get_json() == {"would_go": False, "findings": [GOOD, STOP]}
    assert [(each.owner, str(each.sender), str(each.recipient)) for each in seen] == [
        ("demo", "demo@example.test", "bob@remote.test")
    ]


def test_only_own_addresses_may_be_asked_about_as_senders(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    assert demo.get(API, address="bob@remote.test", **{"from": "maria@other.test"}).status_code == 403
    wrong = demo.get(API, address="bob")
    assert wrong.status_code == 422
    assert wrong.get_json()["errors"][0]["field"] == "address"


def test_without_outbox_the_api_says_so(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ask.ask
    monkeypatch.setattr(ask, "ask", lambda *values: real(*values, patience=0.1))
    answer = panel.acting_for("demo").get(API, address="bob@remote.test")
    assert answer.status_code == 503
    assert "not running" in answer.get_json()["detail"]


def test_questions_of_one_user_do_not_pile_up(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ask.ask
    monkeypatch.setattr(ask, "ask", lambda *values: real(*values, patience=0))
    demo = panel.acting_for("demo")
    codes = [demo.get(API, address="bob@remote.test").status_code for _ in range(store.MOST_WAITING + 1)]
    assert codes == [503] * store.MOST_WAITING + [429]


def test_the_page_shows_the_findings(browser: Browser, database: Database) -> None:
    assert "Nothing is sent" in browser.text_of("/delivery-check")
    with answering(database, GOOD):
        assert "Nothing stands in the way of mail to bob@remote.test." in browser.text_of(
            "/delivery-check?address=bob@remote.test"
        )
    with answering(database, GOOD, STOP):
        page = browser.get("/delivery-check?address=bob@remote.test")
    assert "Something stands in the way." in page.text
    assert "There is &lt;no&gt; such mailbox." in page.text


def test_the_note_of_a_hold_rule_is_told_to_administrators_alone(
    app: Flask, browser: Browser, panel: Panel, database: Database
) -> None:
    pattern = Pattern.parse(recipient="remote.test")
    rule = database.write(lambda tx: hold_rules.add(tx, pattern, "password stolen?", "panel", time.time()))
    assert rule
    held = {"about": "hold", "verdict": "stop", "text": "It would wait.", "facts": {"rule": rule.id}}
    admin = Browser.logged_in(app.test_client(), "root-admin")
    with answering(database, held):
        assert "password stolen?" not in browser.get("/delivery-check?address=bob@remote.test").text
        assert panel.acting_for("demo").get(API, address="bob@remote.test").get_json()["findings"] == [held]
        assert "It would wait. Its note: password stolen?" in admin.text_of("/delivery-check?address=bob@remote.test")
        assert "password stolen?" in panel.get(API, address="bob@remote.test").get_json()["findings"][0]["text"]


def test_who_waits_for_others_leaves_threads_to_the_rest(app: Flask, browser: Browser, panel: Panel) -> None:
    web: Web = app.extensions["onifast"]
    browser.post("/dkim", {"domain": "example.test", "action": "generate"})
    with ExitStack() as held:
        for _ in range(web.settings.http_threads // 2):
            held.enter_context(waiting_for_others(web.places_to_wait))
        for path, query in ((API, {"address": "bob@remote.test"}), ("/api/mail/dkim", {"domain": "example.test"})):
            answer = panel.acting_for("demo").get(path, **query)
            assert answer.status_code == 503 and answer.headers["Retry-After"]
        for path in ("/delivery-check?address=bob@remote.test", "/dkim?check=example.test"):
            answer = browser.get(path)
            assert answer.status_code == 503 and "Too many others wait for such an answer." in answer.text
        assert browser.get("/folders/inbox").status_code == browser.get("/dkim").status_code == 200
    assert browser.get("/dkim?check=example.test").status_code == 200


def test_the_page_says_what_is_wrong_with_an_address(browser: Browser) -> None:
    answer = browser.get("/delivery-check?address=nonsense")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
