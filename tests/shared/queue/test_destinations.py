"""Destinations as administrators and deliverers share them: limits, states, and the commands for both."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import destinations
from onifast_shared.queue.destinations import STALE_AFTER, OwnLimits, StoredState

NOW = 1_700_000_000
Run = Callable[..., tuple[int, str, str]]

LIVE = StoredState("live.test", "1", 3, 7, None, None, "")
DEAD = StoredState("dead.test", "1", 0, 1, NOW - 60, NOW + 60, "451 4.4.1 no answer")


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(("destination", *arguments), environ)
        return status, *capsys.readouterr()

    return run_command


def publish(db: Database, process: str, *states: StoredState, now: float = NOW) -> None:
    db.write(lambda tx: destinations.publish(tx, process, states, now))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" Remote.Test ", "remote.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[192.0.2.1]:25", "[192.0.2.1]:25"),
        ("Relay.Test:587", "relay.test:587"),
        ("192.0.2.1:25", "192.0.2.1:25"),
        ("2001:db8::1:25", "2001:db8::1:25"),
    ],
)
def test_a_destination_has_one_name(text: str, name: str) -> None:
    assert destinations.checked_name(text) == name


@pytest.mark.parametrize("text", ["", "a b", "relay.test:0", "relay.test:x", ":25", "relay.test:99999"])
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        destinations.checked_name(text)


def test_the_dead_are_listed_first_and_what_has_ended_not_at_all(database: Database) -> None:
    publish(database, "1", LIVE, DEAD)
    assert database.read(lambda tx: destinations.list_states(tx, NOW)) == [DEAD, LIVE]
    assert database.read(lambda tx: destinations.list_states(tx, NOW + STALE_AFTER + 1)) == []


def test_each_deliverer_speaks_for_itself(database: Database) -> None:
    other = StoredState("live.test", "2", 1, 5, None, None, "")
    publish(database, "1", LIVE)
    publish(database, "2", other)
    publish(database, "1")
    assert database.read(lambda tx: destinations.list_states(tx, NOW)) == [other]


def test_what_is_dead_outlives_its_deliverer_by_a_day(database: Database) -> None:
    publish(database, "1", LIVE, DEAD)
    publish(database, "2", now=NOW + STALE_AFTER + 1)
    assert database.read(destinations.known_dead) == [DEAD]
    publish(database, "2", now=NOW + 86401)
    assert database.read(destinations.known_dead) == []


def test_limits_are_set_listed_and_cleared_at_the_shell(run: Run, database: Database) -> None:
    assert run("set", "Remote.Test", "--per-minute", "30")[0] == 0
    assert database.read(destinations.list_limits) == [OwnLimits("remote.test", None, 30)]
    assert run("list") == (0, "remote.test\t0\t-\t-\t-\t-\t30\t-\n", "")
    assert run("clear", "remote.test")[0] == 0
    assert run("clear", "remote.test")[0] == 1
    assert run("list") == (0, "", "")


def test_the_list_has_states_and_limits_of_a_destination_in_one_line(run: Run, database: Database) -> None:
    publish(database, "1", LIVE, now=time.time())
    run("set", "live.test", "--concurrency", "2")
    _, shown, _ = run("list", "--json")
    (row,) = json.loads(shown)
    assert (row["destination"], row["in_flight"], row["own_concurrency"]) == ("live.test", 3, 2)


@pytest.mark.parametrize("arguments", [("set", "a.test"), ("set", "a b", "--per-minute", "1")])
def test_a_command_that_makes_no_sense_says_so(run: Run, arguments: tuple[str, ...]) -> None:
    status, _, error = run(*arguments)
    assert (status, bool(error)) == (2, True)
