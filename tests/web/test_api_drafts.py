"""The API's drafts, files, and what is sent once however often it is asked for."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest
from onifast_shared.accounts import audit
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import parsing
from onifast_shared.message.compose import OutgoingAttachment
from werkzeug.test import TestResponse

from web.support import PNG, Browser, Clock, Panel, deliver

LETTER = {"from": "demo@example.test", "to": "ann@remote.example", "subject": "Hi", "text": "Hello"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


@pytest.fixture
def demo(panel: Panel) -> Panel:
    """The panel acting for demo."""
    return panel.acting_for("demo")


def send(caller: Panel, body: dict[str, Any], **headers: str) -> TestResponse:
    return caller.client.post("/api/mail/send", json=body, headers=caller.headers | headers)


def queued(database: Database) -> int:
    return int(database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").get))


def kept(database: Database, folder: str) -> list[int]:
    return [row.id for row in database.read(lambda tx: mailbox.list_page(tx, "demo", folder)).rows]


# Drafts


def test_a_draft_keeps_all_that_was_typed(demo: Panel) -> None:
    file = {"filename": "a.png", "content_type": "image/png", "content": base64.b64encode(PNG).decode()}
    typed = {
        "from": "demo@example.test", "to": ["ann@remote.example", "half an addr"], "bcc": "boss@remote.example",
        "subject": "Hi", "text": "Hello", "html": "<p>Hello</p>", "attachments": [file],
        "in_reply_to": "<1@remote.example>", "references": ["<0@remote.example>", "<1@remote.example>"],
    }  # fmt: skip
    made = demo.post("/api/mail/drafts", typed)
    assert made.status_code == 201 and made.json is not None
    found = demo.get("/api/mail/draft", id=made.json["id"]).json
    assert found is not None
    assert (found["to"], found["bcc"]) == ("ann@remote.example, half an addr", "boss@remote.example")
    assert (found["from"], found["subject"], found["html"].strip()) == ("demo@example.test", "Hi", "<p>Hello</p>")
    assert found["references"] == typed["references"] and found["in_reply_to"] == "<1@remote.example>"
    assert [each["filename"] for each in found["attachments"]] == ["a.png"]
    (line,) = demo.get("/api/mail/drafts").json["drafts"]  # type: ignore[index]
    assert (line["id"], line["subject"], line["has_attachments"]) == (made.json["id"], "Hi", True)


def test_a_draft_is_replaced_and_deleted(demo: Panel, database: Database) -> None:
    first = demo.post("/api/mail/drafts", LETTER).json["id"]  # type: ignore[index]
    body = LETTER | {"id": first, "subject": "Better"}
    second = demo.client.put("/api/mail/drafts", json=body, headers=demo.headers)
    assert second.json is not None and kept(database, "drafts") == [second.json["id"]]
    assert demo.client.put("/api/mail/drafts", json=body, headers=demo.headers).status_code == 404
    assert demo.delete("/api/mail/drafts", id=second.json["id"]).status_code == 204
    assert kept(database, "drafts") == []
    assert demo.delete("/api/mail/drafts", id=second.json["id"]).status_code == 404


def test_a_message_that_is_no_draft_is_neither_replaced_nor_deleted(demo: Panel, database: Database) -> None:
    email_id = deliver(database)
    assert demo.client.put("/api/mail/drafts", json=LETTER | {"id": email_id}, headers=demo.headers).status_code == 404
    assert demo.delete("/api/mail/drafts", id=email_id).status_code == 404
    assert demo.post("/api/mail/drafts/send", {"id": email_id}).status_code == 404
    assert (kept(database, "inbox"), kept(database, "drafts")) == ([email_id], [])


def test_a_draft_is_sent_as_it_stands(demo: Panel, database: Database) -> None:
    file = {"filename": "a.png", "content_type": "image/png", "content": base64.b64encode(PNG).decode()}
    body = LETTER | {"bcc": "boss@remote.example", "html": "<p>Hello</p>", "attachments": [file]}
    draft = demo.post("/api/mail/drafts", body).json["id"]  # type: ignore[index]
    answer = demo.post("/api/mail/drafts/send", {"id": draft})
    assert answer.status_code == 202 and answer.json is not None
    assert (kept(database, "drafts"), kept(database, "sent")) == ([], [answer.json["email_id"]])
    assert queued(database) == 2
    parsed = parsing.parse(database.read(lambda tx: mailbox.raw(tx, answer.json["email_id"])))  # type: ignore[index]
    assert (parsed.text or "").strip() == "Hello" and "<p>Hello</p>" in (parsed.html or "")
    assert [(each.filename, each.data) for each in parsed.attachments] == [("a.png", PNG)]
    assert parsed.header("X-Onifast-Draft") is None


def test_a_draft_that_cannot_be_sent_stays(demo: Panel, database: Database) -> None:
    draft = demo.post("/api/mail/drafts", LETTER | {"to": "half an addr"}).json["id"]  # type: ignore[index]
    assert demo.post("/api/mail/drafts/send", {"id": draft}).status_code == 422
    assert kept(database, "drafts") == [draft]


def test_a_draft_of_the_api_opens_in_the_composer(demo: Panel, browser: Browser) -> None:
    body = {key: value for key, value in LETTER.items() if key != "text"} | {"html": "<p>Dear <b>Ann</b></p>"}
    draft = demo.post("/api/mail/drafts", body).json["id"]  # type: ignore[index]
    assert "Dear Ann" in browser.get(f"/compose?draft={draft}").text


# Sent once


def test_a_key_sends_once_and_answers_alike(demo: Panel, database: Database) -> None:
    first, second = send(demo, LETTER, **KEY), send(demo, LETTER, **KEY)
    assert first.status_code == second.status_code == 202 and first.data == second.data
    quoted = send(demo, LETTER, **{"Idempotency-Key": f'"{KEY["Idempotency-Key"]}"'})
    assert quoted.data == first.data
    assert (queued(database), len(kept(database, "sent"))) == (1, 1)


def test_a_key_with_another_body_is_refused(demo: Panel, database: Database) -> None:
    send(demo, LETTER, **KEY)
    answer = send(demo, LETTER | {"subject": "Ho"}, **KEY)
    assert answer.status_code == 422 and "another request" in answer.text
    assert queued(database) == 1


def test_a_key_is_its_users_own_and_kept_for_a_day(demo: Panel, panel: Panel, database: Database, clock: Clock) -> None:
    letter = LETTER | {"from": "maria@other.test"}
    assert send(demo, LETTER, **KEY).status_code == send(panel.acting_for("maria"), letter, **KEY).status_code == 202
    clock.advance(86_401)
    assert send(demo, LETTER, **KEY).status_code == 202
    assert queued(database) == 3


def test_a_failed_request_leaves_its_key_free(demo: Panel, database: Database) -> None:
    assert send(demo, LETTER | {"to": "nonsense"}, **KEY).status_code == 422
    assert send(demo, LETTER, **KEY).status_code == 202
    assert queued(database) == 1


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, "a\x7fb", "ä"], ids=ascii)
def test_what_is_no_key_is_refused(demo: Panel, key: str) -> None:
    assert send(demo, LETTER, **{"Idempotency-Key": key}).status_code == 422


def test_two_requests_at_once_send_once(demo: Panel, database: Database) -> None:
    answers = list[bytes]()
    threads = [threading.Thread(target=lambda: answers.append(send(demo, LETTER, **KEY).data)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1 and len(answers) == 8
    assert (queued(database), len(kept(database, "sent"))) == (1, 1)


def test_a_draft_is_sent_once(demo: Panel, database: Database) -> None:
    draft = demo.post("/api/mail/drafts", LETTER).json["id"]  # type: ignore[index]
    path, headers = "/api/mail/drafts/send", demo.headers | KEY
    first, second = (demo.client.post(path, json={"id": draft}, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 202 and first.data == second.data
    assert demo.client.post(path, json={"id": draft}, headers=demo.headers).status_code == 404
    assert queued(database) == 1


@pytest.mark.parametrize("to", ["ann@remote.example", "Ann <ann@remote.example>, bob@remote.example"])
def test_recipients_are_a_list_or_a_text(demo: Panel, to: str) -> None:
    answer = send(demo, LETTER | {"to": to})
    assert answer.status_code == 202 and len(answer.json["outbox_ids"]) == to.count("@")  # type: ignore[index]


def test_a_letter_comes_as_a_form(demo: Panel, database: Database) -> None:
    form = {"from": "demo@example.test", "to[0]": "ann@remote.example", "to[1]": "bob@remote.example", "text": "Hi"}
    answer = demo.client.post("/api/mail/send", data=form, headers=demo.headers)
    assert answer.status_code == 202, answer.text
    assert queued(database) == 2


# Files


def test_a_message_and_its_attachment_come_as_files_and_in_parts(demo: Panel, database: Database) -> None:
    email_id = deliver(database, attachments=[OutgoingAttachment("a.png", "image/png", PNG)])
    whole = demo.get("/api/mail/attachment", id=email_id, index=0)
    assert (whole.data, whole.mimetype) == (PNG, "image/png")
    assert "a.png" in whole.headers["Content-Disposition"] and whole.headers["Accept-Ranges"] == "bytes"
    path = f"/api/mail/attachment?id={email_id}&index=0"
    part = demo.client.get(path, headers=demo.headers | {"Range": "bytes=1-3"})
    assert (part.status_code, part.data, part.headers["Content-Range"]) == (206, b"PNG", f"bytes 1-3/{len(PNG)}")
    assert demo.client.get(path, headers=demo.headers | {"Range": "bytes=9999-"}).status_code == 416
    again = demo.client.get(path, headers=demo.headers | {"If-None-Match": whole.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    raw = demo.get("/api/mail/raw", id=email_id)
    assert raw.mimetype == "message/rfc822" and raw.data == database.read(lambda tx: mailbox.raw(tx, email_id))
    assert demo.get("/api/mail/attachment", id=email_id, index=1).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status", "length"),
    [
        ({"Range": "bytes=-4"}, 206, 4),
        ({"Range": "bytes=2-"}, 206, len(PNG) - 2),
        ({"Range": "bytes=2-99999"}, 206, len(PNG) - 2),
        ({"Range": "bytes=0-1,4-5"}, 200, len(PNG)),
        ({"Range": "lines=1-2"}, 200, len(PNG)),
        ({"Range": "bytes=9-1"}, 200, len(PNG)),
        ({"Range": "bytes=x"}, 200, len(PNG)),
        ({"Range": "bytes=0-1", "If-Range": "ETAG"}, 206, 2),
        ({"Range": "bytes=0-1", "If-Range": "W/ETAG"}, 200, len(PNG)),
        ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200, len(PNG)),
        ({"Range": "bytes=0-1", "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200, len(PNG)),
        ({"Range": "bytes=0-1", "If-None-Match": "ETAG"}, 304, 0),
    ],
)
def test_parts_of_files_are_given_as_rfc_9110_has_it(
    panel: Panel, database: Database, headers: dict[str, str], status: int, length: int
) -> None:
    demo = panel.acting_for("demo")
    email_id = deliver(database, attachments=[OutgoingAttachment("a.png", "image/png", PNG)])
    path = f"/api/mail/attachment?id={email_id}&index=0"
    etag = demo.client.get(path, headers=demo.headers).headers["ETag"]
    asked = demo.headers | {name: value.replace("ETAG", etag) for name, value in headers.items()}
    answer = demo.client.get(path, headers=asked)
    assert (answer.status_code, len(answer.data)) == (status, length)
    head = demo.client.head(path, headers=asked)
    assert (head.status_code, head.headers.get("Content-Range")) == (304 if status == 304 else 200, None)


def test_what_the_service_token_reads_stays_unread_and_is_on_record(
    panel: Panel, database: Database, browser: Browser
) -> None:
    email_id = deliver(database, attachments=[OutgoingAttachment("a.png", "image/png", PNG)])
    for caller in (panel, panel.acting_for("demo")):
        assert caller.get("/api/mail/read", id=email_id).json["is_read"] is False  # type: ignore[index]
    panel.get("/api/mail/raw", id=email_id)
    panel.get("/api/mail/attachment", id=email_id, index=0)
    rows = database.read(lambda tx: audit.list_page(tx, "demo", action="mail.")).rows
    assert [each.action for each in reversed(rows)] == ["mail.read", "mail.read", "mail.raw", "mail.attachment"]
    assert {(each.actor.name, each.actor.token, each.actor.ip) for each in rows} == {("panel", "service", "127.0.0.1")}
    assert [dict(each.details) for each in reversed(rows)][:2] == [{}, {"for": "demo"}]
    browser.get(f"/api/mail/read?id={email_id}", headers={"Sec-Fetch-Site": "same-origin"})
    assert len(database.read(lambda tx: audit.list_page(tx, "demo", action="mail.")).rows) == 4
    assert panel.get("/api/mail/read", id=email_id, mark_read=1).json["is_read"] is True  # type: ignore[index]
