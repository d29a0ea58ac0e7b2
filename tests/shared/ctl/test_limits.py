"""onifast-mailctl limits: what an administrator sees and changes at the shell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import Subject
from onifast_shared.machine.config import Settings

ANN = Subject("user", "ann")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(("limits", *arguments), environ)
        return status, *capsys.readouterr()

    return run_command


def used(database: Database, settings: Settings, recipients: int = 4) -> None:
    now = time.time()
    database.write(lambda tx: sending_limits.admit(tx, [ANN], recipients, settings, now))


def test_what_is_used_is_listed_against_the_limits(run: Run, database: Database, settings: Settings) -> None:
    used(database, settings)
    assert run("list") == (0, "user\tann\t1/300\t1/2000\t4/1000\t4/5000\t0\n", "")
    assert run("list", "--scope", "domain") == (0, "", "")


def test_json_has_all_there_is_to_know(run: Run, database: Database, settings: Settings) -> None:
    run("set", "user", "ann", "--messages-per-hour", "1")
    used(database, settings)
    database.write(lambda tx: sending_limits.record(tx, ANN, "messages_per_hour", 1_800_000_000))
    [shown] = json.loads(run("list", "--json")[1])
    assert (shown["scope"], shown["name"]) == ("user", "ann")
    first = shown["limits"][0]
    assert (first["counted"], first["limit"], first["is_own"], first["used"]) == ("messages_per_hour", 1, True, 1)
    assert first["used_up_until"].endswith("Z")
    assert shown["refusals"][0]["last_at"] == "2027-01-15T08:00:00Z"


def test_a_limit_is_set_and_given_back(run: Run, database: Database, settings: Settings) -> None:
    assert run("set", "user", "ann", "--messages-per-hour", "50", "--recipients-per-day", "0") == (0, "", "")
    tally = database.read(lambda tx: sending_limits.of(tx, ANN, settings))
    assert (tally.limits["messages_per_hour"], tally.limits["recipients_per_day"]) == (50, 0)
    run("set", "user", "ann", "--messages-per-hour", "default", "--recipients-per-day", "default")
    assert database.read(lambda tx: sending_limits.of(tx, ANN, settings)).own == frozenset()


def test_a_reset_tells_when_there_was_nothing(run: Run, database: Database, settings: Settings) -> None:
    used(database, settings)
    assert run("reset", "user", "ann")[0] == 0
    status, out, err = run("reset", "user", "ann")
    assert (status, out) == (1, "")
    assert "user ann has used nothing" in err


def test_refusals_are_listed(run: Run, database: Database) -> None:
    database.write(lambda tx: sending_limits.record(tx, ANN, "messages_per_day", 1_800_000_000))
    line = "user\tann\tmessages_per_day\t1\t2027-01-15T08:00:00Z\t2027-01-15T08:00:00Z\n"
    assert run("refused") == (0, line, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("set", "user", "ann"), "nothing to set"), (("set", "domain", "a..b", "--messages-per-day", "1"), "a..b")],
)
def test_what_cannot_be_done_is_said_in_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
