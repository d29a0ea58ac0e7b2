"""What makes rows ready, and what a clock that was set back leaves behind."""

from __future__ import annotations

from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.queue import due as queue_due
from onifast_shared.queue.due import DuePosition
from onifast_shared.queue.store import QueuedRecipient, Submission

NOW = 4_000_000_000.0  # far ahead: submissions are dated by the real clock
LATER = int(NOW) + 30 * 86_400
RAW = b"Subject: x\r\n\r\nx\r\n"


def submit(db: Database, recipients: int, release_ts: int = 0) -> list[int]:
    submission = Submission("ann@example.test", "api", owner="ann", release_ts=release_ts)
    return accept.submit(
        db, RAW, submission, [QueuedRecipient(f"{n}@remote.test") for n in range(recipients)]
    ).outbox_ids


def put_off(db: Database, row_ids: list[int], until: int) -> None:
    sql = "UPDATE outbox SET status = 'deferred', ready = 0, next_attempt_ts = ? WHERE id = ?"
    db.write(lambda tx: tx.executemany(sql, [(until, row_id) for row_id in row_ids]))


def next_attempts(db: Database, row_ids: list[int]) -> set[int]:
    marks = ", ".join(map(str, row_ids))
    return db.read(
        lambda tx: {int(row[0]) for row in tx.execute(f"SELECT next_attempt_ts FROM outbox WHERE id IN ({marks})")}
    )


def recall_all(db: Database, limit: int) -> int:
    """Rounds until the walk is at its end."""
    after: DuePosition | None = None
    for rounds in range(1, 100):

        def step(tx: Connection, after: DuePosition | None = after) -> DuePosition | None:
            queue_due.place(tx)
            return queue_due.recall(tx, NOW + 86_400, NOW, after, limit)

        after = db.write(step)
        if after is None:
            return rounds
    raise AssertionError("the walk has no end")


def test_waits_that_are_too_long_are_found_behind_any_number_that_somebody_wants(database: Database) -> None:
    wanted = submit(database, 30, LATER)
    stuck = [row_id for _ in range(4) for row_id in submit(database, 2)]
    for n, row_id in enumerate(stuck):
        put_off(database, [row_id], LATER + (n % 3) - 1)
    assert recall_all(database, 5) > 30 / 5
    assert next_attempts(database, stuck) == {int(NOW)}
    assert next_attempts(database, wanted) == {LATER}


def test_waits_of_ours_are_left_alone(database: Database) -> None:
    (row_id,) = submit(database, 1)
    put_off(database, [row_id], int(NOW) + 86_400)
    assert recall_all(database, 5) == 1
    assert next_attempts(database, [row_id]) == {int(NOW) + 86_400}
