"""Undo, sending later and the sandbox, as pages: forms that work without JavaScript."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from flask import Flask
from onifast_shared.acts import steps
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox, preferences
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import parsing
from onifast_shared.queue import sandbox
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import OutboxRow
from onifast_shared.values import times
from werkzeug.test import TestResponse

from web.support import Browser, Clock, deliver, queue, words

LETTER = {"from": "demo@example.test", "to": "ann@remote.example", "subject": "Hi", "text": "Hello\r\nAnn"}
DAY = 86400


def send(browser: Browser, do: str = "send", **fields: Any) -> TestResponse:
    return browser.post("/compose", LETTER | {"do": do} | fields, content_type="multipart/form-data")


def schedule(browser: Browser, clock: Clock, **fields: Any) -> None:
    assert send(browser, "later", send_at=times.rfc3339(clock() + DAY), **fields).status_code == 303


def deliveries(database: Database) -> list[OutboxRow]:
    return database.read(lambda tx: queue_view.list_page(tx, None)).rows


def folder(database: Database, name: str) -> list[EmailRow]:
    return database.read(lambda tx: mailbox.list_page(tx, "demo", name)).rows


def go(browser: Browser, answer: TestResponse) -> str:
    """The page that an answer leads to."""
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["Location"]).text


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


# Undo


def test_what_was_just_sent_can_be_called_back_on_every_page_until_it_leaves(browser: Browser, clock: Clock) -> None:
    send(browser)
    assert "Message sent. Undo 10 s" in browser.text_of("/folders/drafts")
    clock.advance(4)
    assert "Undo 6 s" in browser.text_of("/folders/inbox")
    clock.advance(8)
    assert "Message sent" not in browser.text_of("/folders/inbox")


def test_undo_brings_everything_back_into_the_composer(browser: Browser, database: Database) -> None:
    original = deliver(database, raw=b"From: ann@remote.example\r\nMessage-ID: <2@remote.example>\r\n\r\nx\r\n")
    reply = browser.get(f"/compose?reply={original}").text
    threads = {name: field(reply, name) for name in ("in_reply_to", "references")}
    send(browser, bcc="eve@remote.example", cc="Bob <bob@remote.example>", **threads)
    sent = folder(database, "sent")[0].id
    page = go(browser, browser.post(f"/messages/{sent}/recall"))
    assert "nothing was sent" in words(page)
    assert field(page, "to") == "ann@remote.example" and field(page, "cc") == "Bob <bob@remote.example>"
    assert field(page, "bcc") == "eve@remote.example" and field(page, "draft") == str(sent)
    assert field(page, "in_reply_to") == "<2@remote.example>" and field(page, "references") == "<2@remote.example>"
    assert [row.status for row in deliveries(database)] == ["cancelled"] * 3
    assert folder(database, "sent") == []


def test_a_message_for_bcc_alone_comes_back_without_a_placeholder(browser: Browser, database: Database) -> None:
    send(browser, to="", bcc="eve@remote.example")
    page = go(browser, browser.post(f"/messages/{folder(database, 'sent')[0].id}/recall"))
    assert field(page, "to") == "" and field(page, "bcc") == "eve@remote.example"


def test_too_late_is_said_plainly_and_changes_nothing(browser: Browser, database: Database) -> None:
    send(browser, cc="bob@remote.example")
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sending' WHERE recipient LIKE 'ann%'"))
    page = go(browser, browser.post(f"/messages/{folder(database, 'sent')[0].id}/recall"))
    assert 'role="alert"' in page and "Too late to call it back" in words(page)
    assert sorted(row.status for row in deliveries(database)) == ["pending", "sending"]


def test_nobody_calls_back_somebody_elses_message(app: Flask, browser: Browser, database: Database) -> None:
    send(browser)
    maria = Browser.logged_in(app.test_client(), "maria")
    page = go(maria, maria.post(f"/messages/{folder(database, 'sent')[0].id}/recall"))
    assert "does not wait any more" in words(page)
    assert deliveries(database)[0].status == "pending"


def test_a_user_chooses_how_long_he_can_undo(browser: Browser, database: Database, settings: Settings) -> None:
    assert browser.post("/sending", {"do": "undo", "undo_seconds": "0"}).status_code == 303
    assert database.read(lambda tx: preferences.undo_seconds(tx, "demo", settings)) == 0
    page = go(browser, send(browser))
    assert "Your message is on its way." in words(page) and "Message sent" not in words(page)
    assert deliveries(database)[0].release_ts == 0
    assert browser.post("/sending", {"do": "undo", "undo_seconds": "7"}).status_code == 400


# Sending later


def test_a_message_is_scheduled_and_shown_so(browser: Browser, database: Database, clock: Clock) -> None:
    page = go(browser, send(browser, "later", send_at=times.rfc3339(clock() + DAY)))
    assert "Your message will be sent" in words(page)
    assert "Hi" in browser.text_of("/scheduled")
    assert '<span class="pill wait">Scheduled</span>' in browser.get("/folders/sent").text
    sent = folder(database, "sent")[0]
    assert sent.received_ts == int(clock() + DAY)
    assert "It has not been sent" in browser.text_of(f"/messages/{sent.id}")


def test_without_the_script_the_time_is_utc(browser: Browser, database: Database, clock: Clock) -> None:
    local = times.rfc3339(clock() + DAY)[:16]
    assert send(browser, "later", send_at_local=local).status_code == 303
    assert times.rfc3339(deliveries(database)[0].release_ts) == f"{local}:00Z"


@pytest.mark.parametrize("send_at", ["", "soon", "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_a_time_that_cannot_be_is_said_at_the_field(browser: Browser, database: Database, send_at: str) -> None:
    answer = send(browser, "later", send_at=send_at)
    assert answer.status_code == 422 and 'aria-describedby="send_at-error"' in answer.text
    assert deliveries(database) == [] and "Hello" in answer.text


def test_a_scheduled_message_is_edited_with_its_time(browser: Browser, database: Database, clock: Clock) -> None:
    schedule(browser, clock)
    row = deliveries(database)[0]
    page = go(browser, browser.post("/scheduled", {"id": str(row.id), "do": "edit"}))
    assert f'data-later="{times.rfc3339(row.release_ts)}"' in page and field(page, "to") == "ann@remote.example"
    assert folder(database, "sent") == [] and len(folder(database, "drafts")) == 1


def test_a_scheduled_message_is_sent_now(browser: Browser, database: Database, clock: Clock) -> None:
    schedule(browser, clock)
    page = go(browser, browser.post("/scheduled", {"id": str(deliveries(database)[0].id), "do": "now"}))
    assert "on its way" in words(page) and "Nothing is scheduled" in words(page)
    assert deliveries(database)[0].release_ts == 0
    sent = folder(database, "sent")[0]
    parsed = parsing.parse(database.read(lambda tx: mailbox.raw(tx, sent.id)))
    assert parsed.date is not None and abs(parsed.date.timestamp() - clock()) < 2


def test_a_scheduled_message_gets_another_time(browser: Browser, database: Database, clock: Clock) -> None:
    schedule(browser, clock)
    form = {"id": str(deliveries(database)[0].id), "do": "time"}
    moment = int(clock()) + 2 * DAY
    assert "will be sent" in words(go(browser, browser.post("/scheduled", form | {"send_at": times.rfc3339(moment)})))
    assert deliveries(database)[0].release_ts == moment
    wrong = browser.post("/scheduled", form | {"send_at": "2001-01-01T00:00:00Z"})
    assert wrong.status_code == 422 and "This time is past." in wrong.text


def test_a_message_that_is_not_to_be_sent_is_a_draft_again(browser: Browser, database: Database, clock: Clock) -> None:
    schedule(browser, clock)
    page = go(browser, browser.post("/scheduled", {"id": str(deliveries(database)[0].id), "do": "cancel"}))
    assert "It is a draft again" in words(page) and len(folder(database, "drafts")) == 1


def test_who_throws_away_what_is_scheduled_is_told_that_it_is_sent(
    browser: Browser, database: Database, clock: Clock
) -> None:
    schedule(browser, clock)
    sent = folder(database, "sent")[0].id
    page = go(browser, browser.post("/messages", {"ids": str(sent), "action": "move:trash", "back": "sent"}))
    assert "What was scheduled is sent all the same" in words(page)
    assert "It has not been sent" in browser.text_of(f"/messages/{sent}")
    browser.post("/messages", {"ids": str(sent), "action": "purge", "back": "trash"})
    clock.advance(11)
    steps.work_off(database, clock())
    assert f"/messages/{sent}" not in browser.get("/scheduled").text
    page = go(browser, browser.post("/scheduled", {"id": str(deliveries(database)[0].id), "do": "cancel"}))
    assert "Changed 1 delivery" in words(page) and deliveries(database)[0].status == "cancelled"


@pytest.mark.parametrize("form", [{"do": "edit", "id": "x"}, {"do": "edit", "id": "9" * 30}, {"do": "sing", "id": "1"}])
def test_a_form_that_makes_no_sense_is_refused(browser: Browser, form: dict[str, str]) -> None:
    assert browser.post("/scheduled", form).status_code == 400


def test_somebody_elses_scheduled_message_is_neither_shown_nor_changed(
    app: Flask, browser: Browser, database: Database, clock: Clock
) -> None:
    schedule(browser, clock, subject="Private")
    maria = Browser.logged_in(app.test_client(), "maria")
    assert "Private" not in maria.text_of("/scheduled")
    for do in ("edit", "cancel", "now", "time"):
        maria.post("/scheduled", {"id": str(deliveries(database)[0].id), "do": do, "send_at": "2099-01-01T00:00:00Z"})
    assert deliveries(database)[0].release_ts == int(clock() + DAY) and deliveries(database)[0].status == "pending"


# What became of it


@pytest.mark.parametrize(
    ("status", "word", "button"),
    [("failed", "Failed", "Try again"), ("deferred", "Trying again", "Give up"), ("held", "On hold", "Release")],
)
def test_a_message_says_what_became_of_it_and_what_can_be_done(
    browser: Browser, database: Database, status: str, word: str, button: str
) -> None:
    (row_id,) = queue(database, "ann@remote.example")
    sql = "UPDATE outbox SET status = ?, last_error = '451 4.7.1 greylisted' WHERE id = ?"
    database.write(lambda tx: tx.execute(sql, (status, row_id)))
    sent = folder(database, "sent")[0].id
    page = browser.get(f"/messages/{sent}").text
    assert word in words(page) and f'aria-label="{button}: ann@remote.example"' in page and "greylisted" in page
    assert word in browser.text_of("/folders/sent")
    form = {"ids": str(row_id), "message": str(sent), "action": "retry"}
    assert "Changed 1 delivery." in words(go(browser, browser.post("/outbox", form)))


@pytest.mark.parametrize(
    ("status", "note"),
    [("failed", "Could not be delivered."), ("deferred", "Not yet. It will be tried again.")],
)
def test_a_row_without_a_reason_makes_none_up(browser: Browser, database: Database, status: str, note: str) -> None:
    (row_id,) = queue(database, "ann@remote.example")
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = ? WHERE id = ?", (status, row_id)))
    assert note in browser.text_of("/outbox")


def test_a_message_and_the_outbox_show_each_attempt(browser: Browser, database: Database) -> None:
    (row_id,) = queue(database, "ann@remote.example")
    sql = """
        INSERT INTO delivery_attempts (outbox_id, started_ts, outcome, host, reply, tls_level, stages)
        VALUES (?, 1, 'deferred', 'mx1.remote.example', '451 <later>', 'encrypted', '{"dns": 12}')
    """
    database.write(lambda tx: tx.execute(sql, (row_id,)))
    for path in (f"/messages/{folder(database, 'sent')[0].id}", "/outbox"):
        text = browser.text_of(path)
        assert "Not yet by mx1.remote.example encrypted 451 <later> DNS 12 ms" in text


# The sandbox


def captured(database: Database, domain: str | None = "example.test") -> int:
    (row_id,) = queue(database, "ann@remote.example", subject="Captured")
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed' WHERE id = ?", (row_id,)))
    database.write(lambda tx: sandbox.mark(tx, row_id, domain))
    return row_id


def test_an_owner_puts_a_domain_into_the_sandbox(browser: Browser, database: Database) -> None:
    form = {"domain": "example.test"}
    assert "captured from now on" in words(go(browser, browser.post("/sending", form | {"do": "sandbox-on"})))
    assert [each.domain for each in database.read(sandbox.list_all)] == ["example.test"]
    assert "goes out from now on" in words(go(browser, browser.post("/sending", form | {"do": "sandbox-off"})))
    assert browser.post("/sending", {"domain": "other.test", "do": "sandbox-on"}).status_code == 404
    assert browser.post("/sending", {"do": "sing"}).status_code == 400


def test_captured_mail_is_read_and_released(browser: Browser, database: Database) -> None:
    row_id = captured(database)
    shown = browser.text_of(f"/outbox/{row_id}")
    assert "example.test is in the sandbox" in shown and "Release" in shown
    assert "1 copy will be sent" in words(go(browser, browser.post(f"/outbox/{row_id}", {"do": "release"})))
    assert deliveries(database)[0].status == "pending"


def test_captured_mail_is_redirected_and_says_who_it_was_for(browser: Browser, database: Database) -> None:
    row_id = captured(database)
    wrong = browser.post(f"/outbox/{row_id}", {"do": "redirect", "to": "no address"})
    assert wrong.status_code == 422 and 'aria-describedby="to-error"' in wrong.text
    page = go(browser, browser.post(f"/outbox/{row_id}", {"do": "redirect", "to": "tester@remote.example"}))
    assert "tester@remote.example" in page and "It was for ann@remote.example" in words(page)


def test_what_an_installation_captured_an_administrator_releases_unread(
    app: Flask, browser: Browser, database: Database
) -> None:
    row_id = captured(database, None)
    assert "Only administrators can have it sent" in browser.text_of(f"/outbox/{row_id}")
    assert browser.post(f"/outbox/{row_id}", {"do": "release"}).status_code == 422
    refused = go(browser, browser.post("/outbox", {"ids": str(row_id), "action": "release"}))
    assert "not yours to open" in words(refused)
    admin = Browser.logged_in(app.test_client(), "root-admin")
    shown = admin.get(f"/outbox/{row_id}").text
    assert "is for its owner, demo, alone" in words(shown) and '<div class="text-body"' not in shown
    assert admin.post(f"/outbox/{row_id}", {"do": "release"}).status_code == 303
    assert deliveries(database)[0].status == "pending"
