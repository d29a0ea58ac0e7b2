"""onifast-mailctl suppression and hold-rule: mail that is not sent, at the shell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.queue import hold_rules, suppressions
from onifast_shared.queue import store as queue
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address

EVE = Address.parse("Eve@there.test")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    Path(settings.users_dir, "ann.json").write_text('{"username": "ann", "password": "x"}')
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ)
        return status, *capsys.readouterr()

    return run_command


def test_a_recipient_is_suppressed_listed_and_lifted(run: Run, database: Database) -> None:
    assert run("suppression", "add", "ann", "Eve@There.test", "--reason", "asked for it") == (0, "", "")
    owner, recipient, origin, _, until, reason = run("suppression", "list")[1].rstrip("\n").split("\t")
    assert (owner, recipient, origin, until, reason) == ("ann", "eve@there.test", "manual", "-", "asked for it")
    assert run("suppression", "lift", "ann", "eve@there.test") == (0, "", "")
    assert run("suppression", "list") == (0, "", "")
    status, _, error = run("suppression", "lift", "ann", "eve@there.test")
    assert (status, error) == (1, "onifast-mailctl: eve@there.test is not suppressed for ann\n")


def test_the_list_can_be_of_one_user_and_one_recipient(run: Run, database: Database) -> None:
    now = time.time()
    for owner in ("ann", "bob"):
        database.write(
            lambda tx, owner=owner: suppressions.note_bounce(tx, owner, EVE, "550 gone", now, until=now + 60)  # type: ignore[misc]
        )
    [shown] = json.loads(run("suppression", "list", "--owner", "bob", "--recipient", "EVE@there.test", "--json")[1])
    assert (shown["owner"], shown["origin"], shown["reason"]) == ("bob", "bounce", "550 gone")
    assert shown["expires_at"].endswith("Z")
    assert run("suppression", "list", "--recipient", "adam@there.test") == (0, "", "")


def test_only_a_panel_user_has_suppressions(run: Run, database: Database) -> None:
    status, _, error = run("suppression", "add", "nobody", "eve@there.test")
    assert status == 2
    assert "there is no user 'nobody'" in error


def test_a_rule_is_made_listed_and_removed(run: Run, database: Database) -> None:
    status, number, _ = run("hold-rule", "add", "--sender", "here.test", "--owner", "ann", "--note", "hacked?")
    assert status == 0
    [shown] = json.loads(run("hold-rule", "list", "--json")[1])
    assert (shown["id"], shown["sender"], shown["recipient"], shown["owner"], shown["held"], shown["note"]) == (
        int(number), "@here.test", "", "ann", 0, "hacked?",
    )  # fmt: skip
    assert run("hold-rule", "add", "--sender", "@Here.test", "--owner", "ann")[0] == 1
    assert run("hold-rule", "remove", number.strip()) == (0, "", "")
    assert run("hold-rule", "remove", number.strip())[0] == 1
    assert run("hold-rule", "remove", "x")[0] == 1


def test_a_rule_that_would_hold_everything_is_none(run: Run, database: Database) -> None:
    status, _, error = run("hold-rule", "add", "--note", "all")
    assert status == 2
    assert "--sender: a sender, a recipient or a user is needed" in error
    assert run("hold-rule", "add", "--recipient", "no domain")[0] == 2


def test_removing_a_rule_can_let_its_mail_go(run: Run, database: Database) -> None:
    number = run("hold-rule", "add", "--recipient", "there.test")[1].strip()
    ref, now = contents.store(database, b"x"), time.time()
    what, to = Submission("ann@here.test", "smtp"), [QueuedRecipient("eve@there.test")]
    ids = database.write(lambda tx: queue.enqueue(tx, contents.attach(tx, ref), what, to, now))
    assert database.write(lambda tx: hold_rules.hold(tx, ids, 0)) == set(ids)
    assert run("hold-rule", "remove", number, "--release") == (0, "", "")
    status = database.read(lambda tx: tx.execute("SELECT status, released FROM outbox").fetchall())
    assert status == [("pending", 1)]
