"""Read receipts: asked once, sent as RFC 8098 has them, never to lists and machines; and those that come in."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import contents, mailbox, preferences
from onifast_shared.mailboxes.preferences import ReceiptChoice, WritingChoice
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed

from web.support import Browser, deliver

ASKS = "Disposition-Notification-To: Ann <ann@remote.example>"
HEAD = "From: Ann <ann@remote.example>\r\nTo: demo@example.test\r\nSubject: Grüße\r\nMessage-ID: <1@remote.example>\r\n"
QUESTION = "asks to be told that you have read this"


def asking(
    database: Database, more: str = ASKS, *, sender: str = "ann@remote.example", to: str = "demo@example.test",
    folder: str = "inbox",
) -> int:  # fmt: skip
    raw = f"{HEAD}{more}\r\n\r\nHi\r\n".encode()
    email_id = deliver(database, raw=raw, recipient=to, folder=folder)
    database.write(lambda tx: tx.execute("UPDATE emails SET reverse_path = ? WHERE id = ?", (sender, email_id)))
    return email_id


def prefer(database: Database, choice: ReceiptChoice) -> None:
    database.write(lambda tx: preferences.put_writing(tx, "demo", WritingChoice(receipts=choice)))


def outgoing(database: Database) -> list[tuple[str, str, Parsed]]:
    """Sender, recipient and message of all that is queued."""
    rows = database.read(lambda tx: tx.execute("SELECT sender, recipient, content_id FROM outbox").fetchall())
    raws = database.read(lambda tx: [contents.read(tx, int(str(row[2]))) for row in rows])
    return [(str(row[0]), str(row[1]), parsing.parse(raw)) for row, raw in zip(rows, raws, strict=True)]


def test_the_reader_is_asked_once_and_the_sender_told(browser: Browser, database: Database) -> None:
    email_id = asking(database)
    assert QUESTION in browser.text_of(f"/messages/{email_id}")
    assert outgoing(database) == []
    browser.post(f"/messages/{email_id}/receipt", {"do": "send"})
    ((sender, recipient, told),) = outgoing(database)
    assert (sender, recipient, str(told.sender)) == ("", "ann@remote.example", "demo@example.test")
    assert told.subject == "Read: Grüße" and told.in_reply_to == "<1@remote.example>"
    assert told.header("auto-submitted") == "auto-replied"
    kind = told.header("content-type") or ""
    assert kind.startswith("multipart/report") and "report-type=disposition-notification" in kind
    fields = next(each for each in told.attachments if each.content_type == "message/disposition-notification")
    assert fields.text.replace("\r\n", "\n").split("\n")[1:4] == [
        "Final-Recipient: rfc822;demo@example.test",
        "Original-Message-ID: <1@remote.example>",
        "Disposition: manual-action/MDN-sent-manually; displayed",
    ]
    assert QUESTION not in browser.text_of(f"/messages/{email_id}")
    assert browser.post(f"/messages/{email_id}/receipt", {"do": "send"}).status_code == 409
    assert len(outgoing(database)) == 1


def test_who_declines_is_asked_no_more(browser: Browser, database: Database) -> None:
    email_id = asking(database)
    browser.post(f"/messages/{email_id}/receipt", {"do": "decline"})
    assert QUESTION not in browser.text_of(f"/messages/{email_id}")
    assert outgoing(database) == []


def test_who_always_tells_does_so_when_the_message_is_opened_first(browser: Browser, database: Database) -> None:
    prefer(database, "always")
    email_id = asking(database)
    for _ in range(2):
        assert QUESTION not in browser.text_of(f"/messages/{email_id}")
    ((_, _, told),) = outgoing(database)
    fields = next(each for each in told.attachments if each.content_type == "message/disposition-notification")
    assert "MDN-sent-automatically" in fields.text


def test_a_receipt_to_another_address_than_the_senders_is_asked_for_all_the_same(
    browser: Browser, database: Database
) -> None:
    prefer(database, "always")
    email_id = asking(database, sender="bounces@remote.example")
    assert QUESTION in browser.text_of(f"/messages/{email_id}")
    assert outgoing(database) == []


def test_who_never_tells_is_not_asked(browser: Browser, database: Database) -> None:
    prefer(database, "never")
    assert QUESTION not in browser.text_of(f"/messages/{asking(database)}")


@pytest.mark.parametrize(
    "more",
    [
        f"{ASKS}\r\nList-Id: <x.remote.example>",
        f"{ASKS}\r\nPrecedence: bulk",
        f"{ASKS}\r\nAuto-Submitted: auto-generated",
        f"{ASKS}\r\nList-Unsubscribe: <mailto:x@remote.example>",
        f"{ASKS}, eve@evil.example",
        f"{ASKS}\r\nDisposition-Notification-Options: x=required,y",
        "Disposition-Notification-To: nonsense",
        "Disposition-Notification-To: demo@example.test",
        f"{ASKS}\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: x; displayed\r\n--b--",
    ],
)
def test_lists_bulk_machines_and_nonsense_get_none(browser: Browser, database: Database, more: str) -> None:
    prefer(database, "always")
    email_id = asking(database, more)
    assert QUESTION not in browser.text_of(f"/messages/{email_id}")
    assert outgoing(database) == []


def test_junk_and_mail_for_others_gets_none(browser: Browser, database: Database) -> None:
    prefer(database, "always")
    for email_id in (asking(database, folder="junk"), asking(database, ASKS, to="demo@example.test", sender="")):
        assert QUESTION not in browser.text_of(f"/messages/{email_id}")
    assert outgoing(database) == []


def test_nobody_answers_for_somebody_else(browser: Browser, database: Database) -> None:
    email_id = deliver(database, owner="maria", recipient="maria@other.test", raw=f"{HEAD}{ASKS}\r\n\r\nHi".encode())
    for do in ("send", "decline"):
        assert browser.post(f"/messages/{email_id}/receipt", {"do": do}).status_code == 404
    assert database.read(lambda tx: mailbox.get(tx, "maria", email_id)) is not None
