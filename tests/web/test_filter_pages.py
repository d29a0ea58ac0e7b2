"""Filters and the vacation note, by their pages and by API."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.filters import runs, store, vacations
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.store import FilterDeed
from onifast_shared.filters.vacations import VacationNote
from onifast_shared.mailboxes import labels, preferences, templates
from onifast_shared.mailboxes.templates import TextTemplate

from web.support import Browser, Panel, deliver, index, words

RULE = {
    "match": "all",
    "conditions": [{"field": "from", "test": "domain", "values": ["shop.test"]}],
    "acts": [{"do": "star"}],
}


def of(database: Database, owner: str = "demo") -> list[MailFilter]:
    return database.read(lambda tx: store.list_all(tx, owner))


def form(**fields: Any) -> dict[str, Any]:
    first = {"field-0": "subject", "test-0": "contains", "values-0": "invoice\nrechnung"}
    return {"name": "Invoices", "match": "any", "rows": "1", "is_on": "1", "do": "save", **first, **fields}


def label(database: Database, name: str, *, is_folder: bool = False) -> int:
    return database.write(lambda tx: labels.create(tx, "demo", name, is_folder=is_folder, now=1)).id


# The pages


def test_a_filter_is_made_shown_and_changed(browser: Browser, database: Database) -> None:
    work, bills = label(database, "Work"), label(database, "Bills", is_folder=True)
    sent = form(place=f"label:{bills}", labels=[work], stars="1", reads="1", stops="1", forwards="a@b.test, c@d.test")
    answer = browser.post("/filters/new", sent)
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/filters?did=filter-kept")
    text = browser.text_of("/filters")
    assert "Invoices If Subject contains “invoice” or “rechnung”: " in f"{text} "
    assert "label Work, star, mark as read, forward to a@b.test, forward to c@d.test, move to Bills, and stop" in text
    (found,) = of(database)
    page = browser.get(f"/filters/{found.id}").text
    assert 'value="Invoices"' in page and "invoice\nrechnung" in page and 'value="a@b.test c@d.test"' in page
    assert f'<option value="label:{bills}" selected>' in page
    assert browser.post(f"/filters/{found.id}", form(name="Bills", place="trash")).status_code == 303
    (found,) = of(database)
    assert (found.name, [act.do for act in found.rule.acts]) == ("Bills", ["trash"])


def test_a_row_comes_and_goes_without_scripts(browser: Browser) -> None:
    page = browser.post("/filters/new", form(do="more")).text
    assert 'name="values-1"' in page and "invoice\nrechnung" in page
    page = browser.post("/filters/new", form(do="less:0", rows="2", **{"values-1": "kept"})).text
    assert 'name="values-1"' not in page and "kept" in page


def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(browser: Browser, database: Database) -> None:
    wrong = {"field-1": "size", "test-1": "over", "values-1": "much"}
    answer = browser.post("/filters/new", form(rows="2", forwards="nobody", answer="Hello", **wrong))
    assert answer.status_code == 422 and 'id="row-1-error"' in answer.text and "Hello" in answer.text
    answer = browser.post("/filters/new", form(forwards="nobody", stars="1"))
    assert answer.status_code == 422 and 'id="forwards-error"' in answer.text
    answer = browser.post("/filters/new", form())
    assert answer.status_code == 422 and 'id="acts-error"' in answer.text
    assert browser.post("/filters/new", form(place="label:99")).status_code == 422
    assert not of(database)


def test_a_filter_is_tried_before_it_is_kept(browser: Browser, database: Database) -> None:
    deliver(database, subject="Your invoice")
    deliver(database, subject="Lunch")
    index(database)
    page = browser.post("/filters/new", form(do="try", stars="1")).text
    assert "1 message of the newest 2 in the inbox" in words(page) and "Your invoice" in page
    assert not of(database)


def test_sizes_are_written_as_people_do(browser: Browser, database: Database) -> None:
    browser.post("/filters/new", form(stars="1", **{"field-0": "size", "test-0": "over", "values-0": "5 MB"}))
    (found,) = of(database)
    assert found.rule.conditions[0].values == (str(5 * 1024 * 1024),)
    assert ">5 MB</textarea>" in browser.get(f"/filters/{found.id}").text
    assert "Size is over 5.0 MB" in browser.text_of("/filters")


def test_an_answer_begins_with_a_stored_template(browser: Browser, database: Database) -> None:
    template = TextTemplate(0, "Received", "We have it", "", "Thank you.")
    kept = database.write(lambda tx: templates.put(tx, "demo", template, 1))
    assert kept is not None
    page = browser.post("/filters/new", form(do="template", template=str(kept.id))).text
    assert ">Thank you.</textarea>" in page and 'value="We have it"' in page
    assert of(database) == []


def test_filters_are_ordered_turned_off_and_deleted(browser: Browser, database: Database) -> None:
    for name in ("A", "B", "C"):
        browser.post("/filters/new", form(name=name, stars="1"))
    first, _, third = (each.id for each in of(database))
    browser.post("/filters", {"id": third, "do": "up"})
    browser.post("/filters", {"id": first, "do": "down"})
    assert [each.name for each in of(database)] == ["C", "A", "B"]
    browser.post("/filters", {"id": first, "do": "off"})
    assert [each.is_on for each in of(database)] == [True, False, True]
    browser.post("/filters", {"id": first, "do": "remove"})
    assert [each.name for each in of(database)] == ["C", "B"]
    assert browser.post("/filters", {"id": first, "do": "on"}).status_code == 404


def test_a_filter_of_somebody_else_is_none(app: Flask, browser: Browser, database: Database) -> None:
    browser.post("/filters/new", form(stars="1"))
    (found,) = of(database)
    maria = Browser.logged_in(app.test_client(), "maria")
    assert maria.get(f"/filters/{found.id}").status_code == 404
    for do in ("on", "up", "remove", "run"):
        assert maria.post("/filters", {"id": found.id, "do": do, "folders": "inbox"}).status_code == 404
    assert len(of(database)) == 1 and "Invoices" not in maria.get("/filters").text


def test_a_run_is_started_followed_stopped_and_undone(browser: Browser, database: Database) -> None:
    deliver(database, subject="Invoice")
    browser.post("/filters/new", form(stars="1"))
    (found,) = of(database)
    assert browser.post("/filters", {"id": found.id, "do": "run"}).status_code == 422
    browser.post("/filters", {"id": found.id, "do": "run", "folders": ["inbox", "archive"]})
    assert "0 of 1 looked at, 0 changed" in browser.text_of("/filters")
    (run,) = database.read(lambda tx: runs.latest(tx, "demo"))
    assert run.folders == ("inbox", "archive")
    browser.post("/filters", {"id": run.id, "do": "stop"})
    assert "Stopped: 0 of 0 messages changed" in browser.text_of("/filters")
    assert browser.post("/filters", {"id": run.id, "do": "undo"}).status_code == 409


def test_a_message_says_which_filter_did_what_and_offers_one_like_it(browser: Browser, database: Database) -> None:
    email_id = deliver(database, subject="Hello")
    browser.post("/filters/new", form(stars="1"))
    (found,) = of(database)
    deeds = [FilterDeed("folder", "Bills"), FilterDeed("forward", "a@b.test", "it has been there")]
    database.write(
        lambda tx: store.note(tx, found, deeds, email_id=email_id, sender="x@y.test", subject="Hello", now=1)
    )
    text = browser.text_of(f"/messages/{email_id}")
    assert "Your filter Invoices moved it to Bills, could not: forwarded it to a@b.test (it has been there)." in text
    assert "Hello x@y.test Invoices moved it to Bills" in browser.text_of("/filters/log")
    page = browser.get(f"/filters/new?like={email_id}").text
    assert '<option value="from" selected>' in page and ">ann@remote.example</textarea>" in page
    assert browser.get("/filters/new?like=999").status_code == 404


def test_a_mailbox_user_is_offered_no_forward(browser: Browser) -> None:
    assert 'name="forwards"' in browser.get("/filters/new").text


def test_names_and_values_of_hostile_people_are_text(browser: Browser, database: Database) -> None:
    name = "<img src=x onerror=alert(1)>"
    browser.post("/filters/new", form(name=name, stars="1", **{"values-0": '"><script>alert(1)</script>'}))
    (found,) = of(database)
    for path in ("/filters", f"/filters/{found.id}"):
        page = browser.get(path).text
        assert "<img src=x" not in page and "<script>alert" not in page


# Vacation


def note(database: Database, address: str = "") -> VacationNote:
    found = database.read(lambda tx: vacations.get(tx, "demo", address))
    assert found is not None
    return found


def test_a_vacation_note_is_kept_and_shown_on_every_page_while_it_answers(browser: Browser, database: Database) -> None:
    sent = {"do": "save", "is_on": "1", "text": "I am away.", "days": "7", "subject": "Away", "zone": "Europe/Berlin"}
    answer = browser.post("/vacation", {**sent, "from": "2020-12-24", "until": "2099-01-06"})
    assert answer.status_code == 303 and "vacation-on" in answer.headers["Location"]
    found = note(database)
    assert (found.from_ts, found.until_ts) == (1608764400, 4071423600), "from midnight to midnight in Berlin"
    assert "Your vacation note answers until" in browser.text_of("/folders/inbox")
    page = browser.get("/vacation").text
    assert 'value="2020-12-24"' in page and 'value="2099-01-06"' in page and "I am away." in page
    browser.post("/vacation", {"do": "off"})
    assert not note(database).is_on and "vacation note answers" not in browser.text_of("/folders/inbox")
    browser.post("/vacation", {"do": "remove"})
    assert database.read(lambda tx: vacations.list_all(tx, "demo")) == []


def test_its_looks_are_made_safe_and_its_text_made_of_them(browser: Browser, database: Database) -> None:
    html = '<div>Away <b>now</b><script>x()</script><img src="https://t.test/x.png" onerror="x()"></div>'
    browser.post("/vacation", {"do": "save", "is_on": "1", "text": "", "html": html, "days": "7"})
    found = note(database)
    assert "<b>now</b>" in found.html and "script" not in found.html and "onerror" not in found.html
    assert found.text.strip().startswith("Away now")


def test_what_is_wrong_with_a_note_is_told_and_kept(browser: Browser) -> None:
    sent = {"do": "save", "is_on": "1", "text": "", "days": "99", "from": "tomorrow"}
    answer = browser.post("/vacation", {**sent, "known_text": "Call me"})
    assert answer.status_code == 422 and 'id="from-error"' in answer.text and "Call me" in answer.text
    answer = browser.post("/vacation", {**sent, "from": "2026-12-24", "until": "2026-12-20", "text": "x"})
    assert answer.status_code == 422
    assert browser.post("/vacation", {**sent, "from": "", "address": "maria@example.test"}).status_code == 422


# Blocked senders


def test_domains_are_blocked_and_mail_goes_where_one_says(browser: Browser, database: Database) -> None:
    browser.post("/senders", {"do": "save", "blocked_to": "trash"})
    assert database.read(lambda tx: preferences.blocked_to_trash(tx, "demo"))
    browser.post("/senders", {"do": "blocked", "sender": "Shop.Example"})
    browser.post("/senders", {"do": "blocked", "sender": "@other.example"})
    text = browser.text_of("/senders")
    assert "@shop.example Blocked" in text and "@other.example Blocked" in text
    assert "Neither an e-mail address nor a domain" in words(
        browser.post("/senders", {"do": "blocked", "sender": "not one"}).text
    )
    browser.post("/senders", {"do": "remove", "sender": "@shop.example"})
    assert "@shop.example" not in browser.text_of("/senders")


# The API


def test_filters_by_api(panel: Panel, database: Database) -> None:
    maria, panel = panel.acting_for("maria"), panel.acting_for("demo")
    made = panel.post("/api/mail/filters", {"name": "Shop", **RULE})
    assert made.status_code == 201 and made.get_json()["conditions"][0] == {
        "field": "from", "test": "domain", "values": ["shop.test"], "header": "", "negated": False,
    }  # fmt: skip
    other = panel.post("/api/mail/filters", {"name": "Other", **RULE}).get_json()["id"]
    number = made.get_json()["id"]
    changed = panel.client.patch(
        "/api/mail/filters", json={"id": number, "is_on": False, "name": "Shops"}, headers=panel.headers
    ).get_json()
    assert (changed["name"], changed["is_on"], changed["acts"][0]["do"]) == ("Shops", False, "star")
    ordered = panel.post("/api/mail/filters/order", {"ids": [other, number]}).get_json()
    assert [each["id"] for each in ordered["filters"]] == [other, number]
    assert panel.post("/api/mail/filters/order", {"ids": [other]}).status_code == 409
    run = panel.post("/api/mail/filters/runs", {"id": other, "folders": ["inbox"]})
    assert run.status_code == 202 and run.get_json()["state"] == "running"
    again = panel.post("/api/mail/filters/runs", {"folders": ["inbox"]})
    assert again.status_code == 409
    acted = panel.post("/api/mail/filters/runs/act", {"id": run.get_json()["id"], "action": "stop"})
    assert acted.get_json()["state"] == "stopped"
    assert panel.get("/api/mail/filters/runs").get_json()["runs"][0]["name"] == "Other"
    (found, *_) = of(database)
    database.write(lambda tx: store.note(tx, found, [FilterDeed("star")], email_id=None, sender="", subject="", now=1))
    log = panel.get("/api/mail/filters/log").get_json()["log"]
    assert (log[0]["filter"], log[0]["deeds"]) == ("Other", [{"do": "star", "name": "", "failed": ""}])
    assert maria.delete("/api/mail/filters", id=number).status_code == 404
    assert panel.delete("/api/mail/filters", id=number).status_code == 204


def test_a_wrong_rule_is_told_by_its_part(panel: Panel) -> None:
    panel = panel.acting_for("demo")
    wrong = {"name": "X", "match": "every", "acts": [{"do": "forward", "to": "demo@example.test"}]}
    answer = panel.post("/api/mail/filters", wrong)
    assert answer.status_code == 422 and answer.get_json()["errors"][0]["field"] == "acts.0.to"
    wrong = {**wrong, "acts": [{"do": "label", "label_id": 999}]}
    assert panel.post("/api/mail/filters", wrong).get_json()["errors"][0]["field"] == "acts.0.label_id"


def test_vacation_by_api(panel: Panel) -> None:
    panel = panel.acting_for("demo")
    body = {"text": "Away", "until_at": "2099-01-01T00:00:00Z", "zone": "Europe/Berlin"}
    made = panel.post("/api/mail/vacation", body).get_json()
    assert (made["is_answering"], made["until_at"], made["days"], made["answered"]) == (
        True, "2099-01-01T00:00:00Z", 7, [],
    )  # fmt: skip
    assert panel.get("/api/mail/vacation").get_json()["notes"] == [made]
    assert panel.post("/api/mail/vacation", {"text": ""}).status_code == 422
    assert panel.post("/api/mail/vacation", {**body, "zone": "Mars/Base"}).status_code == 422
    assert panel.delete("/api/mail/vacation").status_code == 204
    assert panel.delete("/api/mail/vacation").status_code == 404


def test_where_blocked_mail_goes_by_api(panel: Panel) -> None:
    panel = panel.acting_for("demo")
    answer = panel.post("/api/mail/senders", {"blocked_to": "trash"}).get_json()
    assert answer["blocked_to"] == "trash"
    answer = panel.post("/api/mail/senders", {"sender": "shop.example", "choice": "blocked"}).get_json()
    assert [(each["sender"], each["choice"]) for each in answer["senders"]] == [("@shop.example", "blocked")]


def test_changes_stand_in_the_audit_trail(browser: Browser) -> None:
    browser.post("/filters/new", form(stars="1"))
    browser.post("/vacation", {"do": "save", "is_on": "1", "text": "Away", "days": "7"})
    text = browser.text_of("/activity")
    assert "Filter made" in text and "Vacation note changed" in text
    assert not re.search(r"Filter changed", text)
