"""onifast-mailctl database rebuild: a database of another shape gets today's, with all that is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
import sqlite_shell
from onifast_shared.ctl import main as ctl
from onifast_shared.db import migrate
from onifast_shared.db.database import Database
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


# As some version in development might have left it: less in 0003 and 0004, something else in 0004, one number too many.
EDITS = [
    ("ALTER TABLE web_sessions ADD COLUMN credential TEXT;", ""),
    (
        "ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT '';",
        "ALTER TABLE outbox ADD COLUMN earlier_lane TEXT;",
    ),
    ("INSERT INTO mail_usage", "INSERT OR IGNORE INTO mail_usage"),
]
CONTENT = """
    INSERT INTO mail_addresses (address, owner) VALUES ('ann@here.test', 'ann');
    INSERT INTO emails (id, sender, recipient, subject, owner, size, received_ts, folder)
    VALUES (5, 'a@x.test', 'ann@here.test', 'one', 'ann', 70, 1, 'inbox'),
           (9, 'a@x.test', 'ann@here.test', 'gone', 'ann', 30, 2, 'inbox');
    DELETE FROM emails WHERE id = 9;
    INSERT INTO outbox (id, sender, recipient, status, next_attempt_ts, queued_ts, earlier_lane)
    VALUES (3, 'ann@here.test', 'b@there.test', 'sent', 4000, 77, 'x');
    UPDATE directory_version SET version = 41;
    INSERT INTO web_sessions (token_hash, username, csrf_token, created_ts, seen_ts, expires_ts)
    VALUES (x'01', 'ann', 'c', 1, 1, 1);
    CREATE TABLE panels_own (a TEXT PRIMARY KEY, b) WITHOUT ROWID;
    INSERT INTO panels_own VALUES ('k', 'v');
    CREATE INDEX panels_b ON panels_own (b);
    CREATE INDEX panels_subjects ON emails (subject);
"""


@pytest.fixture
def path(settings: Settings) -> Path:
    parts = []
    for each in migrate.migrations():
        if each.number > 4:
            break
        sql = each.sql
        for old, new in EDITS:
            sql = sql.replace(old, new)
        sql = "\n".join(line for line in sql.splitlines() if "lane" not in line or "earlier_lane" in line)
        values = f"({each.number}, '{each.name}', 2)"
        parts += [sql, f"INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES {values};"]
    parts.append("INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (99, '0099_branch.sql', 2);")
    sqlite_shell.run(settings.database, "\n".join(["PRAGMA journal_mode=WAL;", "BEGIN;", *parts, "COMMIT;", CONTENT]))
    settings.database.chmod(0o660)
    return settings.database


def rebuilt(run: Run) -> Path:
    status, out, _ = run("database", "rebuild", "--json")
    assert status == 0
    return Path(json.loads(out)["kept"])


def test_it_is_shown_as_refused_and_not_set_aside_for_a_new_one(run: Run, path: Path) -> None:
    status, out, _ = run("database", "show", "--json")
    assert (status, json.loads(out)["state"]) == (1, "refused")
    assert "onifast-mailctl database rebuild" in json.loads(out)["reason"]
    assert run("database", "init")[0] == 1
    assert run("queue", "list")[0] == 2
    assert sqlite_shell.run(path, "SELECT subject FROM emails;") == ["one"]


def test_all_rows_come_along_as_they_were(run: Run, path: Path) -> None:
    rebuilt(run)
    assert sqlite_shell.run(
        path,
        """
        SELECT id, subject, size FROM emails;
        SELECT id, status, next_attempt_ts, queued_ts, lane, earlier_lane FROM outbox;
        SELECT scope, name, bytes, messages FROM mail_usage ORDER BY scope;
        SELECT version FROM directory_version;
        SELECT username, credential IS NULL FROM web_sessions;
        SELECT a, b FROM panels_own;
        """,
    ) == ["5|one|70", "3|sent|4000|77||x", "address|ann@here.test|70|1", "owner|ann|70|1", "41", "ann|1", "k|v"]


def test_it_has_todays_shape_mode_and_journal(run: Run, path: Path) -> None:
    rebuilt(run)
    assert run("database", "check")[0] == run("queue", "list")[0] == 0
    assert path.stat().st_mode & 0o777 == 0o660
    wanted = [str(each.number) for each in migrate.migrations()]
    assert sqlite_shell.run(path, "PRAGMA journal_mode; PRAGMA auto_vacuum;") == ["wal", "2"]
    assert sqlite_shell.run(path, "SELECT version FROM schema_migrations WHERE sha256 <> '';") == wanted


def test_ids_of_deleted_rows_are_not_given_again(run: Run, path: Path) -> None:
    rebuilt(run)
    assert sqlite_shell.run(path, "INSERT INTO emails (sender) VALUES ('a'); SELECT max(id) FROM emails;") == ["10"]


def test_the_old_database_is_kept_and_what_was_left_there_is_named(run: Run, path: Path) -> None:
    status, out, _ = run("database", "rebuild")
    assert status == 0
    (kept,) = path.parent.glob("onifast-mail.db.before-rebuild-*")
    assert str(kept) in out
    assert "left behind there: index panels_subjects" in out
    assert sqlite_shell.run(kept, "SELECT subject FROM emails;") == ["one"]
    assert not list(path.parent.glob("*.rebuilt-*"))


def test_what_others_have_open_is_left_alone(run: Run, path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("SELECT count(*) FROM emails").fetchall()
    try:
        status, _, complaint = run("database", "rebuild")
    finally:
        other.close()
    assert status == 2
    assert "stop the programs first" in complaint
    assert not list(path.parent.glob("*re*build*-*"))


def test_rows_that_fit_no_more_are_named_and_nothing_is_changed(run: Run, path: Path) -> None:
    sqlite_shell.run(
        path,
        "DROP TABLE domain_aliases; CREATE TABLE domain_aliases (alias TEXT, domain TEXT, owner TEXT);"
        "INSERT INTO domain_aliases (alias) VALUES ('a.test'), ('a.test');",
    )
    status, _, complaint = run("database", "rebuild")
    assert status == 2
    assert "domain_aliases" in complaint
    assert sqlite_shell.run(path, "SELECT count(*) FROM domain_aliases;") == ["2"]


def test_a_good_database_may_be_rebuilt_too_and_keeps_its_identity(run: Run, database: Database) -> None:
    path = database.path
    database.close()
    before = sqlite_shell.run(path, "SELECT id FROM database_identity;")
    rebuilt(run)
    assert sqlite_shell.run(path, "SELECT id FROM database_identity;") == before
    assert run("database", "show")[0] == 0


def test_a_newer_programs_database_is_not_rebuilt_by_an_older_one(run: Run, database: Database) -> None:
    database.write(
        lambda tx: tx.execute("INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (99, 'x', 2)")
    )
    database.close()
    assert run("database", "rebuild")[0] == 2


def test_the_earlier_programs_database_needs_no_rebuilding(run: Run, settings: Settings) -> None:
    sqlite_shell.run(settings.database, "CREATE TABLE emails (id INTEGER PRIMARY KEY); INSERT INTO emails VALUES (1);")
    status, _, complaint = run("database", "rebuild")
    assert status == 2
    assert "takes it over" in complaint
    assert run("database", "show")[0] == 0
