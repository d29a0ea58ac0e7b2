"""The API's messages: list, read, move, count, send."""

from __future__ import annotations

import base64
import io
from typing import Any

import golden
import pytest
from flask import Flask
from onifast_shared.accounts import api_tokens
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import parsing
from onifast_shared.message.compose import OutgoingAttachment
from werkzeug.test import TestResponse

from web.support import PNG, Browser, Panel, deliver, index

LIST_FIELDS = {
    "id", "sender", "recipient", "subject", "snippet", "received_at", "is_read", "folder", "size", "has_attachments",
    "is_starred", "labels", "warnings",
}  # fmt: skip
READ_FIELDS = LIST_FIELDS | {
    "to", "to_addresses", "cc", "cc_addresses", "reply_to", "reply_to_addresses", "list_post",
    "message_id", "in_reply_to", "date", "text", "html", "headers", "attachments",
    "authentication", "event", "contacts", "protection", "delivery_reports",
}  # fmt: skip
LETTER = {"from": "demo@example.test", "to": ["ann@remote.example"], "subject": "Hi", "text": "Hello"}


@pytest.fixture
def demo(panel: Panel) -> Panel:
    """The panel acting for demo."""
    return panel.acting_for("demo")


@pytest.fixture
def own(panel: Panel, database: Database) -> Panel:
    """A program of demo's, with a personal token."""
    token, _ = database.write(lambda tx: api_tokens.create(tx, "demo", "a program", 0))
    return Panel(panel.client, token)


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    document: dict[str, Any] = answer.get_json(force=True)
    assert document["status"] == status and document["type"] == "about:blank" and document["title"]
    return document


# List


def test_the_list_has_the_contracts_fields(demo: Panel, database: Database) -> None:
    deliver(database, subject="Hello", text="Hi there.", received=1_790_000_000)
    (row,) = demo.get("/api/mail/list").json["emails"]  # type: ignore[index]
    assert set(row) == LIST_FIELDS
    assert row["subject"] == "Hello" and row["snippet"] == "Hi there." and row["sender"] == "ann@remote.example"
    assert row["received_at"] == "2026-09-21T14:13:20Z" and row["is_read"] is False and row["folder"] == "inbox"


def test_pages_follow_each_other_without_gaps(demo: Panel, database: Database) -> None:
    ids = [deliver(database, subject=str(number), received=1_790_000_000 + number // 2) for number in range(7)]
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = demo.get("/api/mail/list", **query).json
        assert page is not None
        seen += [row["id"] for row in page["emails"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == sorted(ids, reverse=True)


def test_a_list_can_be_of_one_folder_address_or_word(demo: Panel, database: Database) -> None:
    deliver(database, subject="Invoice for May")
    deliver(database, subject="Old", folder="archive")
    deliver(database, subject="Sales", recipient="sales@example.test")
    index(database)

    def subjects(**query: str) -> list[str]:
        return [row["subject"] for row in demo.get("/api/mail/list", **query).json["emails"]]  # type: ignore[index]

    assert subjects(folder="archive") == ["Old"]
    assert subjects(address="sales@example.test") == ["Sales"]
    assert subjects(q="invoice") == ["Invoice for May"]


@pytest.mark.parametrize(
    "query", [{"folder": "spam"}, {"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"cursor": "x"}, {"colour": "red"}]
)
def test_a_query_that_does_not_fit_is_refused(demo: Panel, query: dict[str, str]) -> None:
    document = problem(demo.get("/api/mail/list", **query), 422)
    assert document["errors"][0]["field"] == next(iter(query))


# Read


def test_reading_gives_the_message_whole(demo: Panel, database: Database) -> None:
    checked = {"spf": "pass", "dkim": "fail", "dmarc": "none", "arc": "none", "details": {}, "why": ["So."]}
    picture = OutgoingAttachment("a.png", "image/png", PNG)
    email_id = deliver(
        database, cc="bob@remote.example", html="<b>Hi</b>", attachments=[picture], authentication=checked
    )
    found = demo.get("/api/mail/read", id=email_id).json
    assert found is not None and set(found) == READ_FIELDS
    assert found["to"] == "Demo <demo@example.test>" and found["cc"] == "bob@remote.example"
    assert found["text"].strip() == "Hi there." and found["html"].strip() == "<b>Hi</b>"
    assert found["attachments"] == [
        {"index": 0, "filename": "a.png", "content_type": "image/png", "size": len(PNG), "content_id": ""}
    ]
    verdicts = {"spf": "pass", "dkim": "fail", "dmarc": "none", "arc": "none"}
    assert found["authentication"] == verdicts | {"why": ["So."]}
    assert ["Subject", "Hello"] in found["headers"] and found["date"].endswith("Z")


def test_a_message_from_a_mailbox_file_has_a_header(demo: Panel, database: Database) -> None:
    raw = b"From ann@x.test Mon Nov 30 10:00:00 2026\r\nFrom: ann@x.test\r\nSubject: Kept\r\n\r\nText.\r\n"
    for bytes_ in (raw, b"Received: here\r\n" + raw):
        email_id = deliver(database, raw=bytes_)
        found = demo.get("/api/mail/read", id=email_id).json
        assert found is not None and (found["subject"], found["text"]) == ("Kept", "Text.\n")
    stored = database.read(lambda tx: mailbox.raw(tx, email_id - 1))
    assert stored == raw.partition(b"\r\n")[2]


def test_the_html_is_sanitised_and_loads_nothing(demo: Panel, database: Database) -> None:
    html = '<p onclick="x()">Hi<script>x()</script><img src="https://t.example/x.png"></p>'
    found = demo.get("/api/mail/read", id=deliver(database, html=html)).json
    assert found is not None
    assert "script" not in found["html"] and "onclick" not in found["html"] and "t.example" not in found["html"]


def test_reading_marks_as_read_unless_told_not_to(own: Panel, database: Database) -> None:
    demo, email_id = own, deliver(database)
    assert demo.get("/api/mail/read", id=email_id, mark_read=0).json["is_read"] is False  # type: ignore[index]
    assert demo.get("/api/mail/counts").json["unread"] == 1  # type: ignore[index]
    assert demo.get("/api/mail/read", id=email_id).json["is_read"] is True  # type: ignore[index]
    assert demo.get("/api/mail/counts").json["unread"] == 0  # type: ignore[index]


def test_another_site_cannot_mark_anything_as_read(browser: Browser, database: Database) -> None:
    email_id = deliver(database)
    path = f"/api/mail/read?id={email_id}"
    assert browser.get(path, headers={"Sec-Fetch-Site": "cross-site"}).json["is_read"] is False  # type: ignore[index]
    assert browser.get(path, headers={"Sec-Fetch-Site": "same-origin"}).json["is_read"] is True  # type: ignore[index]


def test_somebody_elses_message_looks_like_none(demo: Panel, database: Database) -> None:
    foreign = deliver(database, owner="maria", recipient="maria@other.test")
    there = problem(demo.get("/api/mail/read", id=foreign), 404)
    nowhere = problem(demo.get("/api/mail/read", id=foreign + 1000), 404)
    assert there == nowhere


@pytest.mark.parametrize("raw", [b"", b"\x00\xff\xfe", b"Subject: =?x?q?=ff?=\r\n\r\n\xff", b"no headers at all"])
def test_any_bytes_can_be_read(demo: Panel, database: Database, raw: bytes) -> None:
    email_id = deliver(database, raw=raw or b"\r\n")
    assert demo.get("/api/mail/read", id=email_id).status_code == 200


# Move and count


def test_messages_move_together(demo: Panel, database: Database) -> None:
    ids = [deliver(database) for _ in range(3)]
    assert demo.post("/api/mail/move", {"ids": ids[:2], "folder": "trash"}).json == {"moved": 2}
    assert demo.post("/api/mail/move", {"id": ids[2], "folder": "archive"}).json == {"moved": 1}
    folders = demo.get("/api/mail/counts").json["folders"]  # type: ignore[index]
    assert folders["trash"] == {"total": 2, "unread": 2} and folders["archive"]["total"] == 1
    assert set(folders) == {"inbox", "drafts", "sent", "junk", "archive", "trash"}


def test_a_move_with_a_foreign_id_moves_nothing(demo: Panel, database: Database) -> None:
    mine, foreign = deliver(database), deliver(database, owner="maria")
    problem(demo.post("/api/mail/move", {"ids": [mine, foreign], "folder": "trash"}), 404)
    assert demo.get("/api/mail/counts").json["folders"]["trash"]["total"] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    "body",
    [
        {"folder": "trash"},
        {"id": 1, "ids": [1], "folder": "trash"},
        {"id": 1, "folder": "nowhere"},
        {"ids": [], "folder": "trash"},
        {"id": 1, "folder": "trash", "extra": 1},
        {"id": "1; DROP TABLE emails", "folder": "trash"},
    ],
)
def test_a_move_that_does_not_fit_is_refused(demo: Panel, body: dict[str, Any]) -> None:
    problem(demo.post("/api/mail/move", body), 422)


# Send


def test_what_is_sent_is_queued_and_kept(demo: Panel, database: Database) -> None:
    body = LETTER | {"cc": ["Bob <bob@remote.example>"], "bcc": ["secret@remote.example"]}
    answer = demo.post("/api/mail/send", body)
    assert answer.status_code == 202 and answer.json is not None
    assert set(answer.json) == {"message_id", "email_id", "outbox_ids"} and len(answer.json["outbox_ids"]) == 3
    rows = demo.get("/api/mail/outbox").json["outbox"]  # type: ignore[index]
    assert {row["recipient"] for row in rows} == {"ann@remote.example", "bob@remote.example", "secret@remote.example"}
    copy = demo.get("/api/mail/read", id=answer.json["email_id"]).json
    assert copy is not None and copy["folder"] == "sent" and copy["message_id"] == answer.json["message_id"]


def test_bcc_stands_in_the_senders_copy_alone(demo: Panel, database: Database) -> None:
    answer = demo.post("/api/mail/send", LETTER | {"bcc": ["secret@remote.example"]}).json
    assert answer is not None
    raw = database.read(lambda tx: mailbox.raw(tx, answer["email_id"]))
    assert raw.startswith(b"Bcc: secret@remote.example\r\n") and raw.count(b"secret@") == 1


def test_a_recipient_named_twice_gets_it_once(demo: Panel) -> None:
    answer = demo.post("/api/mail/send", LETTER | {"cc": ["ANN@remote.example"]}).json
    assert answer is not None and len(answer["outbox_ids"]) == 1


def test_attachments_arrive_as_they_were(demo: Panel, database: Database) -> None:
    content = bytes(range(256))
    attachment = {
        "filename": "Übersicht.bin",
        "content_type": "application/x-thing",
        "content": base64.b64encode(content).decode(),
    }
    answer = demo.post("/api/mail/send", LETTER | {"attachments": [attachment]}).json
    assert answer is not None
    (part,) = parsing.parse(database.read(lambda tx: mailbox.raw(tx, answer["email_id"]))).attachments
    assert (part.filename, part.content_type, part.data) == ("Übersicht.bin", "application/x-thing", content)


def test_a_form_with_files_sends_too(demo: Panel, database: Database) -> None:
    form = {
        "from": "demo@example.test",
        "to": ["ann@remote.example", "bob@remote.example"],
        "subject": "Form",
        "text": "Hello",
        "attachments": [(io.BytesIO(b"one"), "one.txt"), (io.BytesIO(b"two"), "two.txt")],
    }
    answer = demo.client.post("/api/mail/send", data=form, headers=demo.headers)
    assert answer.status_code == 202 and answer.json is not None and len(answer.json["outbox_ids"]) == 2
    email_id = answer.json["email_id"]
    parsed = parsing.parse(database.read(lambda tx: mailbox.raw(tx, email_id)))
    assert [(part.filename, part.data) for part in parsed.attachments] == [("one.txt", b"one"), ("two.txt", b"two")]


def test_nobody_sends_as_somebody_else(demo: Panel) -> None:
    document = problem(demo.post("/api/mail/send", LETTER | {"from": "maria@other.test"}), 403)
    assert document["errors"][0]["field"] == "from"


def test_the_service_token_sends_for_any_address_and_its_owner_keeps_the_copy(panel: Panel) -> None:
    answer = panel.post("/api/mail/send", LETTER | {"from": "maria@other.test"})
    assert answer.status_code == 202 and answer.json is not None
    copy = panel.acting_for("maria").get("/api/mail/read", id=answer.json["email_id"])
    assert copy.status_code == 200


def test_a_sender_without_a_mailbox_here_keeps_no_copy(panel: Panel) -> None:
    answer = panel.post("/api/mail/send", LETTER | {"from": "panel@elsewhere.example"})
    assert answer.status_code == 202 and answer.json is not None and answer.json["email_id"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": []}, "to"),
        ({"to": ["not an address"]}, "to"),
        ({"cc": ["a@b@c"]}, "cc"),
        ({"bcc": ["x"]}, "bcc"),
        ({"from": "nobody"}, "from"),
        ({"from": "demo@example.test, maria@other.test"}, "from"),
        ({"subject": "a\r\nBcc: evil@x.example"}, "subject"),
        ({"in_reply_to": "no id"}, "in_reply_to"),
        ({"attachments": [{"filename": "x", "content": "%%%"}]}, "attachments.0.content"),
        ({"to": [f"u{number}@remote.example" for number in range(1001)]}, "to"),
        ({"priority": "high"}, "priority"),
    ],
)
def test_a_message_that_does_not_fit_names_its_field(demo: Panel, change: dict[str, Any], field: str) -> None:
    document = problem(demo.post("/api/mail/send", LETTER | change), 422)
    assert document["errors"][0]["field"] == field


def test_text_or_html_is_needed(demo: Panel) -> None:
    body = {name: value for name, value in LETTER.items() if name != "text"}
    problem(demo.post("/api/mail/send", body), 422)
    assert demo.post("/api/mail/send", body | {"html": "<p>Hi</p>"}).status_code == 202


def test_a_message_that_is_too_large_is_refused_whole(demo: Panel) -> None:
    problem(demo.post("/api/mail/send", LETTER | {"text": "x" * (1024 * 1024 + 1)}), 413)
    assert demo.get("/api/mail/outbox").json["outbox"] == []  # type: ignore[index]


# Problems


def test_every_error_of_the_api_is_a_problem_document(demo: Panel, browser: Browser) -> None:
    client, headers = demo.client, demo.headers
    problem(client.get("/api/mail/nothing", headers=headers), 404)
    wrong_method = client.put("/api/mail/list", headers=headers)
    problem(wrong_method, 405)
    assert "GET" in wrong_method.headers["Allow"]
    problem(client.post("/api/mail/send", data="{", content_type="application/json", headers=headers), 400)
    problem(client.post("/api/mail/send", data="[]", content_type="application/json", headers=headers), 422)
    problem(client.post("/api/mail/send", data="x", content_type="text/plain", headers=headers), 415)
    problem(browser.get("/api/mail/config"), 403)


def test_the_unforeseen_says_nothing_about_itself(demo: Panel, database: Database) -> None:
    database.write(lambda tx: tx.execute("DROP TRIGGER outbox_history_delete; DROP TABLE delivery_attempts"))
    database.write(lambda tx: tx.execute("ALTER TABLE outbox RENAME TO gone"))
    document = problem(demo.get("/api/mail/outbox"), 500)
    assert "outbox" not in document["detail"] and "sql" not in document["detail"].lower()


# What a message brings along


def test_an_event_is_told_field_by_field(demo: Panel, database: Database) -> None:
    calendar = (
        b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:7\r\nDTSTART:20261201T100000Z\r\nDURATION:PT1H\r\n"
        b"SUMMARY:Plan\r\nORGANIZER;CN=Ann:mailto:ann@remote.test\r\n"
        b"ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@remote.test\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    found = read(demo, deliver(database, attachments=[OutgoingAttachment("a.ics", "text/calendar", calendar)]))
    assert found["event"] == {
        "method": "REQUEST", "uid": "7", "summary": "Plan", "location": "", "description": "", "repeats": True,
        "cancelled": False, "organizer": {"name": "Ann", "address": "ann@remote.test", "answer": None},
        "attendees": [{"name": "", "address": "bob@remote.test", "answer": "accepted"}],
        "recurrence": "every day", "occurrence": None, "sequence": 0, "note": "", "comment": "", "my_answer": None,
        "answered_earlier": False, "can_answer": True,
        "start": {"at": "2026-12-01T10:00:00Z", "words": ""}, "end": {"at": "2026-12-01T11:00:00Z", "words": ""},
    }  # fmt: skip


def test_contacts_are_told(demo: Panel, database: Database) -> None:
    card = b"BEGIN:VCARD\r\nFN:Ann Taylor\r\nORG:Works\r\nEMAIL:ann@remote.test\r\nTEL:+1 2\r\nEND:VCARD\r\n"
    found = read(demo, deliver(database, attachments=[OutgoingAttachment("a.vcf", "text/vcard", card)]))
    (contact,) = found["contacts"]
    assert contact == {
        "name": "Ann Taylor", "organisation": "Works", "emails": ["ann@remote.test"], "phones": ["+1 2"],
    }  # fmt: skip
    assert found["event"] is None and found["protection"] is None and found["delivery_reports"] == []


@pytest.mark.parametrize(
    ("name", "protection"), [("pgp-mime", "pgp"), ("smime-encrypted", "smime"), ("smime-opaque", "smime-signed")]
)
def test_what_cannot_be_read_here_is_told(demo: Panel, database: Database, name: str, protection: str) -> None:
    raw = (golden.MESSAGES / f"{name}.eml").read_bytes()
    assert read(demo, deliver(database, raw=raw))["protection"] == protection


def test_messages_inside_are_opened_down_to_some_depth(demo: Panel, database: Database) -> None:
    raw = b"From: deepest@x.test\r\nSubject: 0\r\nContent-Type: text/html\r\n\r\n<b>Hi</b><script>x()</script>"
    for number in range(1, 6):
        head = f"From: a@x.test\r\nSubject: {number}\r\nMIME-Version: 1.0\r\n"
        raw = (
            head.encode()
            + b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
            + (b"Content-Type: message/rfc822\r\n\r\n" + raw + b"\r\n--b%d--\r\n" % number)
        )
    found: dict[str, Any] = read(demo, deliver(database, raw=raw))
    subjects = []
    while "message" in found["attachments"][0]:
        found = found["attachments"][0]["message"]
        subjects.append(found["subject"])
    assert subjects == ["4", "3", "2"]


def test_a_message_inside_is_sanitised_as_any_other(demo: Panel, database: Database) -> None:
    inner = b"From: Bob <bob@x.test>\r\nSubject: In\r\nContent-Type: text/html\r\n\r\n<b>Hi</b><script>x()</script>"
    found = read(demo, deliver(database, attachments=[OutgoingAttachment("a.eml", "message/rfc822", inner)]))
    inside = found["attachments"][0]["message"]
    assert (inside["sender"], inside["sender_name"], inside["subject"]) == ("bob@x.test", "Bob", "In")
    assert inside["html"] == "<b>Hi</b>"


def test_files_in_a_winmail_dat_are_attachments(demo: Panel, database: Database) -> None:
    raw = (golden.MESSAGES / "winmail-dat.eml").read_bytes()
    names = [each["filename"] for each in read(demo, deliver(database, raw=raw))["attachments"]]
    assert names and "winmail.dat" not in names


def read(panel: Panel, email_id: int) -> dict[str, Any]:
    found = panel.get("/api/mail/read", id=email_id).json
    assert found is not None
    return dict(found)


# Conversations


def answer_to(parent: str, name: str, sender: str = "ann@remote.example") -> bytes:
    """A message that answers another one, by their names."""
    head = f"From: {sender}\r\nTo: demo@example.test\r\nSubject: Re: plan\r\nMessage-ID: <{name}@m>\r\n"
    return f"{head}{f'In-Reply-To: <{parent}@m>' + chr(13) + chr(10) if parent else ''}\r\n{name}\r\n".encode()


def test_a_list_by_conversation_has_one_message_of_each(browser: Browser, database: Database) -> None:
    first = deliver(database, raw=answer_to("", "a"))
    second = deliver(database, raw=answer_to("a", "b"))
    alone = deliver(database, subject="Alone")
    index(database)
    found = browser.get("/api/mail/list?by_conversation=1").get_json()["emails"]
    assert [each["id"] for each in found] == [alone, second]
    assert found[1]["conversation"] == {"total": 2, "unread": 2} and "conversation" not in found[0]
    number = found[1]["conversation_id"]
    whole = browser.get(f"/api/mail/conversation?id={number}").get_json()
    assert [each["id"] for each in whole["emails"]] == [second, first] and whole["total"] == 2


def test_a_conversation_is_muted_by_its_owner_alone(browser: Browser, app: Flask, database: Database) -> None:
    deliver(database, raw=answer_to("", "a"))
    index(database)
    number = browser.get("/api/mail/list").get_json()["emails"][0]["conversation_id"]
    maria = Browser.logged_in(app.test_client(), "maria")
    assert maria.post_json("/api/mail/conversation/mute", {"id": number, "is_muted": True}).status_code == 404
    assert maria.get(f"/api/mail/conversation?id={number}").status_code == 404
    answer = browser.post_json("/api/mail/conversation/mute", {"id": number, "is_muted": True})
    assert answer.get_json() == {"is_muted": True}
    assert browser.get(f"/api/mail/conversation?id={number}").get_json()["is_muted"] is True
