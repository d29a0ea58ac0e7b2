"""No table is forgotten when a user goes: what names them is looked for in the schema itself."""

from __future__ import annotations

import pytest
from onifast_shared.accounts.panel_users import check_username
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import changes, store
from onifast_shared.departed.belongings import DIRECTORY, ENDED, FEW, MANY, NOT_THEIRS, Column
from onifast_shared.departed.changes import UserChangeRequest

from .people import columns, dump, give, mentions, naming_columns, settle, tables

NOW = 1_800_000_000.0
KNOWN = {(each.table, each.name) for each in (*FEW, *MANY, *ENDED)} | {
    (each.table, each.owner) for each in DIRECTORY if each.owner
}
VERSIONS = {"directory_version", "folder_counts", "correspondents_versions"}
"""What tells that something has changed. The numbers in folder_counts follow `emails` (tests/shared/mailboxes)."""
RENUMBERED = {"mail_forwards", "mailbox_users"}
"""Tables of the directory whose rows come back under another number."""
SCOPES = {"mail_quotas": "owner", "sending_limits": "user", "sending_usage": "user", "limit_alerts": "user"}


def everything(tx: Connection, username: str) -> None:
    """Gives a user a row in every column that names one."""
    give(tx, "mail_addresses", address=f"mail@{username}.test", owner=username)
    give(tx, "domain_aliases", alias=f"alias-{username}.test", domain=f"{username}.test")
    give(tx, "sandbox_domains", domain=f"{username}.test", set_by=None)
    give(tx, "sending_limits", scope="domain", name=f"{username}.test", messages_per_day=7)
    give(tx, "mail_quotas", scope="address", name=f"mail@{username}.test", bytes=7)
    give(tx, "mail_forwards", address=f"mail@{username}.test", target="nobody@there.test", owner=None)
    address = f"mail@{username}.test"
    give(tx, "mailbox_users", account=f"mailbox:1:{address}", address=address, listed=address, owner=username)
    give(tx, "mailbox_senders", account=f"mailbox:1:{address}", address=address, listed=address)
    for table in {table for table, _ in KNOWN} - {"mail_addresses", "domains"}:
        for each in (each for each in (*FEW, *MANY, *ENDED) if each.table == table):
            give(tx, table, **one(each, username))
    give(tx, "mail_forwards", address=f"sales@{username}.test", target="x@there.test", owner=username)


def one(column: Column, username: str) -> dict[str, object]:
    values: dict[str, object] = {column.name: column.value(username)}
    if column.name == "name":
        values["scope"] = SCOPES.get(column.table, "user")
    if column.table in ("web_sessions", "sso_tokens", "api_tokens", "pending_logins", "remembered_devices"):
        values["token_hash"] = username.encode()
    if column.table == "mailbox_ends":
        values["account"] = f"mailbox:9:x@{username}.test"
    if column.table == "emails":
        values |= {"recipient": f"mail@{username}.test", "size": 100, "received_ts": 5, "content_id": None}
    return values


def test_every_column_that_looks_like_a_users_name_is_accounted_for(database: Database) -> None:
    found = set(database.read(lambda tx: list(naming_columns(tx))))
    assert found - KNOWN - NOT_THEIRS.keys() == set(), "say in belongings what becomes of it when its user goes"


def test_every_column_that_is_accounted_for_exists(database: Database) -> None:
    found = database.read(lambda tx: {(table, each[0]) for table in tables(tx) for each in columns(tx, table)})
    assert (KNOWN | NOT_THEIRS.keys()) - found == set()


def test_nothing_is_left_under_the_name_of_who_is_gone(database: Database) -> None:
    database.write(lambda tx: everything(tx, "ann"))
    assert database.read(lambda tx: mentions(tx, "ann")) >= KNOWN
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    settle(database)
    assert database.read(lambda tx: mentions(tx, "ann")) - NOT_THEIRS.keys() == set()
    assert not check_username(store.set_aside_name(1, "ann"))


def test_the_others_keep_all_that_is_theirs(database: Database) -> None:
    database.write(lambda tx: everything(tx, "ben"))
    before = database.read(dump)
    database.write(lambda tx: everything(tx, "ann"))
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    settle(database)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("purge", "ann", "test"), NOW))
    settle(database)
    after = database.read(dump)
    after["mail_usage"] = [row for row in after["mail_usage"] if row[3]]  # what counts nothing says nothing
    # What somebody sent in nobody's name is nobody's.
    after["outbox"] = [row for row in after["outbox"] if "user:~1:ann" not in row]
    for table in before.keys() - VERSIONS - {"user_changes"}:
        assert after[table] == before[table], table


def test_what_is_restored_is_what_was_set_aside(database: Database) -> None:
    database.write(lambda tx: everything(tx, "ann"))
    before = database.read(dump)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    settle(database)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("restore", "ann", "test"), NOW))
    settle(database)
    after = database.read(dump)
    ended = {each.table for each in ENDED} | VERSIONS | {"user_changes", "outbox"}
    for table in before.keys() - ended:
        assert [row[1:] if table in RENUMBERED else row for row in after[table]] == [
            row[1:] if table in RENUMBERED else row for row in before[table]
        ], table


def test_a_renamed_user_has_all_that_he_had(database: Database) -> None:
    database.write(lambda tx: everything(tx, "ann"))
    had = database.read(lambda tx: mentions(tx, "ann"))
    database.write(lambda tx: changes.make(tx, UserChangeRequest("rename", "ann", "test", "anna"), NOW))
    settle(database)
    ended = {(each.table, each.name) for each in ENDED}
    assert database.read(lambda tx: mentions(tx, "ann")) - NOT_THEIRS.keys() == set()
    assert database.read(lambda tx: mentions(tx, "anna")) - NOT_THEIRS.keys() == had - ended - NOT_THEIRS.keys()


@pytest.mark.parametrize("action", ["remove", "rename"])
def test_a_crash_between_two_steps_leaves_no_part_behind(database: Database, action: str) -> None:
    """Whoever comes next finds the move under way, and the name shut until it is done."""
    database.write(lambda tx: everything(tx, "ann"))
    new_name = "anna" if action == "rename" else None
    database.write(lambda tx: changes.make(tx, UserChangeRequest(action, "ann", "test", new_name), NOW))
    assert database.read(lambda tx: store.is_moving(tx, "ann"))
    assert ("emails", "owner") in database.read(lambda tx: mentions(tx, "ann"))
    settle(database)
    assert not database.read(lambda tx: store.is_moving(tx, "ann"))
    assert database.read(lambda tx: mentions(tx, "ann")) - NOT_THEIRS.keys() == set()


def test_every_table_can_be_filled(database: Database) -> None:
    """The test of the tests: a table that `give` cannot fill would escape them."""
    assert {table for table, _ in KNOWN} <= set(database.read(tables))
