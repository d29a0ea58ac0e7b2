"""Redirecting: a message goes on as it is, in its author's name, with who sent it on above it, and within limits."""

from __future__ import annotations

import base64
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.message import parsing

from web.support import Browser, Panel, deliver, give_address, index

ORIGINAL = (
    b"From: Ann Taylor <ann@remote.example>\r\nTo: demo@example.test\r\nSubject: Invoice\r\n"
    b"Message-ID: <original@remote.example>\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\nPlease pay.  \r\n"
)


def queued(database: Database) -> list[tuple[Any, ...]]:
    sql = "SELECT sender, recipient, owner, content_id FROM outbox ORDER BY id"
    return database.read(
        lambda tx: [(*row[:3], contents.read(tx, int(str(row[3])))) for row in tx.execute(sql).fetchall()]
    )


@pytest.fixture
def signed() -> tuple[bytes, bytes]:
    """A signed message, and the record that verifies it."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    field = dkim.sign(ORIGINAL, b"mail", b"remote.example", pem, include_headers=[b"from", b"to", b"subject", b"date"])

    return field + ORIGINAL, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def test_it_goes_on_as_it_is_and_its_signature_holds(
    app: Flask, database: Database, signed: tuple[bytes, bytes]
) -> None:
    raw, record = signed
    email_id = deliver(database, raw=raw)
    index(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    assert "demo@example.test" in demo.get(f"/messages/{email_id}/redirect").text
    form = {"to": "bob@other.example, maria@other.test", "from": "demo@example.test", "key": "abcdef"}
    answer = demo.post(f"/messages/{email_id}/redirect", form)
    assert answer.headers["Location"].endswith(f"/messages/{email_id}?did=message-redirected")
    rows = queued(database)
    assert [row[:3] for row in rows] == [
        ("demo@example.test", "bob@other.example", "demo"),
        ("demo@example.test", "maria@other.test", "demo"),
    ]
    sent = rows[0][3]
    assert sent.endswith(raw)
    parsed = parsing.parse(sent)
    assert str(parsed.sender) == "ann@remote.example"
    assert parsed.message_id == "<original@remote.example>"
    assert parsed.names[:4] == ["resent-date", "resent-from", "resent-to", "resent-message-id"]
    assert parsed.header("resent-from") == "demo@example.test"
    assert parsed.header("resent-to") == "bob@other.example, maria@other.test"
    assert dkim.verify(sent, dnsfunc=lambda *_, **__: record)
    demo.post(f"/messages/{email_id}/redirect", form)
    assert len(queued(database)) == 2  # once
    assert [row.subject for row in database.read(lambda tx: mailbox.list_page(tx, "demo", "sent").rows)] == ["Invoice"]


def test_what_is_for_one_copy_alone_stays_behind(app: Flask, database: Database) -> None:
    trace = (
        b"Return-Path: <x@y>\r\nDelivered-To: demo@example.test\r\nBcc: secret@other.example\r\nReceived: by a; b\r\n"
    )
    email_id = deliver(database, raw=trace + ORIGINAL)
    Browser.logged_in(app.test_client(), "demo").post(
        f"/messages/{email_id}/redirect", {"to": "bob@other.example", "from": "demo@example.test"}
    )
    sent = queued(database)[0][3]
    assert b"secret" not in sent and b"Return-Path" not in sent and b"Delivered-To" not in sent
    assert b"Received: by a; b\r\n" in sent


def test_nobody_redirects_from_anothers_address_or_anothers_mail(app: Flask, database: Database) -> None:
    email_id = deliver(database)
    demo = Browser.logged_in(app.test_client(), "demo")
    path = f"/messages/{email_id}/redirect"
    refused = demo.post(path, {"to": "bob@other.example", "from": "maria@other.test"})
    assert refused.status_code == 403 and "not one of your addresses" in refused.text
    nowhere = demo.post(path, {"to": "", "from": "demo@example.test"})
    assert nowhere.status_code == 422 and "least one recipient" in nowhere.text
    wrong = demo.post(path, {"to": "nobody at all", "from": "demo@example.test"})
    assert wrong.status_code == 422 and "nobody at all" in wrong.text
    maria = Browser.logged_in(app.test_client(), "maria")
    assert maria.get(path).status_code == 404
    assert maria.post(path, {"to": "bob@other.example", "from": "maria@other.test"}).status_code == 404
    assert queued(database) == []


def test_a_draft_is_sent_and_not_redirected(app: Flask, database: Database) -> None:
    email_id = deliver(database, folder="drafts")
    assert Browser.logged_in(app.test_client(), "demo").get(f"/messages/{email_id}/redirect").status_code == 409


def test_by_the_api(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    give_address(database, "other@example.test", "demo")
    email_id = deliver(database, raw=ORIGINAL)
    body = {"id": email_id, "from": "other@example.test", "to": ["Bob <bob@other.example>"]}
    answer = demo.post("/api/mail/redirect", body)
    assert answer.status_code == 202, answer.text
    found = answer.get_json()
    assert len(found["outbox_ids"]) == 1 and found["message_id"].endswith("mail.host.test>")
    assert parsing.parse(queued(database)[0][3]).header("resent-from") == "other@example.test"
    assert demo.post("/api/mail/redirect", body | {"from": "maria@other.test"}).status_code == 403
    assert demo.post("/api/mail/redirect", body | {"id": 999}).status_code == 404
    assert demo.post("/api/mail/redirect", body | {"to": []}).status_code == 422
