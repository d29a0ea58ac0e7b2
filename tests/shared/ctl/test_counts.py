"""onifast-mailctl counts: the numbers of messages in folders are compared, and put right."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlite_shell
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    mail = "INSERT INTO emails (owner, folder, received_ts) VALUES ('ann', 'inbox', 1), ('bob', 'sent', 2);"
    sqlite_shell.run(database.path, mail)
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}

    def run_command(*words: str) -> tuple[int, str]:
        status = ctl.main(words, environ)
        return status, capsys.readouterr().out

    return run_command


def test_right_numbers_are_said_to_be_right(run: Run) -> None:
    assert run("counts", "check") == (0, "the counts of all folders are right\n")
    assert run("counts", "rebuild") == (0, "the counts of all folders were right\n")
    assert run("counts", "check", "--json") == (0, "[]\n")


def test_wrong_numbers_are_listed_and_mended(run: Run, database: Database) -> None:
    sqlite_shell.run(database.path, "UPDATE folder_counts SET total = 7 WHERE owner = 'ann';")
    status, out = run("counts", "check")
    assert status == 1 and "ann\tinbox\t7\t1\t1\t1" in out
    status, out = run("counts", "rebuild", "--json")
    row = {"owner": "ann", "folder": "inbox", "kept_total": 7, "total": 1, "kept_unread": 1, "unread": 1}
    assert status == 0 and row in json.loads(out)
    assert run("counts", "check")[0] == 0
