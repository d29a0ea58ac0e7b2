"""Searches: by a form, kept under a name, made lately, and how a typed one may go on."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import labels
from onifast_shared.search import saved
from onifast_web.actions import finding

from web.support import Browser, Panel, deliver, index

API = "/api/mail/searches"


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser.logged_in(app.test_client(), "demo")


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ({"words": "invoice march"}, "invoice march"),
        ({"without": "draft copy", "from": "Ann Lee"}, '-draft -copy from:"Ann Lee"'),
        ({"subject": 'say "hi"', "attachment": "1"}, 'subject:"say  hi" has:attachment'),
        ({"in": "Clients/Acme Ltd", "unread": "1", "starred": "1"}, 'in:"Clients/Acme Ltd" is:unread is:starred'),
        ({"after": "2026-01-02", "larger": "5M", "label": "a(b)"}, 'label:"a(b)" after:2026-01-02 larger:5M'),
        ({"words": "  "}, ""),
    ],
)
def test_a_form_becomes_a_search(fields: dict[str, str], query: str) -> None:
    assert finding.query_of(fields) == query


def test_a_form_finds_in_all_folders(browser: Browser, database: Database) -> None:
    deliver(database, subject="Invoice", folder="archive")
    index(database)
    found = browser.get("/searches?go=1&subject=invoice&from=")
    assert found.status_code == 303 and found.headers["Location"].endswith("/folders/inbox?q=subject:invoice&in=all")
    assert "Invoice" in browser.text_of(found.headers["Location"])
    wrong = browser.get("/searches?go=1&words=")
    assert wrong.status_code == 422 and "Say at least one thing" in wrong.text


def test_a_search_is_kept_and_stands_in_the_menu(browser: Browser, database: Database) -> None:
    browser.post("/searches", {"do": "save", "name": "Unpaid <b>", "query": "invoice is:starred"})
    shown = browser.get("/folders/inbox").text
    assert "Unpaid &lt;b&gt;" in shown and "q=invoice+is:starred&amp;in=all" in shown.replace("%3A", ":").replace(
        "%20", "+"
    )
    browser.post("/searches", {"do": "save", "name": "UNPAID <b>", "query": "invoice"})
    (kept,) = database.read(lambda tx: saved.list_all(tx, "demo"))
    assert (kept.name, kept.query) == ("UNPAID <b>", "invoice"), "one of that name becomes this one"
    browser.post("/searches", {"do": "delete", "id": str(kept.id)})
    assert "UNPAID" not in browser.get("/folders/inbox").text


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("", "", "1 to 80 characters"),
        ("x" * 81, "a", "1 to 80"),
        ("a", "is:odd", "After is: comes"),
        ("a", "q" * 201, "1 to 200"),
    ],
)
def test_what_cannot_be_kept_gets_a_sentence(browser: Browser, name: str, query: str, said: str) -> None:
    answer = browser.post("/searches", {"do": "save", "name": name, "query": query})
    assert answer.status_code == 422 and said in answer.text


def test_searches_are_remembered_for_a_while(browser: Browser, database: Database) -> None:
    for number in range(12):
        browser.get(f"/folders/inbox?q=word{number}&in=all")
    browser.get("/folders/inbox?q=is:wrong")
    lately = database.read(lambda tx: saved.recent(tx, "demo"))
    assert len(lately) == saved.MOST_RECENT and "is:wrong" not in lately
    assert "word11" in browser.get("/searches").text
    browser.post("/searches", {"do": "forget"})
    assert database.read(lambda tx: saved.recent(tx, "demo")) == []


def suggested(panel: Panel, q: str) -> list[str]:
    found: Any = panel.acting_for("demo").get(f"{API}/suggestions", q=q).json
    return [each["text"] for each in found["suggestions"]]


def test_a_half_typed_search_may_go_on(panel: Panel, database: Database) -> None:
    for name, is_folder in (("Work/Figures", False), ("Tax 2026", True)):
        database.write(partial(labels.create, owner="demo", name=name, is_folder=is_folder, now=1))
    assert suggested(panel, "fr") == ["from:"]
    assert suggested(panel, "invoice is:") == ["invoice is:unread ", "invoice is:read ", "invoice is:starred "]
    assert suggested(panel, "invoice -is:st") == ["invoice -is:starred "]
    assert suggested(panel, "label:fig") == ["label:Work/Figures "]
    assert suggested(panel, 'a in:"ta') == ['a in:"Tax 2026" ']
    assert suggested(panel, "in:zzz") == suggested(panel, "invoice ") == suggested(panel, "nothing:x") == []


def test_nothing_typed_shows_what_is_kept_and_was_made_lately(panel: Panel, database: Database) -> None:
    database.write(lambda tx: saved.save(tx, "demo", "Unpaid", "invoice", 1))
    database.write(lambda tx: saved.note(tx, "demo", "from:ann", 2))
    database.write(lambda tx: saved.note(tx, "maria", "secret", 3))
    assert suggested(panel, "") == ["from:ann", "invoice"]


def test_the_api_keeps_searches_of_each_user_apart(panel: Panel) -> None:
    demo, maria = panel.acting_for("demo"), panel.acting_for("maria")
    made: Any = demo.post(API, {"name": "Unpaid", "query": "invoice"}).json
    assert demo.get(API).json == {"searches": [made], "recent": []}
    assert maria.get(API).json == {"searches": [], "recent": []}
    assert maria.delete(API, id=made["id"]).status_code == 404
    assert demo.post(API, {"name": "x", "query": "is:"}).status_code == 422
    assert demo.delete(API, id=made["id"]).status_code == 204
    assert demo.get(API).json == {"searches": [], "recent": []}


def test_a_user_keeps_so_many(panel: Panel, database: Database) -> None:
    for number in range(saved.MOST):
        database.write(partial(saved.save, owner="demo", name=f"n{number}", text="a", now=1))
    answer = panel.acting_for("demo").post(API, {"name": "one more", "query": "a"})
    assert answer.status_code == 422 and "delete one first" in answer.text
