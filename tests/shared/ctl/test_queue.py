"""The administrator's commands about mail that waits, and about the sandbox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft
from onifast_shared.queue import sandbox, store
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.store import DeliveryAttempt, QueuedRecipient, Submission
from onifast_shared.queue.view import OutboxRow
from onifast_shared.values import times
from onifast_shared.values.reply import Reply

Run = Callable[..., int]


@pytest.fixture
def run(settings: Settings) -> Run:
    """Runs one command on the test's tree; returns its exit status."""
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}
    return lambda *words: ctl.main([str(word) for word in words], environ)


def submit(db: Database, release_ts: int = 0, *, copy: bool = True) -> int:
    raw = compose.build(Draft("ann@example.test", ["bob@example.net"], "x", text="Hi"), "host.test")
    submission = Submission("ann@example.test", "api", owner="ann", subject="x", release_ts=release_ts)
    kept = SentCopy("ann", "bob@example.net") if copy else None
    return accept.submit(db, raw, submission, [QueuedRecipient("bob@example.net")], kept).outbox_ids[0]


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


def test_a_delivery_is_shown_with_each_attempt(
    run: Run, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    row_id = submit(database)
    attempt = DeliveryAttempt(
        1_800_000_000,
        1200,
        "deferred",
        host="mx.example.net",
        address="203.0.113.5",
        tls="TLSv1.3",
        tls_level="verified",
        reply=Reply(450, "4.7.1", "later"),
        stages=(("connect", 100), ("rcpt", 50)),
        explanation="It asks to be tried later.",
    )
    database.write(
        lambda tx: tx.execute("UPDATE outbox SET status = 'sending', lease_token = 't' WHERE id = ?", (row_id,))
    )
    assert database.write(lambda tx: store.settle(tx, "t", row_id, "deferred", attempt=attempt, last_error="450 later"))
    assert run("queue", "show", row_id) == 0
    shown = capsys.readouterr().out
    for words in (
        "status:       deferred",
        "to:           bob@example.net",
        "2027-01-15T08:00:00Z  deferred at mx.example.net [203.0.113.5]",
        "TLS:   TLSv1.3 verified",
        "took:   1200 ms (connect 100, rcpt 50)",
        "told:   450 4.7.1 later",
        "means:  It asks to be tried later.",
    ):
        assert words in shown
    assert run("queue", "show", row_id, "--json") == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["history"][0]["at"], told["history"][0]["stages"]) == (
        "2027-01-15T08:00:00Z",
        {"connect": 100, "rcpt": 50},
    )


def test_a_delivery_that_is_not_there_is_told(run: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    row_id = submit(database)
    assert run("queue", "show", 999, row_id) == 1
    told = capsys.readouterr()
    assert "999: no such message" in told.err
    assert f"id:           {row_id}" in told.out


def test_the_queue_is_counted(run: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    first = submit(database)
    submit(database)
    capture(database, submit(database))
    database.write(lambda tx: tx.execute("UPDATE outbox SET queued_ts = 1800000000 WHERE id = ?", (first,)))
    assert run("queue", "count", "--json") == 0
    pending, sandboxed = json.loads(capsys.readouterr().out)
    assert pending["status"] == "pending"
    assert pending["rows"] == 2
    assert sandboxed["rows"] == 1
    oldest = database.read(lambda tx: tx.execute("SELECT min(queued_ts) FROM outbox WHERE status = 'pending'").get)
    assert pending["oldest_at"] == times.rfc3339(oldest)


def test_all_that_matches_is_acted_on(run: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = submit(database), submit(database)
    assert run("queue", "hold", "--match", "BOB@example.net") == 0
    assert capsys.readouterr().out == "hold: 2\n"
    assert (get(database, first).status, get(database, second).status) == ("held", "held")
    assert run("queue", "release", "--all", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"changed": [first, second]}
    assert run("queue", "cancel", "--match", "nobody") == 1


@pytest.mark.parametrize("words", [("cancel",), ("cancel", "1", "--all"), ("cancel", "1", "--match", "x")])
def test_what_is_meant_has_to_be_said(run: Run, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("queue", *words) == 2
    assert "ids, or --match TEXT, --status STATUS or --all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("queue", "list", "--status", "lost"), "invalid choice: 'lost' (choose from 'pending'"),
        (("queue", "list", "--limit", "0"), "'0' is no whole number from 1 to 1000000"),
        (("queue", "show", "x"), "'x' is no whole number from 1 to"),
        (("destination", "set", "x.test", "--concurrency", "many"), "'many' is no whole number from 1 to"),
    ],
)
def test_wrong_arguments_are_told_what_is_allowed(
    run: Run, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*words)
    complaint = capsys.readouterr().err
    assert told in complaint
    assert complaint.count("\n") == 1
