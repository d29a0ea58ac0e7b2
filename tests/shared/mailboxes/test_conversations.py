"""Conversations: what belongs together, whatever strangers write, and that lists of them stay cheap."""

from __future__ import annotations

import time
from itertools import permutations
from typing import Any

import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import changes, moving
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.mailboxes import contents, conversations, indexing, mailbox
from onifast_shared.mailboxes.conversations import SUBJECT_SECONDS
from onifast_shared.mailboxes.indexing import MessageIndex
from onifast_shared.message.parsing import summary

NOW = 1_800_000_000.0


def put(
    database: Database,
    name: str = "",
    *,
    owner: str = "ann",
    references: str = "",
    answers: str = "",
    subject: str = "Hello",
    sender: str = "bob@far.test",
    to: str = "ann@x.test",
    at: float = NOW,
    folder: str = "inbox",
) -> int:
    """A message in a mailbox, indexed; returns its id."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}"]
    lines += [f"Message-ID: <{name}@m>"] if name else []
    lines += [f"References: {references}"] if references else []
    lines += [f"In-Reply-To: {answers}"] if answers else []
    raw = "\r\n".join((*lines, "", "x")).encode()
    ref = contents.store(database, raw)
    head = summary(raw)

    def write(tx: Connection) -> int:
        email_id = mailbox.add(
            tx, owner=owner, recipient=f"{owner}@x.test", reverse_path="b@x.test",
            content_id=contents.attach(tx, ref), size=len(raw), now=at, folder=folder,
        )  # fmt: skip
        item = next(each for each in indexing.unindexed(tx, 1000) if each.id == email_id)
        index = MessageIndex(sender, "", subject, "x", "x", head.message_id, False)
        indexing.set_index(tx, item, index)
        conversations.join(tx, email_id, head)
        conversations.settle_muted(tx, email_id)
        return email_id

    return database.write(write)


def of(database: Database, email_id: int, owner: str = "ann") -> int | None:
    row = database.read(lambda tx: mailbox.get(tx, owner, email_id))
    assert row is not None
    return row.conversation_id


def listed(database: Database, folder: str = "inbox", owner: str = "ann") -> list[int]:
    page = database.read(lambda tx: mailbox.list_page(tx, owner, folder, by_conversation=True))
    return [row.id for row in page.rows]


def together(database: Database, *ids: int) -> bool:
    return len({of(database, each) for each in ids}) == 1


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_answers_join_what_they_refer_to_in_whatever_order_they_come(
    database: Database, order: tuple[int, ...]
) -> None:
    chain = [("a", ""), ("b", "<a@m>"), ("c", "<a@m> <b@m>"), ("d", "<a@m> <b@m> <c@m>")]
    ids = [
        put(database, chain[each][0], references=chain[each][1], subject=f"S{each}", sender=f"p{each}@far.test")
        for each in order
    ]
    assert together(database, *ids)
    assert len(listed(database)) == 1


def test_an_answer_by_in_reply_to_alone_joins_what_comes_late(database: Database) -> None:
    first = put(database, "a", subject="One")
    third = put(database, "c", answers="<b@m>", subject="Three", sender="carl@far.test")
    assert not together(database, first, third)
    second = put(database, "b", answers="<a@m>", subject="Two")
    assert together(database, first, second, third)


def test_the_same_subject_among_the_same_people_within_a_week_is_one_conversation(database: Database) -> None:
    first = put(database, subject="Offer")
    sent = put(database, subject="RE: AW: Offer", sender="ann@x.test", to="bob@far.test", folder="sent", at=NOW + 60)
    later = put(database, subject="Re[2]: offer", at=NOW + SUBJECT_SECONDS)
    assert together(database, first, sent, later)
    stranger = put(database, subject="Offer", sender="eve@far.test")
    too_late = put(database, subject="Offer", at=NOW + 3 * SUBJECT_SECONDS)
    assert len({of(database, each) for each in (first, stranger, too_late)}) == 3


def test_mail_without_a_subject_is_no_conversation(database: Database) -> None:
    assert not together(database, put(database, subject=""), put(database, subject="Re: "))


def test_forged_references_find_nothing_of_another_owner(database: Database) -> None:
    theirs = put(database, "a", owner="ben", to="ben@x.test")
    mine = put(database, "b", references="<a@m>")
    again = put(database, "c", owner="ben", references="<b@m> <a@m>", to="ben@x.test")
    assert of(database, theirs, "ben") == of(database, again, "ben") != of(database, mine)
    number = of(database, theirs, "ben")
    assert number is not None
    assert database.read(lambda tx: conversations.get(tx, "ann", number)) is None
    assert not database.write(lambda tx: conversations.set_muted(tx, "ann", number, True))


def test_references_that_go_in_circles_or_are_ten_thousand_are_bounded(database: Database) -> None:
    first = put(database, "a", references="<b@m> <a@m>", subject="One")
    second = put(database, "b", references="<a@m> <b@m>", subject="Two", sender="c@far.test")
    assert together(database, first, second)
    began = time.process_time()
    many = " ".join(f"<{number}@m>" for number in range(10_000))
    put(database, "z", references=f"{many} <a@m>", subject="Many")
    assert time.process_time() - began < 1
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM conversation_keys")[0] <= "50"


def test_what_was_answered_shows_it(database: Database) -> None:
    first = put(database, "a")
    put(database, "b", answers="<a@m>", sender="ann@x.test", to="bob@far.test", folder="sent")
    row = database.read(lambda tx: mailbox.get(tx, "ann", first))
    assert row is not None and row.is_answered


def test_what_comes_to_a_muted_conversation_is_archived_as_read(database: Database) -> None:
    first = put(database, "a")
    number = of(database, first)
    assert number is not None
    database.write(lambda tx: conversations.set_muted(tx, "ann", number, True))
    later = put(database, "b", references="<a@m>")
    row = database.read(lambda tx: mailbox.get(tx, "ann", later))
    assert row is not None and (row.folder, row.is_read) == ("archive", True)
    database.write(lambda tx: conversations.set_muted(tx, "ann", number, False))
    assert put(database, "c", references="<a@m>") in listed(database)


def test_a_list_has_one_row_a_conversation_and_says_what_is_in_it(database: Database) -> None:
    first = put(database, "a")
    alone = put(database, "x", subject="Other", at=NOW + 5, sender="eve@far.test")
    put(database, "b", answers="<a@m>", sender="ann@x.test", to="bob@far.test", folder="sent", at=NOW + 7)
    last = put(database, "c", references="<a@m> <b@m>", at=NOW + 10)
    thrown = put(database, "d", references="<a@m>", at=NOW + 11, folder="trash")
    assert listed(database) == [last, alone]
    rows = database.read(lambda tx: mailbox.get_some(tx, "ann", [last, alone]))
    found = database.read(lambda tx: conversations.summaries(tx, "ann", rows, "inbox"))
    number = of(database, first)
    assert number is not None and list(found) == [number]
    assert (found[number].total, found[number].unread, found[number].is_answered) == (3, 3, True)
    assert [each.is_me for each in found[number].people] == [False, True, False]
    assert listed(database, "trash") == [thrown]


def test_a_conversation_ends_with_its_last_message(database: Database) -> None:
    ids = [put(database, "a"), put(database, "b", references="<a@m>")]
    database.write(lambda tx: mailbox.erase(tx, ids[:1]))
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM conversations") == ["1"]
    database.write(lambda tx: mailbox.erase(tx, ids[1:]))
    count = "SELECT (SELECT count(*) FROM conversations) + (SELECT count(*) FROM conversation_keys)"
    assert sqlite_shell.run(database.path, count) == ["0"]


def test_a_renamed_user_keeps_their_conversations(database: Database) -> None:
    first = put(database, "a")
    number = of(database, first)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("rename", "ann", "test", "zoe"), NOW))
    moving.finish(database)
    assert of(database, first, "zoe") == number
    later = put(database, "b", owner="zoe", references="<a@m>", to="zoe@x.test")
    assert of(database, later, "zoe") == number


def test_a_message_that_gets_another_owner_leaves_the_conversation(database: Database) -> None:
    first, second = put(database, "a"), put(database, "b", references="<a@m>")
    sqlite_shell.run(database.path, f"UPDATE emails SET owner = 'ben' WHERE id = {second}")
    assert of(database, first) is not None
    assert of(database, second, "ben") is None
    assert database.read(conversations.unjoined) == [second]


def test_a_list_of_conversations_reads_an_index_and_sorts_nothing(database: Database) -> None:
    put(database, "a")
    plans = list[str]()

    def explained(tx: Connection) -> None:
        seen = list[tuple[str, Any]]()

        def note(_cursor: object, sql: str, bound: Any) -> bool:
            seen.append((sql, bound))
            return True

        tx.exec_trace = note
        mailbox.list_page(tx, "ann", "inbox", by_conversation=True)
        tx.exec_trace = None
        for sql, bound in seen:
            plans.extend(str(row[3]) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", bound))

    database.read(explained)
    assert any("emails_conversation_page (owner=? AND folder=?" in plan for plan in plans), plans
    assert not any("TEMP B-TREE" in plan or plan.startswith("SCAN e") for plan in plans), plans


def test_a_conversation_of_thousands_is_one_row_and_comes_in_pages(database: Database) -> None:
    first = put(database, "a", at=NOW - 10)
    number = of(database, first)
    sqlite_shell.run(
        database.path,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
        " INSERT INTO emails (owner, sender, recipient, subject, body, folder, received_ts, received_at, is_read, size,"
        f" indexed, conversation_id) SELECT 'ann', 'b@far.test', 'ann@x.test', 's', '', 'inbox', {int(NOW)} + i,"
        f" '2026-01-01 00:00:00', 1, 1, 1, {number} FROM n",
    )
    alone = put(database, "x", subject="Other", at=NOW - 20, sender="eve@far.test")
    began = time.process_time()
    assert len(listed(database)) == 2
    assert alone in listed(database)
    assert time.process_time() - began < 0.5
    conversation = database.read(lambda tx: conversations.get(tx, "ann", number or 0))
    assert conversation is not None and conversation.total == 5001
    page = database.read(lambda tx: conversations.messages(tx, conversation))
    assert len(page.rows) == 50 and page.next_cursor
    older = database.read(lambda tx: conversations.messages(tx, conversation, cursor=page.next_cursor))
    assert older.rows[0].received_ts == page.rows[-1].received_ts - 1
    rows = database.read(lambda tx: mailbox.get_some(tx, "ann", [first, alone]))
    (shown,) = database.read(lambda tx: conversations.summaries(tx, "ann", rows, "inbox")).values()
    assert shown.total == 5001
    assert [each.name for each in shown.people] == ["bob@far.test", *["b@far.test"] * 12], "the first and the newest"
