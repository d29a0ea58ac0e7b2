"""onifast-mailctl database, and what check-config says of the database and of the programs' account."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlite_shell
from onifast_shared.ctl import access
from onifast_shared.ctl import main as ctl
from onifast_shared.db import adopt
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseCorrupt
from onifast_shared.machine.config import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    environ = {"ROOT": str(settings.root), "HOSTNAME": settings.hostname, "RUN_AS": "root"}

    def run_command(*words: str) -> tuple[int, str, str]:
        status = ctl.main(words, {f"ONIFAST_MAIL_{name}": value for name, value in environ.items()})
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_command


def asked(run: Run, *words: str) -> tuple[int, Any]:
    status, out, _ = run(*words, "--json")
    return status, json.loads(out)


@pytest.fixture
def path(database: Database) -> Path:
    database.write(lambda tx: tx.execute("INSERT INTO mail_config VALUES ('mail', 'x')"))
    database.close()
    return database.path


def damage(path: Path, table: str) -> None:
    """Overwrites a table's first page."""
    (page,) = sqlite_shell.run(path, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}';")
    with path.open("r+b") as file:
        file.seek((int(page) - 1) * 4096)
        file.write(b"\xff" * 4096)


def test_a_good_database_is_shown(run: Run, path: Path) -> None:
    status, shown = asked(run, "database", "show")
    assert (status, shown["state"], shown["readers"], shown["troubles"]) == (0, "good", [], [])
    assert run("database", "check")[:2] == (0, f"database {path} is sound\n")
    assert run("database", "init")[0] == 1


def test_an_empty_one_is_refused_shown_and_replaced_when_that_is_meant(run: Run, path: Path) -> None:
    path.write_bytes(b"")
    status, shown = asked(run, "database", "show")
    assert (status, shown["state"]) == (1, "refused")
    assert "database init" in shown["reason"]
    assert run("queue", "list")[0] == 2
    assert run("database", "adopt")[0] == 2
    status, made = asked(run, "database", "init")
    assert status == 0
    assert Path(made["set_aside"]).stat().st_size == 0
    assert run("queue", "list")[0] == 0


def test_a_foreign_one_is_not_adopted_and_ours_is_not_forgotten_for_it(run: Run, path: Path) -> None:
    path.unlink()
    sqlite_shell.run(path, "CREATE TABLE moz_places (id INTEGER PRIMARY KEY);")
    assert run("database", "adopt")[0] == 2
    assert asked(run, "database", "show")[1]["state"] == "refused"
    assert sqlite_shell.run(path, "SELECT name FROM sqlite_master;") == ["moz_places"]


def test_a_copy_from_before_there_were_ids_is_adopted(run: Run, path: Path) -> None:
    path.unlink()
    files = sorted(file for file in (Path(adopt.__file__).parent / "migrations").glob("*.sql") if file.name < "0007")
    sqlite_shell.run(path, "".join(map(Path.read_text, files)))
    rows = ", ".join(f"({int(file.name[:4])}, '{file.name}', 2)" for file in files)
    sqlite_shell.run(path, f"INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES {rows};")
    sqlite_shell.run(path, "INSERT INTO mail_config VALUES ('mail', 'x');")
    assert run("queue", "list")[0] == 2
    assert run("database", "adopt")[0] == 0
    assert sqlite_shell.run(path, "SELECT key FROM mail_config;") == ["mail"]
    assert run("queue", "list")[0] == 0


def test_a_damaged_page_is_found_by_checking_and_forgotten_when_it_is_mended(run: Run, path: Path) -> None:
    kept = path.read_bytes()
    damage(path, "refusals")
    status, found = asked(run, "database", "check")
    assert (status, found["sound"]) == (1, False)
    assert re.search(r"\bpage \d+", found["findings"][0], re.IGNORECASE), "it says where"
    (noted,) = asked(run, "database", "show")[1]["troubles"]
    assert (noted["kind"], noted["text"]) == ("damaged", f"database {path} is damaged: {found['findings'][0]}")
    status, checked = asked(run, "check-config")
    assert (status, checked["good"]) == (1, False)
    assert any("is damaged" in problem for problem in checked["problems"])
    assert run("database", "adopt")[0] == 2
    path.write_bytes(kept)
    assert asked(run, "database", "check") == (0, {"path": str(path), "sound": True, "findings": []})
    assert asked(run, "database", "show")[1]["troubles"] == []


@pytest.mark.peers
def test_what_a_damaged_database_says_to_do_gives_a_database_back(run: Run, path: Path) -> None:
    damage(path, "refusals")
    with pytest.raises(DatabaseCorrupt) as refused:
        damage(path, "schema_migrations")
        Database.open(path)
    command = re.search(r"read of it: (.*)", str(refused.value))
    assert command is not None
    subprocess.run(["/bin/sh", "-c", command[1]], check=True, capture_output=True)
    assert run("database", "check")[0] == 0
    assert sqlite_shell.run(path, "SELECT key FROM mail_config; PRAGMA auto_vacuum;") == ["mail", "2"]


def test_a_file_that_is_no_database_is_found_by_checking(run: Run, path: Path) -> None:
    path.write_bytes(b"This is a letter. " * 1000)
    status, checked = asked(run, "check-config")
    assert status == 1
    assert "not a database" in checked["problems"][0]


def test_what_goes_wrong_is_json_where_that_was_asked_for(run: Run, settings: Settings) -> None:
    settings.database.mkdir()
    status, answer = asked(run, "queue", "list")
    assert status == 2
    assert str(settings.database) in answer["error"]


@pytest.mark.root
def test_what_the_programs_account_may_not_read_is_found_though_root_may(
    run: Run, open_folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    here = replace(settings, root=open_folder / "onifast")
    for name, mode in (("users", 0o700), ("certs", 0o755), ("config", 0o700)):
        (here.root / name).mkdir(parents=True)
        (here.root / name).chmod(mode)
    domain = here.certs_dir / "a.test"
    domain.mkdir()
    (domain / "privkey.pem").touch(0o600)
    account = access.Account("nobody", "setting run_as", reads_all=False)
    found = access.problems(here, account)
    assert [re.sub(r"/\S*/onifast", "", each) for each in found] == [
        "nobody (setting run_as) cannot read /users (panel users)",
        "nobody (setting run_as) cannot read /certs/a.test/privkey.pem",
        "nobody (setting run_as) cannot write /config (the database's directory), or it is missing",
    ]
    with_rights = account._replace(reads_all=True)
    assert [each.split(" ")[3] for each in access.problems(here, with_rights)] == ["cannot"]
    assert os.geteuid() == 0
    status, checked = asked(run, "check-config", "--as", "nobody")
    assert (status, checked["accounts"]) == (1, ["nobody"])
    assert access.problems(here, access.Account("no-such-user", "--as", reads_all=False)) == [
        "there is no user 'no-such-user' (--as) on this machine"
    ]
