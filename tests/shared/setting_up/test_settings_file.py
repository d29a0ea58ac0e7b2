"""The settings file as setup writes it: nothing that stands there is lost."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from onifast_shared.setting_up import settings_file
from onifast_shared.setting_up.settings_file import SettingsFileError

OURS = """# our host
hostname = "old.example.org"   # the former one
max_recipients = 100
"""


def test_a_setting_is_changed_where_it_stands_and_a_new_one_added_below(tmp_path: Path) -> None:
    (file := tmp_path / "mail.toml").write_text(OURS)
    file.chmod(0o600)
    assert settings_file.change(file, {"hostname": 'm"x.example.org', "writes_users": True})
    assert tomllib.loads(file.read_text()) == {
        "hostname": 'm"x.example.org',
        "max_recipients": 100,
        "writes_users": True,
    }
    assert file.read_text().startswith("# our host\n") and file.stat().st_mode & 0o777 == 0o600
    assert not settings_file.change(file, {"writes_users": True}), "and what is so already stays untouched"


@pytest.mark.parametrize("text", ['hostname = """\na"""\n', "[table]\nx = 1\n", "not toml"])
def test_what_cannot_be_changed_line_by_line_is_left_to_the_administrator(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "mail.toml").write_text(text)
    with pytest.raises(SettingsFileError):
        settings_file.change(file, {"hostname": "mail.example.org"})
    assert file.read_text() == text and list(tmp_path.iterdir()) == [file]
