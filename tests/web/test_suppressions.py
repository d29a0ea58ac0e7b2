"""Suppressed addresses, in the API and on their page, and what sending to one answers."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.queue import suppressions
from onifast_shared.values.address import Address

from web.support import Browser, Clock, Panel, words

API = "/api/mail/suppressions"
SEND = "/api/mail/send"
PAGE = "/suppressions"
GONE, BACK = "gone@remote.test", "back@remote.test"


@pytest.fixture
def bounced(database: Database, clock: Clock) -> Database:
    """The database, in which gone@remote.test bounced for demo."""
    now = clock()
    database.write(
        lambda tx: suppressions.note_bounce(
            tx, "demo", Address.parse(GONE), "550 5.1.1 user unknown", now, until=now + 7 * 86400
        )
    )
    return database


def listed(panel: Panel, **query: Any) -> list[tuple[str, str]]:
    answer: Any = panel.get(API, **query).json
    return [(row["owner"], row["recipient"]) for row in answer["suppressions"]]


def mail(*to: str, **more: Any) -> dict[str, Any]:
    return {"from": "demo@example.test", "to": list(to), "subject": "Hello", "text": "Hello", **more}


def test_a_user_lists_adds_and_lifts_his_own(panel: Panel, bounced: Database) -> None:
    demo = panel.acting_for("demo")
    answer: Any = demo.post(API, {"recipient": "Spam@remote.test", "reason": "asked  for it"})
    assert answer.status_code == 201
    assert (answer.json["recipient"], answer.json["origin"], answer.json["reason"], answer.json["expires_at"]) == (
        "spam@remote.test", "manual", "asked for it", None,
    )  # fmt: skip
    assert listed(demo) == [("demo", "spam@remote.test"), ("demo", GONE)]
    assert listed(demo, recipient="GONE@remote.test") == [("demo", GONE)]
    assert demo.delete(API, recipient=GONE).status_code == 204
    assert demo.delete(API, recipient=GONE).status_code == 404


def test_a_bounce_has_its_answer_and_its_end(panel: Panel, bounced: Database) -> None:
    answer: Any = panel.acting_for("demo").get(API).json
    [row] = answer["suppressions"]
    assert (row["origin"], row["reason"]) == ("bounce", "550 5.1.1 user unknown")
    assert row["expires_at"].endswith("Z")


def test_nobody_sees_or_lifts_anothers(panel: Panel, bounced: Database) -> None:
    maria = panel.acting_for("maria")
    assert listed(maria) == []
    assert maria.delete(API, recipient=GONE).status_code == 404
    assert maria.delete(API, recipient=GONE, owner="demo").status_code == 403
    assert maria.post(API, {"recipient": GONE, "owner": "demo"}).status_code == 403


def test_the_panel_manages_everybodys(panel: Panel, bounced: Database) -> None:
    assert panel.post(API, {"recipient": BACK, "owner": "maria"}).status_code == 201
    assert listed(panel) == [("maria", BACK), ("demo", GONE)]
    assert panel.delete(API, recipient=GONE, owner="demo").status_code == 204
    assert panel.post(API, {"recipient": BACK}).status_code == 422
    assert panel.post(API, {"recipient": BACK, "owner": "nobody"}).status_code == 422


def test_sending_to_one_answers_at_once_and_names_it(panel: Panel, bounced: Database) -> None:
    demo = panel.acting_for("demo")
    answer: Any = demo.post(SEND, mail("fine@remote.test", cc=[GONE]))
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "cc"
    assert "mail to gone@remote.test came back on" in answer.json["errors"][0]["message"]
    assert "550 5.1.1 user unknown" in answer.json["errors"][0]["message"]
    assert bounced.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get) == 0
    assert demo.delete(API, recipient=GONE).status_code == 204
    assert demo.post(SEND, mail("fine@remote.test", cc=[GONE])).status_code == 202


def test_several_are_named_together(panel: Panel, bounced: Database) -> None:
    demo = panel.acting_for("demo")
    demo.post(API, {"recipient": BACK})
    answer: Any = demo.post(SEND, mail(GONE, BACK))
    assert "mail to gone@remote.test, back@remote.test came back or was suppressed" in answer.json["detail"]


def test_anothers_suppression_stops_nobody(panel: Panel, bounced: Database) -> None:
    body = mail(GONE) | {"from": "maria@other.test"}
    assert panel.acting_for("maria").post(SEND, body).status_code == 202


def test_the_page_shows_why_and_lifts(browser: Browser, bounced: Database) -> None:
    text = browser.text_of(PAGE)
    assert "gone@remote.test" in text and "550 5.1.1 user unknown" in text
    assert "leaves after 7 days" in text
    answer = browser.post(PAGE, {"do": "lift", "recipient": GONE, "owner": "demo"})
    assert "Lifted." in browser.text_of(answer.headers["Location"])
    assert "No address is suppressed" in browser.text_of(PAGE)
    assert browser.post(PAGE, {"do": "lift", "recipient": GONE}).status_code == 404


def test_an_address_is_suppressed_on_the_page(browser: Browser, database: Database) -> None:
    answer = browser.post(PAGE, {"do": "add", "recipient": "Spam@remote.test", "reason": "a competitor"})
    text = browser.text_of(answer.headers["Location"])
    assert "Suppressed. Mail to this address is not sent until you lift that." in text
    assert "spam@remote.test" in text and "a competitor" in text
    wrong = browser.post(PAGE, {"do": "add", "recipient": "nowhere"})
    assert wrong.status_code == 422
    assert "Address has no @." in words(wrong.text)
    assert browser.get(f"{PAGE}?cursor=x").status_code == 404


def test_the_composer_keeps_what_was_typed_and_marks_the_field(browser: Browser, bounced: Database) -> None:
    form = {"from": "demo@example.test", "to": GONE, "subject": "Hello", "text": "Dear you", "action": "send"}
    answer = browser.post("/compose", form)
    assert answer.status_code == 422
    text = words(answer.text)
    assert "Mail to gone@remote.test came back on" in text
    assert "Dear you" in text


def test_the_composer_lifts_what_its_writer_ticks_and_sends(browser: Browser, bounced: Database) -> None:
    form = {"from": "demo@example.test", "to": f"{GONE}, fine@remote.test", "text": "Dear you", "do": "send"}
    refused = browser.post("/compose", form).text
    assert f'name="lift" value="{GONE}"' in refused and "lift the suppression" in refused
    assert f'href="{PAGE}?q=gone@remote.test"' in refused
    assert browser.post("/compose", form | {"lift": GONE}).status_code == 303
    assert bounced.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get) == 2
    assert "No address is suppressed" in browser.text_of(PAGE)


def test_nothing_is_lifted_for_a_message_that_is_not_sent(browser: Browser, bounced: Database) -> None:
    browser.post(PAGE, {"do": "add", "recipient": BACK})
    form = {"from": "demo@example.test", "to": GONE, "cc": BACK, "text": "Dear you", "do": "send"}
    answer = browser.post("/compose", form | {"lift": GONE})
    assert answer.status_code == 422
    assert f'value="{GONE}" checked' in answer.text and f'value="{BACK}">' in answer.text
    assert GONE in browser.text_of(PAGE)
    assert browser.post("/compose", form | {"lift": [GONE, BACK]}).status_code == 303
    assert browser.post("/compose", form | {"lift": "nonsense"}).status_code == 400


def test_the_composer_lifts_nobody_elses(app: Flask, bounced: Database, browser: Browser) -> None:
    maria = Browser.logged_in(app.test_client(), "maria")
    form = {"from": "maria@other.test", "to": GONE, "text": "Dear you", "do": "send", "lift": GONE}
    assert maria.post("/compose", form).status_code == 303
    assert GONE in browser.text_of(PAGE)


def test_the_list_is_searched_by_address_reason_and_for_administrators_by_user(
    app: Flask, browser: Browser, panel: Panel, bounced: Database
) -> None:
    browser.post(PAGE, {"do": "add", "recipient": BACK, "reason": "a Competitor"})
    assert listed(panel, q="GONE@") == listed(panel, q="user unknown") == [("demo", GONE)]
    assert listed(panel, q="competitor") == [("demo", BACK)]
    assert len(listed(panel, q="dem")) == 2 and listed(panel.acting_for("maria"), q="gone") == []
    text = browser.text_of(f"{PAGE}?q=gone")
    assert GONE in text and BACK not in text
    assert "No suppressed address matches “100%”." in browser.text_of(f"{PAGE}?q=100%25")
    admin = Browser.logged_in(app.test_client(), "root-admin")
    assert GONE in admin.text_of(f"{PAGE}?q=demo")
    answer = browser.post(f"{PAGE}?q=gone", {"do": "lift", "recipient": GONE, "owner": "demo"})
    assert "q=gone" in answer.headers["Location"]


def test_a_domain_is_shown_and_found_in_its_own_script(browser: Browser, database: Database) -> None:
    browser.post(PAGE, {"do": "add", "recipient": "info@bücher.test", "reason": "closed"})
    assert "info@bücher.test" in browser.text_of(PAGE)
    assert "info@bücher.test" in browser.text_of(f"{PAGE}?q=Info@BÜCHER.test")
    assert "info@bücher.test" in browser.text_of(f"{PAGE}?q=xn--bcher")
    answer = browser.post(PAGE, {"do": "lift", "recipient": "info@xn--bcher-kva.test", "owner": "demo"})
    assert "Lifted." in browser.text_of(answer.headers["Location"])


def test_the_pages_of_what_was_found_are_of_what_was_found(browser: Browser, database: Database) -> None:
    for number in range(60):
        browser.post(PAGE, {"do": "add", "recipient": f"a{number}@{'x' if number % 2 else 'remote'}.test"})
    page = browser.get(f"{PAGE}?q=.test").text
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    text = browser.text_of(unescape(older[1]))
    assert "a9@x.test" in text and "a10@" not in text
    assert 'rel="next"' not in browser.get(f"{PAGE}?q=@x.test").text


def test_an_administrator_sees_whose_they_are(app: Flask, bounced: Database) -> None:
    admin = Browser.logged_in(app.test_client(), "root-admin")
    text = admin.text_of(PAGE)
    assert "gone@remote.test" in text and "demo" in text
    answer = admin.post(PAGE, {"do": "lift", "recipient": GONE, "owner": "demo"})
    assert answer.status_code == 303
