"""Writing, replying, forwarding, drafts."""

from __future__ import annotations

import io

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.compose import OutgoingAttachment
from onifast_shared.queue import view as queue_view

from web.composing import body, field, only, rows, send
from web.support import Browser, deliver, give_address, words


def test_a_message_goes_out(browser: Browser, database: Database) -> None:
    answer = send(browser, cc="Bob <bob@remote.example>", bcc="secret@remote.example")
    assert answer.status_code == 303 and "Message sent. Undo" in browser.text_of(answer.headers["Location"])
    queued = database.read(lambda tx: queue_view.list_page(tx, "demo")).rows
    assert len(queued) == 3 and {row.origin for row in queued} == {"web"}
    _, sent = only(database, "sent")
    assert sent.subject == "Hi" and (sent.text or "").split() == ["Hello", "Ann"]


def test_files_go_with_it(browser: Browser, database: Database) -> None:
    send(browser, attachments=[(io.BytesIO(b"one"), "one.txt"), (io.BytesIO(b"two"), "two.txt")])
    _, sent = only(database, "sent")
    assert [(part.filename, part.data) for part in sent.attachments] == [("one.txt", b"one"), ("two.txt", b"two")]


def test_an_error_keeps_all_that_was_typed(browser: Browser, database: Database) -> None:
    answer = send(browser, to="not an address", bcc="b@remote.example")
    assert answer.status_code == 422 and "was not sent" in words(answer.text)
    assert field(answer.text, "to") == "not an address" and field(answer.text, "bcc") == "b@remote.example"
    assert field(answer.text, "subject") == "Hi" and body(answer.text) == "Hello\nAnn"
    assert 'aria-describedby="to-error"' in answer.text
    assert rows(database, "sent") == [] and rows(database, "drafts") == []


def test_an_error_keeps_the_files_too(browser: Browser, database: Database) -> None:
    answer = send(browser, to="not an address", attachments=[(io.BytesIO(b"one"), "one.txt")])
    assert "one.txt" in answer.text
    fields = {name: field(answer.text, name) for name in ("draft", "source")}
    assert send(browser, keep="0", **fields).status_code == 303
    _, sent = only(database, "sent")
    assert [(part.filename, part.data) for part in sent.attachments] == [("one.txt", b"one")]
    assert rows(database, "drafts") == []


def test_nobody_writes_as_somebody_else(browser: Browser) -> None:
    answer = send(browser, **{"from": "maria@other.test"})
    assert (
        answer.status_code == 403 and "not one of your addresses" in answer.text and body(answer.text) == "Hello\nAnn"
    )


def test_a_message_that_is_too_large_keeps_its_text(browser: Browser) -> None:
    answer = send(browser, attachments=[(io.BytesIO(b"x" * 300_000), "big.bin")])
    assert answer.status_code == 413 and body(answer.text) == "Hello\nAnn"


def test_a_draft_waits_as_it_was_typed(browser: Browser, database: Database) -> None:
    half = {"to": "ann@", "bcc": "secret@remote.example", "attachments": [(io.BytesIO(b"one"), "one.txt")]}
    assert send(browser, "save", **half).status_code == 303
    assert "ann@" in browser.text_of("/folders/drafts")
    email_id, _ = only(database, "drafts")
    page = browser.get(f"/compose?draft={email_id}").text
    assert field(page, "to") == "ann@" and field(page, "bcc") == "secret@remote.example"
    assert field(page, "subject") == "Hi" and body(page).strip() == "Hello\nAnn" and "one.txt" in page


def test_saving_again_replaces_the_draft(browser: Browser, database: Database) -> None:
    send(browser, "save")
    first, _ = only(database, "drafts")
    send(browser, "save", draft=str(first), subject="Better")
    second, parsed = only(database, "drafts")
    assert second != first and parsed.subject == "Better"


def test_a_sent_draft_is_gone_and_leaves_no_trace_in_the_message(browser: Browser, database: Database) -> None:
    send(browser, "save", bcc="secret@remote.example")
    draft, _ = only(database, "drafts")
    send(browser, draft=str(draft))
    assert rows(database, "drafts") == []
    _, sent = only(database, "sent")
    assert not any(name.lower().startswith("x-onifast") for name, _ in sent.headers)


def test_discarding_removes_the_draft_and_nothing_else(browser: Browser, database: Database) -> None:
    send(browser, "save")
    draft, _ = only(database, "drafts")
    received = deliver(database)
    send(browser, "discard", draft=str(received))
    assert len(rows(database, "inbox")) == 1
    send(browser, "discard", draft=str(draft))
    assert rows(database, "drafts") == []


def test_a_foreign_draft_is_neither_shown_nor_removed(browser: Browser, database: Database) -> None:
    foreign = deliver(database, owner="maria", folder="drafts")
    assert browser.get(f"/compose?draft={foreign}").status_code == 404
    send(browser, draft=str(foreign))
    assert database.read(lambda tx: mailbox.get(tx, "maria", foreign)) is not None
    assert send(browser, source=str(foreign), keep="0").status_code == 404


@pytest.mark.parametrize("keep", ["9" * 5000, "9" * 10, "-1", "one", ""])
def test_a_file_to_keep_that_is_no_number_is_refused(browser: Browser, database: Database, keep: str) -> None:
    assert send(browser, source="1", keep=keep).status_code == 400
    assert rows(database, "sent") == []


def test_a_page_is_shown_whatever_stands_in_its_address(browser: Browser) -> None:
    assert browser.get(f"/folders/trash?did=moved&came=inbox&ids={'9' * 5000}.1").status_code == 200


def test_a_reply_is_addressed_quoted_and_threaded(browser: Browser, database: Database) -> None:
    raw = (
        b"From: Ann <ann@remote.example>\r\nTo: demo@example.test\r\nSubject: Lunch\r\n"
        b"Message-ID: <2@remote.example>\r\nReferences: <1@remote.example>\r\n\r\nThursday?\r\n"
    )
    page = browser.get(f"/compose?reply={deliver(database, raw=raw)}").text
    assert field(page, "to") == "Ann <ann@remote.example>" and field(page, "subject") == "Re: Lunch"
    assert "> Thursday?" in body(page)
    assert field(page, "in_reply_to") == "<2@remote.example>"
    assert field(page, "references") == "<1@remote.example> <2@remote.example>"
    threads = {name: field(page, name) for name in ("in_reply_to", "references")}
    send(browser, **threads)
    _, sent = only(database, "sent")
    assert sent.in_reply_to == "<2@remote.example>" and sent.references == ["<1@remote.example>", "<2@remote.example>"]


def test_a_reply_goes_where_the_sender_wants_it(browser: Browser, database: Database) -> None:
    raw = b"From: list@remote.example\r\nReply-To: Help <help@remote.example>\r\nSubject: x\r\n\r\nx\r\n"
    page = browser.get(f"/compose?reply={deliver(database, raw=raw)}").text
    assert field(page, "to") == "Help <help@remote.example>"


def test_a_reply_to_all_leaves_oneself_out(browser: Browser, database: Database) -> None:
    email_id = deliver(database, to="Demo <Demo@example.test>, Bob <bob@remote.example>", cc="Eve <eve@remote.example>")
    page = browser.get(f"/compose?reply_all={email_id}").text
    assert field(page, "cc") == "Bob <bob@remote.example>, Eve <eve@remote.example>"


def test_an_answer_comes_from_the_address_that_was_written_to(browser: Browser, database: Database) -> None:
    give_address(database, "sales@example.test", "demo")
    page = browser.get(f"/compose?reply={deliver(database, recipient='sales@example.test')}").text
    assert "<option selected>sales@example.test" in page


def test_a_forward_brings_text_and_files_along(browser: Browser, database: Database) -> None:
    email_id = deliver(
        database, subject="Plan", attachments=[OutgoingAttachment("plan.pdf", "application/pdf", b"PDF")]
    )
    page = browser.get(f"/compose?forward={email_id}").text
    assert field(page, "subject") == "Fwd: Plan" and "Hi there." in body(page) and "plan.pdf" in page
    send(browser, source=field(page, "source"), keep="0", subject="Fwd: Plan")
    _, sent = only(database, "sent")
    assert [(part.filename, part.data) for part in sent.attachments] == [("plan.pdf", b"PDF")]


def test_who_has_no_address_is_told_so(browser: Browser, database: Database) -> None:
    database.write(lambda tx: tx.execute("DELETE FROM mail_addresses"))
    assert "no mail address yet" in browser.text_of("/compose")
