"""What is over is kept for ever, or for as long as the settings say."""

from __future__ import annotations

import time

import sqlite_shell

from .helpers import Outbox

DAY = 86400


async def counts(outbox: Outbox) -> tuple[int, int]:
    """Rows of the queue, and of its history."""
    return await outbox.db.aread(
        lambda tx: (
            tx.execute("SELECT count(*) FROM outbox").get,
            tx.execute("SELECT count(*) FROM delivery_attempts").get,
        )
    )


async def fail_one_and_keep_one_waiting(outbox: Outbox) -> None:
    await outbox.submit("nobody@no-such-domain.test", sender="")
    await outbox.deliver_all()
    await outbox.submit("bob@remote.test")
    assert await counts(outbox) == (2, 1)


async def test_what_is_over_leaves_after_the_time_that_was_set(outbox: Outbox) -> None:
    outbox.reassemble(queue_history=30 * DAY)
    await fail_one_and_keep_one_waiting(outbox)
    await outbox.program.janitor.tidy(time.time() + 29 * DAY)
    assert await counts(outbox) == (2, 1)
    outbox.reassemble(queue_history=30 * DAY)
    await outbox.program.janitor.tidy(time.time() + 31 * DAY)
    assert await counts(outbox) == (1, 0)
    left = await outbox.db.aread(lambda tx: tx.execute("SELECT status FROM outbox").get)
    assert left in ("pending", "deferred")


async def test_without_a_setting_nothing_leaves(outbox: Outbox) -> None:
    await fail_one_and_keep_one_waiting(outbox)
    await outbox.program.janitor.tidy(time.time() + 3650 * DAY)
    assert await counts(outbox) == (2, 1)


async def test_what_another_program_deletes_takes_its_history_along(outbox: Outbox) -> None:
    await fail_one_and_keep_one_waiting(outbox)
    sqlite_shell.run(outbox.db.path, "DELETE FROM outbox WHERE status = 'failed';")
    assert await counts(outbox) == (1, 0)
