"""onifast-mailctl label and audit: a user's labels, and who did what, at the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import Actor
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

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


def note(database: Database, owner: str, action: str) -> None:
    actor, details = Actor("panel", "service", "192.0.2.1"), {"for": owner}
    database.write(lambda tx: audit.record(tx, actor, action, owner=owner, object="email:7", details=details, now=0))


def names(run: Run) -> list[str]:
    return [each["name"] for each in json.loads(run("label", "list", "ann", "--json")[1])]


def test_labels_are_made_renamed_coloured_and_removed(run: Run, database: Database) -> None:
    made = json.loads(run("label", "add", "ann", "Clients/Acme", "--colour", "teal", "--json")[1])
    assert (made["name"], made["kind"], made["colour"], made["total"]) == ("Clients/Acme", "label", "teal", 0)
    assert run("label", "add", "ann", "Invoices", "--folder")[0] == 0
    assert run("label", "rename", "ann", "clients", "Kunden")[0] == 0
    assert names(run) == ["Invoices", "Kunden", "Kunden/Acme"]
    assert run("label", "colour", "ann", "kunden/acme", "none")[0] == 0
    assert run("label", "list", "ann")[1].split("\n")[2].split("\t")[1:] == ["Kunden/Acme", "label", "-", "0", "0"]
    assert run("label", "remove", "ann", "Kunden") == (0, "", "")
    assert names(run) == ["Invoices"]


def test_what_cannot_be_a_label_is_one_line_and_2(run: Run, database: Database) -> None:
    run("label", "add", "ann", "Work")
    assert run("label", "add", "ann", "WORK") == (2, "", "onifast-mailctl: name: there is 'WORK' already\n")
    assert run("label", "add", "nobody", "x")[0] == 2


@pytest.mark.parametrize("command", [("rename", "y"), ("colour", "red"), ("remove",)], ids=lambda each: each[0])
def test_a_label_that_is_not_there_is_1(run: Run, database: Database, command: tuple[str, ...]) -> None:
    status, _, error = run("label", command[0], "ann", "x", *command[1:])
    assert (status, error) == (1, "onifast-mailctl: ann has no label 'x'\n")


def test_the_audit_trail_is_listed(run: Run, database: Database) -> None:
    for owner, action in (("ann", "mail.read"), ("ben", "mail.read"), ("ann", "mail.delete")):
        note(database, owner, action)
    (event,) = json.loads(run("audit", "list", "--owner", "ann", "--action", "mail.read", "--json")[1])
    assert {**event, "id": 0} == {
        "id": 0, "at": "1970-01-01T00:00:00Z", "actor": "panel", "token": "service", "ip": "192.0.2.1",
        "action": "mail.read", "owner": "ann", "object": "email:7", "details": {"for": "ann"},
    }  # fmt: skip
    assert len(run("audit", "list", "--owner", "ann", "--action", "mail.")[1].splitlines()) == 2
    assert len(run("audit", "list")[1].splitlines()) == 3
