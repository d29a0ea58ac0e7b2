"""onifast-mailctl shared-mailbox, address show and set, usage, user add and password-check, at the shell."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from onifast_shared.accounts import audit
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

Run = Callable[..., tuple[int, str, str]]
INFO, BOB = "info@here.test", "bob@here.test"


@pytest.fixture
def run(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on a tree where ann has two addresses; its status, output and errors."""
    for name in ("ann", "ben"):
        Path(settings.users_dir, f"{name}.json").write_text('{"password": "$plain"}')
    for address in (INFO, BOB):
        database.write(lambda tx, address=address: addresses.add(tx, Address.parse(address), "ann"))  # type: ignore[misc]
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str, writes: bool = False) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ | ({"ONIFAST_MAIL_WRITES_USERS": "true"} if writes else {}))
        return status, *capsys.readouterr()

    return run_command


def told(database: Database, owner: str) -> list[str]:
    return [each.action for each in database.read(lambda tx: audit.list_page(tx, owner=owner)).rows]


def test_a_shared_mailbox_is_made_shown_changed_and_removed(run: Run, database: Database) -> None:
    run("mailbox-user", "add", BOB)
    status, output, _ = run("shared-mailbox", "add", INFO, "--member", "ann", "--member", "Bob@here.test", "--json")
    made = json.loads(output)
    assert status == 0 and (made["members"], made["names_sender"]) == (["ann", BOB], False)
    assert run("shared-mailbox", "list", "--owner", "ann")[1].startswith(f"{INFO}\tann\tann {BOB}\tno\t0\t")
    assert run("shared-mailbox", "list", "--owner", "ben") == (0, "", "")
    assert run("shared-mailbox", "set", INFO, "--names-sender", "yes", "--quota", "1 MiB")[0] == 0
    shown = json.loads(run("shared-mailbox", "show", INFO, "--json")[1])
    assert (shown["names_sender"], shown["quota"]) == (True, 1024 * 1024)
    assert run("shared-mailbox", "members", INFO, "--remove", "ann") == (0, f"{BOB}\n", "")
    assert (
        run("shared-mailbox", "members", INFO, "--add", "ann", "--json")[1]
        == f'[{{"member": "ann"}}, {{"member": "{BOB}"}}]\n'
    )
    assert run("shared-mailbox", "remove", INFO, "--mail", "owner") == (0, "", "")
    assert {"shared-mailbox.create", "shared-mailbox.change", "quota.set"} <= set(told(database, "ann"))
    assert run("shared-mailbox", "show", INFO)[0] == 1


def test_who_cannot_be_a_member_is_told(run: Run) -> None:
    assert run("shared-mailbox", "add", INFO, "--member", "ben")[0] == 1
    assert run("shared-mailbox", "list")[1] == ""
    run("shared-mailbox", "add", INFO)
    status, _, error = run("shared-mailbox", "members", INFO, "--add", "ben@other.test")
    assert (status, error) == (2, "onifast-mailctl: ben@other.test is nobody who works with ann\n")
    assert run("shared-mailbox", "members", INFO, "--remove", "ben")[0] == 2
    assert run("shared-mailbox", "members", BOB)[0] == 1
    assert run("shared-mailbox", "set", INFO)[0] == 2
    assert run("shared-mailbox", "add", "nobody@here.test")[0] == 2
    assert run("mailbox-user", "show", INFO)[0] == 1 and run("mailbox-user", "password", INFO)[0] == 1


def test_an_address_is_shown_and_set(run: Run, database: Database) -> None:
    run("shared-mailbox", "add", INFO)
    shown = json.loads(run("address", "show", "INFO@here.test", "--json")[1])
    assert (shown["address"], shown["owner"], shown["read_by"], shown["bytes"]) == (INFO, "ann", "shared mailbox", 0)
    assert run("address", "set", BOB, "--owner", "ben", "--quota", "1 KiB") == (0, "", "")
    shown = json.loads(run("address", "show", BOB, "--json")[1])
    assert (shown["owner"], shown["quota"], shown["read_by"]) == ("ben", 1024, "")
    assert run("address", "set", BOB, "--quota", "default")[0] == 0
    assert {"address.owner", "quota.set"} <= set(told(database, "ann"))
    assert run("address", "set", BOB)[0] == 2 and run("address", "set", BOB, "--owner", "nobody")[0] == 2
    assert run("address", "set", "x@here.test", "--quota", "0")[0] == 1 == run("address", "show", "x@here.test")[0]


def test_usage_is_told_of_users_and_domains(run: Run) -> None:
    rows = json.loads(run("usage", "users", "--json")[1])
    assert [each["name"] for each in rows] == ["ann", "ben"]
    assert rows[0]["sent_today"] == {"messages": 0, "recipients": 0} and rows[0]["limits"][0]["left"] is not None
    (row,) = json.loads(run("usage", "domains", "--owner", "ann", "--json")[1])
    assert row["name"] == "here.test"
    name, messages, octets, *_ = run("usage", "users", "--q", "an")[1].rstrip("\n").split("\t")
    assert (name, messages, octets) == ("ann", "0", "0")
    run("mailbox-user", "add", BOB)
    shown = json.loads(run("mailbox-user", "show", BOB, "--json")[1])
    assert shown["address"] == BOB and shown["sent_today"]["messages"] == 0


def test_passwords_are_checked_of_users_and_mailbox_users(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = run("mailbox-user", "add", BOB)[1]
    (file := tmp_path / "password").write_text(password)
    assert run("user", "password-check", BOB, "--password-file", str(file)) == (0, f"{BOB}\n", "")
    monkeypatch.setattr(sys, "stdin", io.StringIO("wrong\n"))
    status, output, _ = run("user", "password-check", BOB, "--json")
    assert (status, json.loads(output)["matches"]) == (1, False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("wrong\n"))
    assert run("user", "password-check", "nobody@here.test")[0] == 1


def test_users_are_made_only_where_the_setting_lets_us(run: Run, settings: Settings, tmp_path: Path) -> None:
    status, _, error = run("user", "add", "carl")
    assert status == 2 and "writes_users" in error and not (settings.users_dir / "carl.json").exists()
    assert run("user", "password", "ann")[0] == 2 and run("user", "remove", "ann", "--file")[0] == 2
    status, output, _ = run("user", "add", "carl", "--json", writes=True)
    (file := tmp_path / "password").write_text(json.loads(output)["password"])
    assert run("user", "password-check", "carl", "--password-file", str(file))[0] == 0
    assert run("user", "add", "carl", writes=True)[0] == 1
    assert run("user", "password", "carl", "--password-file", "/dev/null", writes=True)[0] == 2
    assert run("user", "password", "nobody", writes=True)[0] == 1
    assert run("address", "add", "carl@here.test", "carl")[0] == 0
    assert run("user", "remove", "carl", "--file", writes=True)[0] == 0
    assert not (settings.users_dir / "carl.json").exists()
