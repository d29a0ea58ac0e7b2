"""The administrator's commands about mail that waits, and about the sandbox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from onifast_shared import accept, times
from onifast_shared.accept import SentCopy
from onifast_shared.config import Settings
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft
from onifast_shared.queue import sandbox
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.queue.view import OutboxRow

Run = Callable[..., int]


@pytest.fixture
def run(settings: Settings) -> Run:
    """Runs one command on the test's tree; gives its exit status."""
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}
    return lambda *words: ctl.main([str(word) for word in words], environ)


def submit(db: Database, release_ts: int = 0, *, copy: bool = True) -> int:
    raw = compose.build(Draft("ann@example.test", ["bob@example.net"], "x", text="Hi"), "host.test")
    what = Submission("ann@example.test", "api", owner="ann", subject="x", release_ts=release_ts)
    kept = SentCopy("ann", "bob@example.net") if copy else None
    return accept.submit(db, raw, what, [QueuedRecipient("bob@example.net")], kept).outbox_ids[0]


def get(db: Database, row_id: int) -> OutboxRow:
    row = db.read(lambda tx: queue_view.get(tx, None, row_id))
    assert row is not None
    return row


def capture(db: Database, row_id: int) -> None:
    db.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed' WHERE id = ?", (row_id,)))


def test_a_message_that_reached_nobody_is_called_back(run: Run, database: Database) -> None:
    row_id = submit(database)
    assert run("queue", "recall", row_id) == 0
    assert get(database, row_id).status == "cancelled"


def test_what_cannot_be_called_back_is_told(run: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    gone, bare = submit(database), submit(database, copy=False)
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sent' WHERE id = ?", (gone,)))
    assert run("queue", "recall", gone, bare, 999) == 1
    told = capsys.readouterr().err.splitlines()
    assert ["too late" in told[0], "no copy" in told[1], "no such message" in told[2]] == [True] * 3


def test_a_message_that_waits_is_put_off_and_sent_now(run: Run, database: Database) -> None:
    row_id, moment = submit(database, int(time.time()) + 3600), int(time.time()) + 7200
    assert run("queue", "reschedule", row_id, "--at", times.rfc3339(moment)) == 0
    assert get(database, row_id).release_ts == moment
    assert run("queue", "send-now", row_id) == 0
    assert get(database, row_id).release_ts == 0
    assert run("queue", "send-now", row_id) == 1


@pytest.mark.parametrize("at", ["tomorrow", "2001-01-01T00:00:00Z", "2099-01-01 08:00"])
def test_a_time_that_is_none_or_past_is_refused(run: Run, database: Database, at: str) -> None:
    assert run("queue", "reschedule", submit(database, int(time.time()) + 3600), "--at", at) == 2


def test_captured_mail_is_released_and_redirected(run: Run, database: Database) -> None:
    first, second = submit(database), submit(database)
    for row_id in (first, second):
        capture(database, row_id)
    assert run("queue", "release", first) == 0
    assert run("queue", "redirect", second, "--to", "tester@example.net") == 0
    assert (get(database, first).status, get(database, second).recipient) == ("pending", "tester@example.net")
    assert run("queue", "redirect", second, "--to", "tester@example.net") == 1
    assert run("queue", "redirect", second, "--to", "nobody") == 2


def test_a_domain_is_put_into_the_sandbox_and_taken_out(
    run: Run, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sandbox", "on", "Shop.Test") == 0
    assert run("sandbox", "on", "shop.test") == 1
    capsys.readouterr()
    assert run("sandbox", "list", "--json") == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["domain"], shown["set_by"], shown["captured"]) == ("shop.test", None, 0)
    assert run("sandbox", "off", "shop.test") == 0
    assert run("sandbox", "off", "shop.test") == 1
    assert run("sandbox", "on", "no domain") == 2
    assert database.read(sandbox.list_all) == []
