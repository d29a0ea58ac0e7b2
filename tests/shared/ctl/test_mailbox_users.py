"""onifast-mailctl mailbox-user, at the shell; and users who log in, named by their address."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.recipients.login_directory import LoginDirectory
from onifast_shared.values.address import Address

Run = Callable[..., tuple[int, str, str]]
INFO = "info@here.test"


@pytest.fixture
def run(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on a tree where ann has an address; its status, output and errors."""
    Path(settings.users_dir, "ann.json").write_text('{"username": "ann", "password": "x"}')
    database.write(lambda tx: addresses.add(tx, Address.parse(INFO), "ann"))
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ)
        return status, *capsys.readouterr()

    return run_command


def opened(settings: Settings, database: Database, password: str) -> PanelUser | None:
    directory = LoginDirectory(settings, database)
    return directory.opened_by(directory.named(INFO), password)


def test_one_is_made_listed_reset_disabled_and_removed(run: Run, settings: Settings, database: Database) -> None:
    status, output, _ = run("mailbox-user", "add", INFO, "--json")
    made = json.loads(output)
    assert status == 0 and (made["address"], made["owner"], made["moved"]) == (INFO, "ann", 0)
    assert opened(settings, database, made["password"]) is not None
    (row,) = json.loads(run("mailbox-user", "list", "--owner", "ann", "--json")[1])
    assert (row["address"], row["state"], row["has_password"]) == (INFO, "active", True)
    assert run("mailbox-user", "add", INFO)[0] == 1
    password = run("mailbox-user", "password", INFO)[1].strip()
    assert opened(settings, database, made["password"]) is None and opened(settings, database, password) is not None
    assert run("mailbox-user", "disable", INFO)[0] == 0 and opened(settings, database, password) is None
    assert run("mailbox-user", "enable", INFO)[0] == 0
    assert run("mailbox-user", "set", INFO, "--quota", "1 MiB", "--send-as", INFO)[0] == 0
    assert json.loads(run("mailbox-user", "list", "--json")[1])[0]["quota"] == 1024 * 1024
    assert run("mailbox-user", "remove", INFO, "--mail", "owner") == (0, "", "")
    assert run("mailbox-user", "remove", INFO, "--mail", "owner")[0] == 1
    assert run("mailbox-user", "list")[1] == ""


def test_a_password_comes_from_a_file_and_is_not_shown(
    run: Run, settings: Settings, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    status, output, _ = run("mailbox-user", "add", INFO, "--password-file", str(tmp_path / "password"))
    assert (status, output) == (0, f"{INFO}\n") and opened(settings, database, "correct horse") is not None
    (tmp_path / "password").write_text("short\n")
    assert run("mailbox-user", "password", INFO, "--password-file", str(tmp_path / "password"))[0] == 2


def test_an_address_of_nobodys_is_told_in_a_sentence(run: Run) -> None:
    assert run("mailbox-user", "add", "nobody@here.test")[0] == 2
    assert run("mailbox-user", "disable", "nobody@here.test")[0] == 1


def test_who_logs_in_is_named_by_address_too(run: Run) -> None:
    run("mailbox-user", "add", INFO, "--no-password")
    assert run("sso", "issue", INFO)[0] == 0
    assert run("app-password", "create", INFO, "Phone")[0] == 0
    assert "Phone" in run("app-password", "list", "INFO@here.test")[1]
    assert run("app-password", "list", "ann")[1] == ""
    assert run("sso", "issue", "nobody@here.test")[0] == 2
