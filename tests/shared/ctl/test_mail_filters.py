"""onifast-mailctl filter, vacation and sender: a user's filters, notes and senders, at the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

Run = Callable[..., tuple[int, str, str]]
RULE = '{"conditions": [{"field": "from", "test": "domain", "values": ["a.test"]}], "acts": [{"do": "trash"}]}'


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    Path(settings.users_dir, "ann.json").write_text('{"username": "ann", "password": "x"}')
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ)
        return status, *capsys.readouterr()

    return run_command


def test_filters_are_made_turned_and_removed(run: Run, database: Database) -> None:
    assert run("filter", "add", "ann", "Away", "--rule", RULE) == (0, "1\n", "")
    (found,) = json.loads(run("filter", "list", "ann", "--json")[1])
    assert (found["name"], found["state"], json.loads(found["rule"])["acts"]) == ("Away", "on", [{"do": "trash"}])
    assert run("filter", "disable", "ann", "1") == (0, "", "")
    assert json.loads(run("filter", "list", "ann", "--json")[1])[0]["state"] == "off"
    assert run("filter", "enable", "ann", "2")[0] == 1
    assert run("filter", "remove", "ann", "1") == (0, "", "")
    assert run("filter", "log", "ann") == (0, "", "")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("x", "--rule is not JSON"),
        ("[]", "rule: a JSON object"),
        ('{"match": "every", "acts": [{"do": "label", "label_id": 7}]}', "acts.0.label_id: you have no such label"),
        ('{"match": "some"}', "match: one of all, any, none, every"),
    ],
)
def test_what_is_no_filter_is_one_line_and_2(run: Run, database: Database, rule: str, told: str) -> None:
    assert run("filter", "add", "ann", "X", "--rule", rule) == (2, "", f"onifast-mailctl: {told}\n")


def test_a_vacation_note_is_set_shown_and_turned_off(run: Run, database: Database, tmp_path: Path) -> None:
    text = tmp_path / "note.txt"
    text.write_text("I am away.\n")
    until = "2099-01-01T00:00:00+01:00"
    assert run("vacation", "set", "ann", "--text-file", str(text), "--until", until) == (0, "", "")
    (found,) = json.loads(run("vacation", "show", "ann", "--json")[1])
    assert (found["state"], found["text"], found["until"]) == ("answering", "I am away.", "2098-12-31T23:00:00Z")
    assert run("vacation", "set", "ann", "--text-file", str(text), "--until", "soon")[0] == 2
    assert run("vacation", "set", "ann", "--text-file", str(text), "--address", "b@c.test")[0] == 2
    assert run("vacation", "off", "ann") == (0, "", "")
    assert run("vacation", "off", "ann")[0] == 1


def test_senders_are_blocked_accepted_and_forgotten(run: Run, database: Database) -> None:
    assert run("sender", "block", "ann", "Shop.Example") == (0, "", "")
    assert run("sender", "accept", "ann", "Eve@shop.example") == (0, "", "")
    found = json.loads(run("sender", "list", "ann", "--json")[1])
    assert [(each["sender"], each["choice"]) for each in found] == [
        ("@shop.example", "blocked"), ("eve@shop.example", "accepted"),
    ]  # fmt: skip
    assert run("sender", "forget", "ann", "@shop.example") == (0, "", "")
    assert run("sender", "forget", "ann", "@shop.example")[0] == 1
    assert run("sender", "block", "ann", "a b")[0] == 2
