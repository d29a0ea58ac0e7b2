"""What let removed users in goes, and nothing else."""

from __future__ import annotations

import json

import pytest
from onifast_shared.accounts import app_passwords, departed, sessions
from onifast_shared.accounts.departed import PATIENCE
from onifast_shared.accounts.panel_users import UserDirectory, UserDirectoryMissing
from onifast_shared.address import Address
from onifast_shared.config import Settings
from onifast_shared.db.database import Connection, Database
from onifast_shared.queue import suppressions
from onifast_shared.webhooks import store

NOW = 1_800_000_000.0


@pytest.fixture
def users(settings: Settings, database: Database) -> UserDirectory:
    """Ann and Ben, each with an app password, a token, a link and a session."""
    for name in ("ann", "ben"):
        add_file(settings, name)
        database.write(lambda tx, name=name: let_in(tx, name))  # type: ignore[misc]
    return UserDirectory(settings)


def add_file(settings: Settings, name: str) -> None:
    (settings.users_dir / f"{name}.json").write_text(json.dumps({"password": "$2b$04$x"}))


def let_in(tx: Connection, name: str) -> None:
    app_passwords.create(tx, name, None, "Phone", NOW)
    sessions.create_api_token(tx, name, "script", NOW)
    sessions.issue_sso(tx, name, NOW, 86400)
    sessions.create_session(tx, name, NOW, 86400, "hash")


def kept(database: Database) -> dict[str, set[str]]:
    """Who has something in each table."""
    tables = ("app_passwords", "api_tokens", "sso_tokens", "web_sessions")

    def read(tx: Connection) -> dict[str, set[str]]:
        return {table: {str(row[0]) for row in tx.execute(f"SELECT username FROM {table}")} for table in tables}

    return database.read(read)


BOTH = {table: {"ann", "ben"} for table in ("app_passwords", "api_tokens", "sso_tokens", "web_sessions")}


def test_what_a_removed_user_had_goes_after_a_while(
    users: UserDirectory, settings: Settings, database: Database
) -> None:
    (settings.users_dir / "ann.json").unlink()
    assert departed.sweep(database, users, NOW) == []
    assert departed.sweep(database, users, NOW + PATIENCE - 1) == []
    assert kept(database) == BOTH
    assert departed.sweep(database, users, NOW + PATIENCE) == ["ann"]
    assert kept(database) == {table: {"ben"} for table in BOTH}
    assert departed.sweep(database, users, NOW + 2 * PATIENCE) == []


def test_nobody_is_told_of_the_mail_of_the_next_user_of_his_name(
    users: UserDirectory, settings: Settings, database: Database
) -> None:
    def listen(tx: Connection) -> None:
        for owner in ("ann", "ben", None):
            made = store.create(tx, owner, "https://hooks.example.test/", ["delivered"], NOW)
            store.add_event(tx, made.id, "{}", NOW)
        for owner in ("ann", "postmaster-without-a-file"):
            suppressions.add(tx, owner, Address.parse("bob@remote.test"), "", NOW)

    database.write(listen)
    (settings.users_dir / "ann.json").unlink()
    departed.sweep(database, users, NOW)
    departed.sweep(database, users, NOW + PATIENCE)

    def left(tx: Connection) -> list[object]:
        return [
            [row[0] for row in tx.execute("SELECT owner FROM webhooks ORDER BY id")],
            tx.execute("SELECT count(*) FROM webhook_events").get,
            [row[0] for row in tx.execute("SELECT owner FROM suppressions")],
        ]

    assert database.read(left) == [["ben", None], 2, ["postmaster-without-a-file"]]


def test_a_file_that_is_away_for_a_moment_costs_its_user_nothing(
    users: UserDirectory, settings: Settings, database: Database
) -> None:
    (settings.users_dir / "ann.json").unlink()
    departed.sweep(database, users, NOW)
    add_file(settings, "ann")
    assert departed.sweep(database, users, NOW + 10) == []
    (settings.users_dir / "ann.json").unlink()
    assert departed.sweep(database, users, NOW + PATIENCE) == []
    assert kept(database) == BOTH


def test_an_empty_directory_is_not_believed(users: UserDirectory, settings: Settings, database: Database) -> None:
    for name in ("ann", "ben"):
        (settings.users_dir / f"{name}.json").unlink()
    for now in (NOW, NOW + PATIENCE):
        assert departed.sweep(database, users, now) == []
    assert kept(database) == BOTH


def test_a_directory_that_is_not_there_is_told(users: UserDirectory, settings: Settings, database: Database) -> None:
    settings.users_dir.rename(settings.users_dir.with_name("elsewhere"))
    with pytest.raises(UserDirectoryMissing):
        departed.sweep(database, users, NOW)
    assert kept(database) == BOTH


def test_a_broken_or_disabled_user_is_still_there(users: UserDirectory, settings: Settings, database: Database) -> None:
    (settings.users_dir / "ann.json").write_text("{no json")
    for now in (NOW, NOW + PATIENCE):
        assert departed.sweep(database, users, now) == []
    assert kept(database) == BOTH
