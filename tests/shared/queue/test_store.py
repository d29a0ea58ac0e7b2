"""The queue: claims, leases and results, as docs/queue.md describes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue import store as queue
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.claims import ClaimCapacity
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.scripts import PreparedRow
from onifast_shared.queue.store import Claim, DeliveryAttempt, HistoryEntry, Lease, QueuedRecipient, Submission
from onifast_shared.values.reply import Reply

SETTINGS = Settings(hostname="mail.host.test")
NOW = 1_700_000_000.0
BOOT = "boot-1"
RAW = b"Subject: x\r\n\r\nx\r\n"


def submit(db: Database, *recipients: str, sender: str = "ann@example.test") -> list[int]:
    submission = Submission(sender=sender, origin="api", owner="ann", subject="x")
    return accept.submit(db, RAW, submission, [QueuedRecipient(recipient) for recipient in recipients]).outbox_ids


def claim(db: Database, *, boot: str = BOOT, at_ms: int = 0, now: float = 2e9, limit: int = 10) -> list[Claim]:
    """What a deliverer does at a wakeup."""

    def take(tx: Connection) -> list[Claim]:
        queue_due.place(tx)
        queue_due.promote(tx, now)
        lease = Lease(boot, at_ms, 60_000)
        return queue_claims.claim(tx, NextHops(tx, SETTINGS), lease, ClaimCapacity(limit), now).claims

    return db.write(take)


def status(db: Database, row_id: int) -> str:
    row = db.read(lambda tx: queue_view.get(tx, None, row_id))
    assert row is not None
    return row.status


def settle(db: Database, one: Claim, row_id: int, state: str, next_attempt_ts: int = 0) -> bool:
    attempt = DeliveryAttempt(int(NOW), 12, state, "mx.remote.test", "127.0.0.25", "TLSv1.3", Reply(250, "2.0.0", "ok"))
    return db.write(
        lambda tx: queue.settle(tx, one.token, row_id, state, attempt=attempt, next_attempt_ts=next_attempt_ts)
    )


def test_recipients_of_one_message_are_claimed_together(database: Database) -> None:
    ids = submit(database, "a@remote.test", "b@remote.test")
    other = submit(database, "c@remote.test")
    claims = claim(database)
    assert [[row.id for row in one.rows] for one in claims] == [ids, other]
    assert database.read(lambda tx: contents.read(tx, claims[0].content_id)) == RAW


def test_what_is_claimed_cannot_be_claimed_again(database: Database) -> None:
    submit(database, "a@remote.test")
    assert len(claim(database)) == 1
    assert claim(database) == []


def test_a_result_ends_the_claim_and_is_recorded(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    (one,) = claim(database)
    assert settle(database, one, row_id, "sent")
    row = database.read(lambda tx: queue_view.get(tx, "ann", row_id))
    assert row is not None
    assert (row.status, row.attempts, row.next_attempt_ts) == ("sent", 1, None)
    assert [(item.host, item.code, item.reply) for item in row.history] == [("mx.remote.test", 250, "ok")]


def test_a_deliverer_that_lost_its_claim_cannot_write_a_result(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    (slow,) = claim(database)
    assert database.write(lambda tx: queue.release_dead(tx, BOOT, 60_001)) == 1
    (fast,) = claim(database, at_ms=60_001)
    assert database.read(lambda tx: queue.holds(tx, slow.token, [row_id])) == set()
    assert not settle(database, slow, row_id, "failed")
    assert settle(database, fast, row_id, "sent")
    assert status(database, row_id) == "sent"


def test_a_lease_that_is_renewed_does_not_run_out(database: Database) -> None:
    submit(database, "a@remote.test")
    (one,) = claim(database)
    assert database.write(lambda tx: queue.renew(tx, [one.token, "lost"], Lease(BOOT, 50_000, 60_000))) == {one.token}
    assert database.write(lambda tx: queue.release_dead(tx, BOOT, 100_000)) == 0
    assert database.write(lambda tx: queue.release_dead(tx, BOOT, 110_001)) == 1


def test_leases_of_an_earlier_boot_are_void(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    claim(database)
    assert database.write(lambda tx: queue.release_dead(tx, "boot-2", 0)) == 1
    assert status(database, row_id) == "pending"


def test_a_deferred_message_waits_for_its_time(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    (one,) = claim(database)
    settle(database, one, row_id, "deferred", next_attempt_ts=int(NOW) + 300)
    assert database.read(queue_due.glance).due_ts == int(NOW) + 300
    assert claim(database, now=NOW + 299) == []
    assert len(claim(database, now=NOW + 300)) == 1


def test_rows_given_back_are_claimed_at_once(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    (one,) = claim(database)
    database.write(lambda tx: queue.give_back(tx, one.token, [row_id]))
    assert len(claim(database)) == 1


def test_the_null_sender_is_kept(database: Database) -> None:
    submit(database, "a@remote.test", sender="")
    assert claim(database)[0].submission.sender == ""


@pytest.mark.parametrize("action", list(queue_view.ACTIONS))
def test_an_action_does_what_its_table_says_and_nothing_else(database: Database, action: str) -> None:
    target, sources = queue_view.ACTIONS[action]
    for state in queue.STATES:
        (row_id,) = submit(database, f"{state}@remote.test")
        database.write(lambda tx, row_id=row_id, state=state: _force(tx, row_id, state))  # type: ignore[misc]
        changed = database.write(lambda tx, row_id=row_id: queue_view.act(tx, "ann", [row_id], action, NOW))  # type: ignore[misc]
        assert (changed, status(database, row_id)) == (([row_id], target) if state in sources else ([], state))


def test_nobody_acts_on_another_users_mail(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    assert database.write(lambda tx: queue_view.act(tx, "bob", [row_id], "cancel", NOW)) == []
    assert database.read(lambda tx: queue_view.get(tx, "bob", row_id)) is None
    assert database.write(lambda tx: queue_view.act(tx, None, [row_id], "cancel", NOW)) == [row_id]


def test_a_scripts_row_becomes_claimable_once_it_has_a_message(database: Database) -> None:
    sqlite_shell.run(
        database.path,
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES ('ann@example.test', 'a, b', 's', 't');",
    )
    assert claim(database) == []
    (row,) = database.read(queue_scripts.unprepared)
    assert (row.sender, row.recipient, row.subject, row.body) == ("ann@example.test", "a, b", "s", "t")
    made = PreparedRow(ContentRef(len(RAW), RAW, None), "ann@example.test", ["a@remote.test", "b@remote.test"])
    ids = database.write(lambda tx: queue_scripts.prepare(tx, row, made))
    assert database.write(lambda tx: queue_scripts.prepare(tx, row, made)) == []
    (one,) = claim(database)
    assert [(item.id, item.recipient) for item in one.rows] == list(zip(ids, made.recipients, strict=True))
    assert one.submission.queue_id == made.queue_id


def test_a_script_that_writes_thousands_of_rows_does_not_delay_the_next_one(database: Database) -> None:
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    sqlite_shell.run(
        database.path,
        f"INSERT INTO outbox (sender, recipient) {many} SELECT 'loud@b.test', 'c@d.test' FROM n;"
        "INSERT INTO outbox (sender, recipient) VALUES ('quiet@b.test', 'c@d.test');",
    )
    first = database.read(queue_scripts.unprepared)
    assert {row.id for row in first} >= {1, 3001}
    assert len({row.id for row in first}) == len(first) == 50


def test_a_scripts_row_that_cannot_be_sent_says_why(database: Database) -> None:
    sqlite_shell.run(database.path, "INSERT INTO outbox (sender, recipient) VALUES ('x', 'y');")
    (row,) = database.read(queue_scripts.unprepared)
    database.write(lambda tx: queue_scripts.refuse(tx, row, "recipient 'y' is not an address"))
    assert sqlite_shell.run(database.path, "SELECT status, last_error FROM outbox;") == [
        "failed|recipient 'y' is not an address"
    ]


def test_a_status_that_nobody_knows_is_held(database: Database) -> None:
    sqlite_shell.run(
        database.path, "INSERT INTO outbox (sender, recipient, status) VALUES ('a@b.test', 'c@d.test', 'go');"
    )
    assert database.write(queue_scripts.hold_unknown) == 1
    assert sqlite_shell.run(database.path, "SELECT status, last_error FROM outbox;") == ["held|status was 'go'"]


def test_a_panel_that_sets_a_row_to_pending_has_it_tried_now(database: Database) -> None:
    (row_id,) = submit(database, "a@remote.test")
    (one,) = claim(database)
    settle(database, one, row_id, "deferred", next_attempt_ts=int(9e9))
    sqlite_shell.run(database.path, f"UPDATE outbox SET status = 'pending' WHERE id = {row_id};")
    assert len(claim(database, now=NOW)) == 1


def test_pages_hold_every_row_once_newest_first(database: Database) -> None:
    ids = [submit(database, "a@remote.test")[0] for _ in range(7)]
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = database.read(lambda tx, cursor=cursor: queue_view.list_page(tx, "ann", limit=3, cursor=cursor))  # type: ignore[misc]
        seen += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_docs_and_code_have_the_same_states_and_steps() -> None:
    text = (Path(__file__).parents[3] / "docs" / "queue.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([\w, `]+?) \|", text, re.MULTILINE))
    in_code = {
        (state, after, ", ".join(f"`{function}`" for function in functions.split(", ")))
        for state, steps in queue.TRANSITIONS.items()
        for after, functions in steps.items()
    }
    assert documented == in_code
    assert set(queue.TRANSITIONS) == set(queue.STATES)
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", text, re.MULTILINE)) >= set(queue.STATES)


def _force(tx: Connection, row_id: int, state: str) -> None:
    tx.execute("UPDATE outbox SET status = ? WHERE id = ?", (state, row_id))


def test_the_history_of_many_rows_is_written_in_order_and_only_when_it_is_recorded(database: Database) -> None:
    submit(database, *(f"r{number}@remote.test" for number in range(queue.MOST_AT_ONCE * 2 + 3)))
    claims = claim(database, limit=100)
    rows = [(each.token, row.id) for each in claims for row in each.rows]

    def settle(tx: Connection) -> tuple[int, list[int]]:
        history: list[HistoryEntry] = []
        for number, (token, row_id) in enumerate(rows):
            attempt = DeliveryAttempt(int(NOW), number, "delivered", reply=Reply(250, "2.0.0", "ok"))
            earlier = [DeliveryAttempt(int(NOW), 1000 + number, "passed_over")]
            assert queue.settle(tx, token, row_id, "sent", attempt=attempt, earlier=earlier, history=history)
        before = tx.execute("SELECT count(*) FROM delivery_attempts").get
        queue.record_all(tx, history)
        return before, [row[0] for row in tx.execute("SELECT outbox_id FROM delivery_attempts ORDER BY id")]

    before, recorded = database.write(settle)
    assert before == 0
    assert recorded == [row_id for _, row_id in rows for _ in range(2)]
    durations = database.read(lambda tx: [row[0] for row in tx.execute("SELECT duration_ms FROM delivery_attempts")])
    assert durations == [each for number in range(len(rows)) for each in (1000 + number, number)]
