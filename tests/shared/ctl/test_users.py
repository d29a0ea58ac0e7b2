"""onifast-mailctl user: who is gone, at the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

Run = Callable[..., tuple[int, str, str]]
ANN = Address.parse("ann@here.test")


@pytest.fixture
def run(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on a tree where ann has an address; its status, output and errors."""
    Path(settings.users_dir, "ann.json").write_text('{"username": "ann", "password": "x"}')
    database.write(lambda tx: addresses.add(tx, ANN, "ann"))
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ)
        return status, *capsys.readouterr()

    return run_command


def owner(database: Database) -> str | None:
    return database.read(lambda tx: addresses.owner_of(tx, ANN))


def test_a_user_is_removed_listed_and_restored(run: Run, database: Database) -> None:
    assert run("user", "remove", "ann") == (0, "set aside as number 1\n", "")
    assert owner(database) is None
    number, name, *_, moving, by = run("user", "departed")[1].rstrip("\n").split("\t")
    assert (number, name, moving) == ("1", "ann", "no") and by.startswith("unix:")
    (row,) = json.loads(run("user", "departed", "--json")[1])
    assert set(row) == {
        "id", "username", "departed_at", "deleted_at", "messages", "bytes", "moving", "asked_by"
    }  # fmt: skip
    assert run("user", "remove", "ann") == (1, "", "onifast-mailctl: there is nothing of a user ann\n")
    assert run("user", "restore", "ann", "--json") == (0, '{"id": 1, "username": "ann", "lost": []}\n', "")
    assert owner(database) == "ann"
    status, _, error = run("user", "restore", "ann")
    assert (status, error) == (1, "onifast-mailctl: Nothing is kept of a departed user ann.\n")


def test_what_is_restored_does_not_mix(run: Run, database: Database) -> None:
    run("user", "remove", "ann")
    run("address", "add", "new@here.test", "ann")
    status, _, error = run("user", "restore", "ann")
    assert status == 2 and "has mail or addresses already" in error
    assert run("user", "restore", "ann", "--as", "ann2")[0] == 0
    assert owner(database) == "ann2"


def test_a_user_is_renamed(run: Run, database: Database) -> None:
    assert run("user", "rename", "ann", "anna") == (0, "renamed\n", "")
    assert owner(database) == "anna"
    assert run("user", "rename", "anna", "~1:x")[0] == 2


def test_what_is_kept_is_purged(run: Run) -> None:
    run("user", "remove", "ann")
    assert run("user", "purge", "1") == (0, "being deleted\n", "")
    assert run("user", "restore", "ann")[0] == 2
    assert run("user", "purge", "7")[0] == 1


def test_missing_users_are_listed_and_confirmed(run: Run, database: Database) -> None:
    gone = (
        "INSERT INTO seen_users (username, missing_since_ts, missing_boot, missing_ms, held) VALUES (?, 1, 'b', 1, 1)"
    )
    database.write(lambda tx: tx.executemany(gone, [("eve",), ("mia",)]))
    assert run("user", "missing")[1].startswith("eve\t1970-01-01T00:00:01Z\tyes\t-\n")
    assert run("user", "confirm")[0] == 2
    assert run("user", "confirm", "eve") == (0, "eve\n", "")
    assert run("user", "confirm", "--all", "--json") == (0, '{"confirmed": ["mia"]}\n', "")
    assert run("user", "confirm", "--all")[0] == 1
