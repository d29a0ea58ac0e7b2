"""Panel users: every spelling of their files, and names and files that must not be trusted."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accounts.panel_users import (
    AccountError,
    UserDirectory,
    UserDirectoryMissing,
    UserFileError,
    check_username,
)
from onifast_shared.machine.config import Settings

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def write(settings: Settings, username: str, content: Any) -> Path:
    path = settings.users_dir / f"{username}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def users(settings: Settings) -> UserDirectory:
    return UserDirectory(settings)


def admitted(users: UserDirectory, settings: Settings, **fields: Any) -> bool:
    write(settings, "ann", {"password": HASH} | fields)
    return users.authenticate("ann", "secret") is not None


@pytest.mark.parametrize("field", ["password", "password_hash", "passwordHash", "hash"])
def test_the_hash_may_stand_under_each_known_name(users: UserDirectory, settings: Settings, field: str) -> None:
    write(settings, "ann", {field: HASH})
    user = users.authenticate("ann", "secret")
    assert user is not None
    assert (user.username, user.is_admin, user.disabled) == ("ann", False, False)
    assert users.authenticate("ann", "wrong") is None


def test_the_first_field_that_is_filled_counts(users: UserDirectory, settings: Settings) -> None:
    write(settings, "ann", {"hash": "x", "password_hash": HASH, "password": ""})
    assert users.authenticate("ann", "secret")


def test_a_user_without_a_file_is_nobody(users: UserDirectory) -> None:
    assert users.get("ann") is None
    assert users.authenticate("ann", "secret") is None


def test_a_changed_file_counts_at_once(users: UserDirectory, settings: Settings) -> None:
    assert admitted(users, settings)
    assert not admitted(users, settings, disabled=True)
    (settings.users_dir / "ann.json").unlink()
    assert users.authenticate("ann", "secret") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"disabled": True},
        {"disabled": "true"},
        {"suspended": 1},
        {"locked": True},
        {"enabled": False},
        {"active": 0},
        {"active": "no"},
        {"status": "suspended"},
        {"status": " Disabled "},
        {"status": "inactive"},
        {"status": "LOCKED"},
    ],
)
def test_disabled_users_are_refused(users: UserDirectory, settings: Settings, fields: dict[str, Any]) -> None:
    assert not admitted(users, settings, **fields)
    user = users.get("ann")
    assert user is not None
    assert user.disabled


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"disabled": False},
        {"suspended": None},
        {"enabled": True},
        {"active": 1},
        {"status": "active"},
        {"status": 3},
    ],
)
def test_other_users_are_admitted(users: UserDirectory, settings: Settings, fields: dict[str, Any]) -> None:
    assert admitted(users, settings, **fields)


@pytest.mark.parametrize(
    ("fields", "is_admin"),
    [
        ({"is_admin": True}, True),
        ({"isAdmin": 1}, True),
        ({"admin": "yes"}, True),
        ({"role": "admin"}, True),
        ({"role": "Administrator"}, True),
        ({"type": "root"}, True),
        ({"type": "superuser"}, True),
        ({"role": "user", "is_admin": False}, False),
        ({"role": ["admin"]}, False),
        ({"is_admin": {}}, False),
        ({"username": "root"}, False),
    ],
)
def test_administrators_are_those_that_the_file_says(
    users: UserDirectory, settings: Settings, fields: dict[str, Any], is_admin: bool
) -> None:
    write(settings, "ann", {"password": HASH} | fields)
    user = users.get("ann")
    assert user is not None
    assert user.is_admin is is_admin


def test_a_setting_names_more_administrators(settings: Settings) -> None:
    write(settings, "ann", {})
    user = UserDirectory(replace(settings, administrators=("ann",))).get("ann")
    assert user is not None
    assert user.is_admin


def test_the_files_name_is_the_users_name(users: UserDirectory, settings: Settings) -> None:
    assert admitted(users, settings, username="root", name="root", user="root")
    user = users.get("ann")
    assert user is not None
    assert user.username == "ann"
    assert users.get("root") is None


def test_a_plain_password_counts_only_with_the_setting(settings: Settings) -> None:
    write(settings, "ann", {"password": "sesame"})
    with pytest.raises(UserFileError, match="no known kind"):
        UserDirectory(settings).authenticate("ann", "sesame")
    assert UserDirectory(replace(settings, allow_plaintext_passwords=True)).authenticate("ann", "sesame")


def test_the_hash_is_never_printed(users: UserDirectory, settings: Settings) -> None:
    write(settings, "ann", {"password": HASH})
    assert HASH not in f"{users.get('ann')} {users.get('ann')!r}"


@pytest.mark.parametrize(
    "username",
    ["", "../ann", "a/b", ".ann", "-ann", "a..b", "ann\0", "ann\n", "ä", "a" * 65, "a b", "..", "ann.json/../bob"],
)
def test_a_name_that_could_lead_elsewhere_is_nobody(users: UserDirectory, settings: Settings, username: str) -> None:
    write(settings, "ann", {"password": HASH})
    assert not check_username(username)
    assert users.get(username) is None
    assert users.authenticate(username, "secret") is None


@pytest.mark.parametrize("username", ["ann", "Ann_2", "ann@example.org", "a.b-c", "a" * 64])
def test_usual_names_are_allowed(username: str) -> None:
    assert check_username(username)


@given(st.text(max_size=70))
def test_a_checked_name_is_one_component_of_a_path(username: str) -> None:
    if check_username(username):
        assert Path("/users", f"{username}.json").resolve().parent == Path("/users")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("\xff", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"password": 5}', "no text"),
        ("{}", "no password hash"),
        ('{"password": "$9$unknown"}', "no known kind"),
        (" " * (1 << 20) + "{}", "larger than 1 MiB"),
    ],
)
def test_a_bad_file_is_named_with_its_fault_and_not_its_content(
    users: UserDirectory, settings: Settings, content: str, reason: str
) -> None:
    path = settings.users_dir / "ann.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserFileError, match=reason) as raised:
        users.authenticate("ann", "secret")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "unknown" not in str(raised.value)


def test_a_symbolic_link_is_not_followed(users: UserDirectory, settings: Settings) -> None:
    target = write(settings, "ann", {"password": HASH})
    (settings.users_dir / "bob.json").symlink_to(target)
    with pytest.raises(UserFileError, match="symbolic link"):
        users.get("bob")


def test_a_pipe_or_directory_in_a_files_place_does_not_hang(users: UserDirectory, settings: Settings) -> None:
    os.mkfifo(settings.users_dir / "ann.json")
    (settings.users_dir / "bob.json").mkdir()
    for username in ("ann", "bob"):
        with pytest.raises(UserFileError):
            users.get(username)


def test_a_missing_directory_is_told_from_a_missing_user(users: UserDirectory, settings: Settings) -> None:
    settings.users_dir.rmdir()
    with pytest.raises(UserDirectoryMissing, match=str(settings.users_dir)):
        users.authenticate("ann", "secret")
    with pytest.raises(AccountError):
        users.usernames()


def test_users_are_listed_by_name(users: UserDirectory, settings: Settings) -> None:
    for username in ("bob", "ann"):
        write(settings, username, {})
    (settings.users_dir / "notes.txt").touch()
    (settings.users_dir / ".hidden.json").touch()
    assert users.usernames() == ["ann", "bob"]


def test_an_unknown_user_costs_what_the_panels_users_cost(users: UserDirectory, settings: Settings) -> None:
    # The first file is broken and the second has no hash: neither may spare the time.
    write(settings, "aaa", "{")
    write(settings, "bbb", {})
    write(settings, "ccc", {"password": bcrypt.hashpw(b"x", bcrypt.gensalt(11)).decode()})

    def cost(username: str) -> float:
        started = os.times().user
        assert users.authenticate(username, "wrong") is None
        return os.times().user - started

    known = min(cost("ccc") for _ in range(3))
    unknown = min(cost("nobody") for _ in range(3))
    assert known / 2 < unknown < known * 2


PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


@pytest.mark.parametrize("fields", [{"password": PENCIL}, {"scram": PENCIL}, {"password": HASH, "scramSha256": PENCIL}])
def test_a_scram_verifier_may_stand_alone_or_beside_a_hash(
    users: UserDirectory, settings: Settings, fields: dict[str, str]
) -> None:
    write(settings, "ann", fields)
    user = users.get("ann")
    assert user is not None
    assert user.verifier() is not None
    assert users.authenticate("ann", "secret" if "scramSha256" in fields else "pencil")
    assert users.authenticate("ann", "wrong") is None


def test_a_broken_scram_verifier_is_named_when_it_is_needed(users: UserDirectory, settings: Settings) -> None:
    write(settings, "ann", {"password": HASH, "scram": "SCRAM-SHA-256$broken"})
    user = users.authenticate("ann", "secret")
    assert user is not None
    with pytest.raises(UserFileError, match=r"ann\.json holds a SCRAM verifier"):
        user.verifier()


def test_a_scram_verifier_is_no_plain_password(settings: Settings) -> None:
    write(settings, "ann", {"password": "SCRAM-SHA-256$broken"})
    with pytest.raises(UserFileError, match="no known kind"):
        UserDirectory(replace(settings, allow_plaintext_passwords=True)).authenticate("ann", "SCRAM-SHA-256$broken")


def test_a_password_may_be_typed_in_either_composition(users: UserDirectory, settings: Settings) -> None:
    write(settings, "ann", {"password": bcrypt.hashpw("\u00e9t\u00e9".encode(), bcrypt.gensalt(4)).decode()})
    assert users.authenticate("ann", "e\u0301te\u0301")
    assert users.authenticate("ann", "\u00e9t\u00e9")
    assert users.authenticate("ann", "ete") is None


def test_the_cost_of_an_unknown_user_follows_the_users_files(users: UserDirectory, settings: Settings) -> None:
    write(settings, "ann", {"password": HASH})
    users.authenticate("nobody", "x")
    begin = time.process_time()
    users.authenticate("nobody", "x")
    cheap = time.process_time() - begin
    (settings.users_dir / "ann.json").unlink()
    write(settings, "bob", {"password": bcrypt.hashpw(b"secret", bcrypt.gensalt(10)).decode()})
    begin = time.process_time()
    users.authenticate("nobody", "x")
    assert time.process_time() - begin > 4 * cheap
