"""Migrations: files that never change, databases that lack some of them, and databases that others than ours made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.db import migrate
from onifast_shared.db.database import Database
from onifast_shared.db.errors import SchemaDiffers
from onifast_shared.db.migrate import Migration
from onifast_shared.programs import command_line

# A file that has landed never changes. What comes next gets a line here, and a number of its own.
LANDED = {
    "0001_reference.sql": "461426df42af1aaa8a4b6f692b3da3423753e89783c8484c79998b5593cfefc4",
    "0002_mail_store.sql": "2429b8610b5b6a3c135f1e9952ea770f433341d9eaf9a238ab2b955c7d751c62",
    "0003_receiving.sql": "9848b8e85ddc7ba7379263acc7b2552f749e310ab9d4ee831fa7b97276bc72e9",
    "0004_delivering.sql": "c57d8381ddba649429fe9298f2e1c3f9afdb77dd840842332d7e169f0d527be4",
    "0005_correspondents.sql": "5ee91680ce4d217e1383b688cd7af20745da532b7a13c2fdb92d95161018a015",
    "0006_departures.sql": "01dcdf3c357fa6078e99d8d4d696044ea6fabdb3280921715ec01bdd2ef4793a",
    "0007_identity.sql": "ed2fb28c7f01b4ce819b7dc0c0dd6a8a0441bd2a3ffaf961ba8376fd44bb69d3",
    "0008_dns_failures.sql": "60a3bc7c2741cbb3f90d32cc8e7edf7b4af029e62f89057e749bbff0d416084d",
    "0009_queue_ids.sql": "69d0975fd130e053cdfd1bcb522d9dc3538b903673b0864721c5354b4d10a233",
    "0010_migration_hashes.sql": "cd5da029ec41e53a4dc7e722b7734f9ef58b435119af9e9cfd16c31394aaf5f4",
    "0011_search_in_runs.sql": "2cd48b7aff28998a98d4d83119199a8481e95040377937b97027bec8ee4194b1",
    "0012_labels.sql": "48c6432f75f952fe22a301a66f530c33150a7d53767ccbb1b41bef8d634a89d7",
    "0013_folder_counts.sql": "8e8d11369878d0d5159260a0284d2ff54a3a79eea15c84c76a171909d8b60750",
    "0014_junk.sql": "2cad58fd07ffcec8ebccae5a9e28b6e19410593c21663057843793665a5f6e00",
    "0015_returns.sql": "8d0f04d70a151859c14feb870516cfe7d2cd74ecb2bf1844bcfac08218fea66b",
    "0016_audit.sql": "400fbba8c8308d15f7d7f585a155a9aeeff2d43c669eae32a01f75564913825d",
    "0017_send_keys.sql": "34180298318516bedcdaa068c946695dccb101f6b902bf678fcd4c05348f3483",
    "0018_invitations.sql": "7a7a3125c567d6d84df75e5a2ab1163356adba59975b81e5a1927456efc58ec3",
    "0019_search.sql": "8c4a569826d239b0f817ea49a85e979ed3869cfe3b903b92a1e7357080205943",
    "0020_shown_images.sql": "0d176d806e9d67d98e6cf070b160808cf55f12407f50f4ffd5fc732dc20117d7",
    "0021_sender_index.sql": "0649aad1a7eeb4213907d5e376fa4ec7c8d10e7a4c62b2b905c776c014c8541a",
    "0022_token_scopes.sql": "9a43e6a4af27fda13344067ee436074ceb473c20e4ee48ef2f1c91dba5ce824f",
    "0023_session_places.sql": "56d36d8205bba0e98f534631ab8e5a93965d9c528eb61470b0f546322348fcf1",
    "0024_webhook_calls.sql": "26804bfc3bb023d11d314091a2ddad18d704c3bf5c768e93d455c45f9028ad81",
    "0025_second_factor.sql": "05bcd4ee525f4721ccca5a444b2d364a23101a8d8970fea8137c23d620dec386",
    "0026_domain_checks.sql": "9bf1032c05f7367cd9f58c111245910f2491368104c75ae3e9c612720e908ef3",
    "0027_mailbox_users.sql": "15ee278d4127a318540beeeb5b8633c6a0cfd35ba5612d1df959db8c9126a6da",
    "0028_senders.sql": "0c2478b9a9ffc2a846a002937b06649d8583e31893cca93da3719c6c47dcba92",
    "0029_shared_mailboxes.sql": "121753afa5045db03d4478da2a61392417017acc38d0a138824124b8003b0ff6",
    "0030_counted_first.sql": "f28ff03653e8f12546f96636e6fd841e48164aca9cf2422a84b356cbf135db77",
    "0031_composers.sql": "92ef3797944f611138a35bccc63d60131c6340a5339bf218cc2e4a0f0d3d52dc",
    "0032_conversations.sql": "b74e1adb61839fc3e7f4aafcfc47c7ac08569903a4359cd41343c3538006621e",
    "0033_list_acts.sql": "0be4d1c84783a999270a7a944df7ce4a9ec049d0ee55b903bfe473f6502d7d7a",
    "0034_stored_attachments.sql": "8deaf0544d2ed1a3ea2806aec73541e421a4f18cea449b21f542de4662409afb",
    "0035_searches.sql": "16257d3cc8c648910dbd4585dc04a1f8918c3dc919aea5d09dc14158db84d602",
    "0036_writing.sql": "028bfa189f2d9701e436975d0eed87f145d73a4f173828fad21092c89db14219",
    "0037_changed_addresses.sql": "252640d57346147fb5a231a01111f985c21765ddd184652793fcc45162907342",
    "0038_unsubscriptions.sql": "d5a16c93170a80dd61258e9764d62f45fb7bdf2e035f4101e34bfeffb24073e0",
    "0039_filters.sql": "1ed18b25001406456296984f1cae5689d3e2ee04e84e0f1f49651fd430790ded",
    "0040_regional_choice.sql": "8acc54223b9c335d2b651f987436a30dac78762fb6df94a8cb170e1bac9d6d93",
    "0041_counters.sql": "00578ac55d72129051741d78046e0b98add4f1c65de8005de500d35fb2efe342",
    "0042_doctor.sql": "b5f66c2e9287818036c6123253a2e80a32b827a8a283c7dff9841dde691b26f9",
    "0043_appearance.sql": "09381fa8ed59ccee95fd9995b674dfd54d9a276e021a85a8a41fd78d01e7359c",
    "0044_moving.sql": "c086eddd0da7ca7a8afe9d457637b82b8636d26155ff52d02ba1764874178459",
    "0045_retention.sql": "d35fb328344e2477eedf672d81f3fea7e8efc3a6cf042ff771ef2fdac814f36e",
    "0046_traces.sql": "9c9ce04890f69155bb52ebf144b08de4009ab369097100564696140eeac85529",
    "0047_message_sizes.sql": "5116f3233f9591ef32dd287ff18fa34b89d03424ad082dffe6d9f36d1f7d791b",
}

Edits = dict[int, tuple[str, str]]
"""What stood in a file's place in development, by the file's number: what is replaced by what."""


def made(path: Path, numbers: Sequence[int], edits: Edits | None = None, *, hashed: bool = False) -> None:
    """A database of these migrations, as a program of before (or after) there were hashes made it."""
    parts = []
    for each in migrate.migrations():
        if each.number not in numbers:
            continue
        old, new = (edits or {}).get(each.number, ("", ""))
        assert old in each.sql
        parts += [each.sql.replace(old, new) if old else each.sql, recorded(each)]
        if hashed:
            parts.append(f"UPDATE schema_migrations SET sha256 = '{each.sha256}' WHERE version = {each.number};")
    sqlite_shell.run(path, "\n".join(["PRAGMA journal_mode=WAL;", "BEGIN;", *parts, "COMMIT;"]))


def recorded(each: Migration) -> str:
    values = f"({each.number}, '{each.name}', 2)"
    return f"INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES {values};"


def opened(path: Path) -> None:
    Database.open(path).close()


def hashes(path: Path) -> list[str]:
    return sqlite_shell.run(path, "SELECT version, sha256 FROM schema_migrations ORDER BY version;")


WANTED = [f"{each.number}|{each.sha256}" for each in migrate.migrations()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "onifast-mail.db"


def test_a_file_that_has_landed_never_changes() -> None:
    assert {each.name: each.sha256 for each in migrate.migrations()} == LANDED


def test_each_file_has_a_number_of_its_own() -> None:
    assert len({each.number for each in migrate.migrations()}) == len(LANDED)


def test_a_new_database_remembers_what_it_was_made_of(path: Path) -> None:
    opened(path)
    assert hashes(path) == WANTED


@pytest.mark.parametrize("last", range(2, 10))
def test_a_database_of_each_earlier_version_is_brought_up(path: Path, last: int) -> None:
    made(path, range(1, last + 1))
    opened(path)
    assert hashes(path) == WANTED


@pytest.mark.parametrize("missing", [[5], [6], [5, 6], [7], [6, 8]], ids=str)
def test_numbers_that_another_branch_added_are_made_up_for(path: Path, missing: list[int]) -> None:
    made(path, [number for number in range(1, 10) if number not in missing])
    opened(path)
    assert hashes(path) == WANTED


UNLIKE: dict[str, tuple[Edits, str]] = {
    "a column is missing": ({3: ("ALTER TABLE web_sessions ADD COLUMN credential TEXT", "")}, "no column credential"),
    "an index is missing": (
        {5: ("CREATE INDEX correspondents_last ON correspondents (owner, last_ts);", "")},
        "index correspondents_last is missing",
    ),
    "an index is another one": ({5: ("(owner, last_ts)", "(last_ts)")}, "index correspondents_last is another one"),
    "a trigger is another one": ({6: ("SET status = 'cancelled'", "SET status = 'failed'")}, "trigger outbox_departed"),
    "a default is another one": ({7: ("reopenings INTEGER NOT NULL DEFAULT 0", "reopenings INTEGER")}, "reopenings is"),
    "a key is another one": ({5: ("PRIMARY KEY (owner, address)", "PRIMARY KEY (address)")}, "has other constraints"),
    "a column must be filled": ({8: ("first_ts ", "zone TEXT NOT NULL, first_ts ")}, "dns_failures.zone is not known"),
    "a table is missing": ({7: ("CREATE TABLE database_", "CREATE TEMP TABLE database_")}, "identity is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNLIKE)
def test_a_database_of_another_shape_is_refused_with_advice_and_not_touched(path: Path, name: str) -> None:
    edits, words = UNLIKE[name]
    made(path, range(1, 10), edits)
    before = path.read_bytes()
    with pytest.raises(SchemaDiffers, match=f"{re.escape(words)}.*onifast-mailctl database rebuild") as refused:
        opened(path)
    assert path.read_bytes() == before
    assert command_line.status_of(refused.value) == command_line.MEND_FIRST


def test_comments_white_space_and_what_others_keep_there_are_no_difference(path: Path) -> None:
    made(path, range(1, 10), {5: ("    known_ts   INTEGER NOT NULL, ", "-- since\n known_ts integer  NOT NULL,")})
    sqlite_shell.run(path, "CREATE TABLE panels_own (a); CREATE INDEX panels_index ON emails (subject);")
    sqlite_shell.run(path, "ALTER TABLE emails ADD COLUMN note;")
    opened(path)


def test_a_migration_that_does_not_fit_leaves_nothing_of_those_before_it(path: Path) -> None:
    made(path, [1, 2, 3, 4, 7, 8])
    sqlite_shell.run(path, "ALTER TABLE outbox ADD COLUMN queue_id TEXT;")
    with pytest.raises(SchemaDiffers, match=r"0009_queue_ids\.sql cannot be applied: duplicate column"):
        opened(path)
    assert sqlite_shell.run(path, "SELECT count(*) FROM schema_migrations;") == ["6"]


@pytest.mark.parametrize(
    "change", ["sha256 = 'f00'", "name = '0004_other.sql'"], ids=["another content", "another name"]
)
def test_a_migration_that_was_another_one_is_refused(path: Path, change: str) -> None:
    opened(path)
    sqlite_shell.run(path, f"UPDATE schema_migrations SET {change} WHERE version = 4;")
    with pytest.raises(SchemaDiffers, match="migration 4 was"):
        opened(path)


def test_what_was_compared_once_is_not_compared_again(path: Path) -> None:
    made(path, range(1, 10))
    opened(path)
    sqlite_shell.run(path, "DROP INDEX outbox_queue_id;")
    opened(path)
