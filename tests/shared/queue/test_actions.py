"""What is done to all queue rows that a search finds."""

from __future__ import annotations

import pytest
from onifast_shared.accepting import accept
from onifast_shared.db.database import Database
from onifast_shared.queue import actions
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.queue.view import EVERYTHING, Search

NOW = 1_800_000_000


def submit(db: Database, owner: str, recipient: str, subject: str = "Hello") -> int:
    submission = Submission(f"{owner}@example.test", "api", owner=owner, subject=subject, submitted_by=f"user:{owner}")
    return accept.submit(db, b"Subject: x\r\n\r\nx\r\n", submission, [QueuedRecipient(recipient)]).outbox_ids[0]


def statuses(db: Database) -> dict[int, str]:
    return {row.id: row.status for row in db.read(lambda tx: queue_view.list_page(tx, None, limit=5000)).rows}


@pytest.mark.parametrize("text", ["BOB@", "shop.test", "invoice 17", "user:ann", "ann@example"])
def test_a_search_finds_a_text_in_each_of_its_words(database: Database, text: str) -> None:
    wanted = submit(database, "ann", "bob@shop.test", "Invoice 17")
    submit(database, "eve", "joe@example.net")
    found = database.read(lambda tx: queue_view.list_page(tx, None, Search(text=text))).rows
    assert [row.id for row in found] == [wanted]


@pytest.mark.parametrize("text", ["bücher", "BÜCHER.test", "joe@bücher.test", "xn--bcher"])
def test_a_domain_is_found_in_its_own_script(database: Database, text: str) -> None:
    wanted = submit(database, "ann", "joe@xn--bcher-kva.test")
    submit(database, "ann", "joe@example.net")
    found = database.read(lambda tx: queue_view.list_page(tx, None, Search(text=text))).rows
    assert [row.id for row in found] == [wanted]


@pytest.mark.parametrize("text", ["%", "_", "' OR 1=1 --", "ann@example.test' "])
def test_nothing_in_a_search_means_anything_but_itself(database: Database, text: str) -> None:
    submit(database, "ann", "bob@shop.test")
    assert database.read(lambda tx: queue_view.list_page(tx, None, Search(text=text))).rows == []


def test_all_that_a_search_finds_is_cancelled_however_much_it_is(database: Database) -> None:
    spam = [submit(database, "eve", f"r{number}@example.net") for number in range(2 * actions.AT_ONCE + 3)]
    ham = submit(database, "ann", "bob@example.net")
    assert actions.act_on_all(database, None, Search(text="eve@"), "cancel", NOW) == spam
    now = statuses(database)
    assert {now[row_id] for row_id in spam} == {"cancelled"}
    assert now[ham] == "pending"


def test_what_is_on_its_way_or_over_is_left_alone(database: Database) -> None:
    waiting, sending, sent = (submit(database, "ann", f"{word}@example.net") for word in ("a", "b", "c"))
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sending' WHERE id = ?", (sending,)))
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sent' WHERE id = ?", (sent,)))
    assert actions.act_on_all(database, None, EVERYTHING, "cancel", NOW) == [waiting]


def test_a_user_acts_on_his_own_mail_alone(database: Database) -> None:
    own = submit(database, "ann", "bob@example.net")
    submit(database, "eve", "bob@example.net")
    assert actions.act_on_all(database, "ann", Search(text="bob@"), "hold", NOW) == [own]


def test_release_lets_go_what_is_held_and_what_was_captured(database: Database) -> None:
    held, captured, failed = (submit(database, "ann", f"{word}@example.net") for word in ("a", "b", "c"))
    for row_id, status in ((held, "held"), (captured, "sandboxed"), (failed, "failed")):
        database.write(lambda tx, bind=(status, row_id): tx.execute("UPDATE outbox SET status = ? WHERE id = ?", bind))  # type: ignore[misc]
    assert actions.act_on_all(database, None, EVERYTHING, "release", NOW) == [held, captured]
    assert actions.act_on_all(database, None, Search("failed"), "retry", NOW) == [failed]
