"""Verdicts on new mail: from whom its owner writes to, whom they called junk, and what words junk had."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.junk import judging, model
from onifast_shared.junk.model import Learnable
from onifast_shared.mailboxes import mailbox, preferences
from onifast_shared.mailboxes.preferences import JunkChoice
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses, correspondents
from onifast_shared.values.address import Address
from onifast_shared.values.suffixes import suffixes

from .letters import GOOD_TEXT, JUNK_TEXT, NOW, PASSED, arrive, folder_of, judged, letter, train

BOB = "bob@company.test"


def write_to(database: Database, recipient: str, head: bytes = b"") -> None:
    """Ann writes to somebody."""
    submission = Submission("ann@here.test", "smtp", owner="ann", submitted_by="user:ann")
    accept.submit(database, head + b"Subject: x\r\n\r\nx\r\n", submission, [QueuedRecipient(recipient)])
    while database.read(correspondents.is_behind):
        database.write(lambda tx: correspondents.gather(tx, suffixes()))


def learn_sender(database: Database, kind: model.Kind, *senders: str, times: int = 1) -> None:
    for _ in range(times):
        database.write(lambda tx: model.learn(tx, "ann", kind, Learnable((), senders), NOW))


def test_what_is_like_junk_goes_to_junk_and_the_reason_says_like_how_much(database: Database) -> None:
    train(database, junk=24)
    email_id = arrive(database, letter(99, JUNK_TEXT))
    verdict = judged(database, email_id)
    assert verdict.folder == folder_of(database, email_id) == "junk"
    assert verdict.reason.startswith("It is in junk because it is like 24 messages that you moved to junk: “")
    row = database.read(lambda tx: mailbox.get(tx, "ann", email_id))
    assert row is not None
    assert (row.junk_reason, row.correspondent) == (verdict.reason, "first")
    assert row.junk_score is not None
    assert row.junk_score > judging.JUNK_FROM


def test_other_mail_stays_where_it_is(database: Database) -> None:
    train(database)
    for folder in ("inbox", "junk"):
        email_id = arrive(database, letter(99, GOOD_TEXT), folder=folder)
        assert judged(database, email_id).reason == ""
        assert folder_of(database, email_id) == folder


def test_few_messages_teach_nothing(database: Database) -> None:
    train(database, good=judging.FEWEST_LEARNED - 1)
    assert judged(database, arrive(database, letter(99, JUNK_TEXT))).folder == "inbox"


def test_another_user_is_judged_by_what_they_taught(database: Database) -> None:
    train(database, owner="mallory")
    assert judged(database, arrive(database, letter(99, JUNK_TEXT), owner="ann")).folder == "inbox"
    assert judged(database, arrive(database, letter(99, JUNK_TEXT), owner="mallory")).folder == "junk"


@pytest.mark.parametrize("folder", ["inbox", "junk"])
def test_whom_one_wrote_to_is_never_junk_if_dmarc_passes(database: Database, folder: str) -> None:
    train(database)
    write_to(database, BOB)
    email_id = arrive(database, letter(1, JUNK_TEXT, BOB), folder=folder, found=PASSED | {"junk_by": ["junk filter"]})
    verdict = judged(database, email_id)
    assert (verdict.correspondent, folder_of(database, email_id)) == ("written", "inbox")
    assert bool(verdict.reason) == (folder == "junk")


@pytest.mark.parametrize("found", [{"dmarc": "fail"}, {"dmarc": "none"}, {"dmarc": "temperror"}, {}])
def test_whom_one_wrote_to_may_be_forged_where_dmarc_does_not_pass(database: Database, found: dict[str, Any]) -> None:
    train(database)
    write_to(database, BOB)
    email_id = arrive(database, letter(1, JUNK_TEXT, BOB), found=found or {"spf": "pass"})
    assert judged(database, email_id).correspondent == "first"
    assert folder_of(database, email_id) == "junk"


def test_dmarc_of_another_domain_than_the_shown_one_proves_nothing(database: Database) -> None:
    write_to(database, BOB)
    found = PASSED | {"details": {"dmarc": {"domain": "evil.test"}}}
    assert judged(database, arrive(database, letter(1, JUNK_TEXT, BOB), found=found)).correspondent == "first"


@pytest.mark.parametrize(
    "head", [b"Auto-Submitted: auto-replied\r\n", b"Precedence: bulk\r\n", b"X-Autoreply: yes\r\n"]
)
def test_an_automatic_reply_is_no_writing(database: Database, head: bytes) -> None:
    write_to(database, BOB, head)
    assert judged(database, arrive(database, letter(1, JUNK_TEXT, BOB), found=PASSED)).correspondent == "first"


def test_a_content_filters_word_stands(database: Database) -> None:
    write_to(database, BOB)
    found = PASSED | {"junk_by": ["content filter"]}
    email_id = arrive(database, letter(1, GOOD_TEXT, BOB), folder="junk", found=found)
    assert judged(database, email_id).folder == "junk"


def test_a_proven_sender_whose_mail_was_moved_to_junk_twice_is_junk(database: Database) -> None:
    learn_sender(database, "junk", BOB, "@company.test")
    assert judged(database, arrive(database, letter(1, GOOD_TEXT, BOB), found=PASSED)).folder == "inbox"
    learn_sender(database, "junk", BOB, "@company.test")
    verdict = judged(database, arrive(database, letter(1, GOOD_TEXT, BOB), found=PASSED))
    assert verdict.folder == "junk"
    assert verdict.reason == f"It is in junk because you moved 2 messages from {BOB} to junk."
    assert judged(database, arrive(database, letter(1, GOOD_TEXT, BOB))).folder == "inbox", "it may be forged"


@pytest.mark.parametrize(("domain", "folder"), [("spammers.test", "junk"), ("gmail.com", "inbox")])
def test_a_proven_domain_is_junk_unless_it_is_everybodys(database: Database, domain: str, folder: str) -> None:
    for number in range(3):
        learn_sender(database, "junk", f"a{number}@{domain}", f"@{domain}")
    found = judged(database, arrive(database, letter(1, GOOD_TEXT, f"new@{domain}"), found=PASSED))
    assert found.folder == folder


def test_a_proven_sender_whose_mail_was_kept_is_not_junk_by_words_alone(database: Database) -> None:
    train(database)
    learn_sender(database, "good", BOB, "@company.test")
    assert judged(database, arrive(database, letter(1, JUNK_TEXT, BOB), found=PASSED)).folder == "inbox"
    assert judged(database, arrive(database, letter(1, JUNK_TEXT, BOB))).folder == "junk"


def test_who_wants_no_filter_gets_none_and_is_told_of_senders_all_the_same(database: Database) -> None:
    train(database)
    database.write(lambda tx: preferences.put_junk(tx, "ann", JunkChoice(filters=False), NOW))
    verdict = judged(database, arrive(database, letter(99, JUNK_TEXT)))
    assert (verdict.folder, verdict.score, verdict.correspondent) == ("inbox", None, "first")


def test_a_filter_elsewhere_takes_the_place_of_our_own(database: Database) -> None:
    train(database)
    assert judged(database, arrive(database, letter(99, JUNK_TEXT)), own_filter=False).folder == "inbox"


def test_how_a_sender_is_known(database: Database) -> None:
    def of(sender: str, **found: str) -> str | None:
        email_id = arrive(database, letter(1, GOOD_TEXT, sender), found=found)
        verdict = judged(database, email_id)
        database.write(
            lambda tx: tx.execute("UPDATE emails SET sender = ?, indexed = 1 WHERE id = ?", (sender, email_id))
        )
        return verdict.correspondent

    assert of("new@remote.test", spf="none") == "first"
    assert of("NEW@remote.test", spf="none") == "seen"
    assert of("proven@remote.test", dmarc="pass") == "first"
    while database.read(correspondents.is_behind):
        database.write(lambda tx: correspondents.gather(tx, suffixes()))
    assert of("proven@remote.test", dmarc="pass") == "known"
    assert of("proven@remote.test", dmarc="fail") == "seen"


@pytest.mark.parametrize(
    ("submitted_by", "known"), [("user:bob", "written"), ("unix:bob", "written"), ("unix:eve", "first")]
)
def test_mail_from_here_is_proven_by_who_submitted_it(database: Database, submitted_by: str, known: str) -> None:
    database.write(lambda tx: addresses.add(tx, Address.parse("bob@here.test"), "bob"))
    write_to(database, "bob@here.test")

    def submit(tx: Connection) -> None:
        tx.execute("INSERT INTO outbox (sender, submitted_by, queue_id) VALUES ('x', ?, 'Q1')", (submitted_by,))

    database.write(submit)
    email_id = arrive(database, letter(1, GOOD_TEXT, "bob@here.test"), found={}, queue_id="Q1")
    assert judged(database, email_id).correspondent == known


def test_what_its_owner_has_moved_meanwhile_stays_there(database: Database) -> None:
    train(database)
    email_id = arrive(database, letter(99, JUNK_TEXT))
    arrived = database.read(lambda tx: judging.look(tx, email_id))
    assert arrived is not None
    database.write(lambda tx: mailbox.move(tx, "ann", [email_id], "archive"))
    verdict = judging.JunkVerdict("junk")
    assert not database.write(lambda tx: judging.settle(tx, arrived, verdict))
    assert folder_of(database, email_id) == "archive"


def test_a_message_is_judged_once(database: Database) -> None:
    email_id = arrive(database, letter(1, GOOD_TEXT))
    judged(database, email_id)
    assert database.read(lambda tx: judging.look(tx, email_id)) is None
