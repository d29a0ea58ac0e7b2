"""A queue that an earlier program left behind is delivered on, whatever state its rows are in."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import due as queue_due
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue import store as queue
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.claims import ClaimCapacity
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.store import Claim, Lease

LATER = 4_000_000_000

# (id, recipient, status, next_attempt_ts, attempts)
ROWS = (
    (1, "a@Remote.test", "pending", 0, 0),
    (2, "b@remote.test", "deferred", 200, 3),
    (3, "c@remote.test", "deferred", LATER, 1),
    (4, "d@remote.test", "sending", 0, 1),
    (5, "e@remote.test", "held", 0, 0),
    (6, "f@remote.test", "failed", 0, 1),
    (7, "g@remote.test", "sandboxed", 0, 1),
    (8, "h@remote.test", "sent", 0, 1),
    (9, "i@remote.test", "cancelled", 0, 0),
    (10, "no address", "pending", 0, 0),
)
EARLIER = f"""
    INSERT INTO mail_addresses (address, domain, local_part, owner) VALUES ('ann@here.test', 'here.test', 'ann', 'ann');
    INSERT INTO contents (id, size, data, created_ts)
    VALUES (1, 14, CAST('Subject: x' || char(13, 10, 13, 10) AS BLOB), 1);
    WITH earlier (id, recipient, status, next_attempt_ts, attempts) AS (VALUES {", ".join(map(str, ROWS))})
    INSERT INTO outbox (sender, subject, content_id, owner, origin, submitted_by, queued_ts,
                        id, recipient, status, next_attempt_ts, attempts)
    SELECT 'ann@here.test', 'x', 1, 'ann', 'web', 'user:ann', 100, * FROM earlier;
    UPDATE outbox SET lease_token = 't', lease_boot = 'old-boot', lease_until = 5 WHERE status = 'sending';
    INSERT INTO outbox (id, sender, recipient, subject, content_id, origin, queued_ts)
    VALUES (11, '', 'j@other.test', 'x', 1, 'bounce', 100);
    INSERT INTO outbox (id, sender, recipient, subject, body) VALUES (12, 'ann@here.test', 'k@remote.test', 's', 'b');
    INSERT INTO outbox (id, sender, recipient, subject, body, status)
    VALUES (13, 'ann@here.test', 'l@remote.test', 's', 'b', 'deferred');
    INSERT INTO delivery_attempts (outbox_id, started_ts, outcome, code, enhanced, reply)
    VALUES (2, 150, 'deferred', 451, '4.7.1', 'wait');
"""


@pytest.fixture
def taken_over(settings: Settings) -> Iterator[Database]:
    """A database of schema version 3 with rows in every state, as today's program finds it."""
    folder = resources.files("onifast_shared") / "db" / "migrations"
    parts = []
    for number, name in ((1, "0001_reference"), (2, "0002_mail_store"), (3, "0003_receiving")):
        parts.append((folder / f"{name}.sql").read_text("utf-8"))
        row = f"({number}, '{name}.sql', 2)"
        parts.append(f"INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES {row};")
    sqlite_shell.run(settings.database, "\n".join(["BEGIN;", *parts, EARLIER, "COMMIT;"]))
    opened = Database.open(settings.database, timeout=10)
    yield opened
    opened.close()


def claims(db: Database, now: float = 1000.0) -> list[Claim]:
    """Everything that a deliverer finds to do."""

    def take(tx: Connection) -> list[Claim]:
        queue.release_dead(tx, "new-boot", 1)
        while queue_due.place(tx):
            pass
        queue_due.promote(tx, now)
        wanted = ClaimCapacity(100)
        return queue_claims.claim(tx, NextHops(tx, Settings()), Lease("new-boot", 0, 60_000), wanted, now).claims

    return db.write(take)


def claimed(found: list[Claim]) -> set[int]:
    return {row.id for each in found for row in each.rows}


def test_what_was_due_is_claimed_and_what_waits_goes_on_waiting(taken_over: Database) -> None:
    assert claimed(claims(taken_over)) == {1, 2, 4, 10, 11}
    assert claimed(claims(taken_over, LATER)) == {3}


def test_rows_of_one_domain_and_sender_go_together(taken_over: Database) -> None:
    together = next(each for each in claims(taken_over) if 1 in claimed([each]))
    assert claimed([together]) == {1, 2, 4}


def test_what_a_person_lets_go_after_it_is_claimed(taken_over: Database) -> None:
    claims(taken_over)
    taken_over.write(lambda tx: queue_view.act(tx, "ann", [5, 6], "retry", 1000))
    assert claimed(claims(taken_over)) == {5, 6}


def test_what_a_panel_sets_to_pending_after_it_is_claimed(taken_over: Database) -> None:
    claims(taken_over)
    sqlite_shell.run(taken_over.path, "UPDATE outbox SET status = 'pending' WHERE id IN (5, 6, 7, 9);")
    assert claimed(claims(taken_over)) == {5, 6, 7, 9}


def test_scripts_rows_and_the_history_are_still_there(taken_over: Database) -> None:
    assert [row.id for row in taken_over.read(queue_scripts.unprepared)] == [12, 13]
    row = taken_over.read(lambda tx: queue_view.get(tx, "ann", 2))
    assert row is not None
    assert [(each.outcome, each.reply, each.tls_level, each.explanation) for each in row.history] == [
        ("deferred", "wait", "", "")
    ]


def test_what_another_program_calls_deferred_is_made_a_message_too(taken_over: Database) -> None:
    row = "('ann@here.test', 'm@remote.test', 's', 'b', 'deferred')"
    sqlite_shell.run(taken_over.path, f"INSERT INTO outbox (sender, recipient, subject, body, status) VALUES {row};")
    assert [row.recipient for row in taken_over.read(queue_scripts.unprepared)][-1] == "m@remote.test"
