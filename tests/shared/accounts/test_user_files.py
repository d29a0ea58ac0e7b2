"""Panel users' files as they are written here, where a setting leaves that to us."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import bcrypt
import pytest
from onifast_shared.accounts import passwords, scram_verifier
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.accounts.scram_verifier import Parameters
from onifast_shared.accounts.user_files import UserFiles, UserFilesNotOurs, UserFilesNotWritable
from onifast_shared.machine.config import Settings

PASSWORD = "correct horse battery"


@pytest.fixture
def files(settings: Settings) -> UserFiles:
    return UserFiles(dataclasses.replace(settings, writes_users=True))


def content(settings: Settings, username: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path(settings.users_dir, f"{username}.json").read_text())
    return found


def test_they_are_the_panels_unless_the_setting_says_otherwise(settings: Settings) -> None:
    theirs = UserFiles(settings)
    with pytest.raises(UserFilesNotOurs):
        theirs.create("ann", PASSWORD)
    with pytest.raises(UserFilesNotOurs):
        theirs.set_password("ann", PASSWORD)
    with pytest.raises(UserFilesNotOurs):
        theirs.remove("ann")
    assert list(settings.users_dir.iterdir()) == []


def test_a_user_is_made_given_another_password_and_removed(files: UserFiles, settings: Settings) -> None:
    assert files.create("ann", PASSWORD)
    assert not files.create("ann", "another password")
    assert (user := files.authenticate("ann", PASSWORD)) and not user.is_admin
    assert stat.S_IMODE(Path(settings.users_dir, "ann.json").stat().st_mode) & 0o007 == 0
    assert files.set_password("ann", "another password")
    assert files.authenticate("ann", "another password") and not files.authenticate("ann", PASSWORD)
    assert not files.set_password("nobody", PASSWORD)
    assert files.remove("ann") and not files.remove("ann")
    assert list(settings.users_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["../ann", "a/b", ".ann", "", "ann@here.test", "a" * 65, "a\0b", "a..b", "ann\n"])
def test_no_name_leads_out_of_the_directory_or_is_an_address(files: UserFiles, settings: Settings, name: str) -> None:
    with pytest.raises(ValueError, match="name for a user"):
        files.create(name, PASSWORD)
    assert not files.set_password(name, PASSWORD) if name != "ann@here.test" else True
    assert not files.remove(name) if name != "ann@here.test" else True
    assert list(settings.users_dir.iterdir()) == []


@pytest.mark.parametrize("password", ["short", "with\nline break", "x" * 73])
def test_a_password_that_cannot_be_is_told(files: UserFiles, password: str) -> None:
    with pytest.raises(ValueError, match="password"):
        files.create("ann", password)


def test_what_else_a_file_says_stays(files: UserFiles, settings: Settings) -> None:
    path = Path(settings.users_dir, "ann.json")
    former = bcrypt.hashpw(b"old one here", bcrypt.gensalt(4)).decode()
    verifier = scram_verifier.derive("old one here", Parameters(b"0123456789abcdef", 4096))
    path.write_text(
        json.dumps(
            {"passwordHash": former, "hash": former, "scram": scram_verifier.stored_form(verifier), "plan": {"gb": 5}}
        )
    )
    path.chmod(0o640)
    assert files.set_password("ann", PASSWORD)
    now = content(settings, "ann")
    assert set(now) == {"passwordHash", "scram", "plan"} and now["plan"] == {"gb": 5}
    assert passwords.verify(PASSWORD, str(now["passwordHash"]), allow_plaintext=False)
    found = scram_verifier.parse(str(now["scram"]))
    assert found is not None and found.parameters.salt == b"0123456789abcdef"
    assert scram_verifier.is_of(found, PASSWORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_it_hashes_in_the_way_of_the_panel(files: UserFiles, settings: Settings) -> None:
    files.create("first", PASSWORD)
    assert str(content(settings, "first")["password"]).startswith("$2y$10$")
    Path(settings.users_dir, "first.json").unlink()
    Path(settings.users_dir, "aaa.json").write_text(json.dumps({"hash": passwords.hashed(PASSWORD)}))
    UserFiles(dataclasses.replace(settings, writes_users=True)).create("second", PASSWORD)
    assert str(content(settings, "second")["password"]).startswith("$argon2id$")


def test_a_link_in_a_files_place_is_not_followed(files: UserFiles, settings: Settings, tmp_path: Path) -> None:
    (target := tmp_path / "target").write_text("{}")
    (settings.users_dir / "ann.json").symlink_to(target)
    assert not files.create("ann", PASSWORD)
    with pytest.raises(Exception, match="symbolic link"):
        files.set_password("ann", PASSWORD)
    assert target.read_text() == "{}"


def test_a_directory_that_cannot_be_written_to_is_told(settings: Settings) -> None:
    files = UserFiles(dataclasses.replace(settings, writes_users=True))
    UserDirectory(settings)  # there is one
    settings.users_dir.rmdir()
    with pytest.raises(Exception, match="user directory"):
        files.create("ann", PASSWORD)
    settings.users_dir.write_text("")
    with pytest.raises(UserFilesNotWritable):
        files.remove("ann")
