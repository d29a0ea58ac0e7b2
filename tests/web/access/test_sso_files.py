"""Single sign-on by file: what signs in, and all that does not."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.machine.config import Settings
from web.support import Clock

TOKEN = "K" * 43
NAME = hashlib.sha256(TOKEN.encode()).hexdigest()


@pytest.fixture
def directory(settings: Settings) -> Path:
    """The directory, as it is to be."""
    settings.sso_dir.mkdir()
    settings.sso_dir.chmod(0o770)
    return settings.sso_dir


def write(directory: Path, content: Any = None, name: str = NAME, mode: int = 0o640) -> Path:
    path = directory / name
    values = {"username": "demo", "token_sha256": name} if content is None else content
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    path.chmod(mode)
    return path


def login(client: FlaskClient, token: str = TOKEN, page: str = "") -> int:
    return client.get("/sso-login", query_string={"token": token, "next": page}).status_code


def test_a_file_signs_in_once(client: FlaskClient, directory: Path) -> None:
    path = write(directory)
    assert login(client) == 303
    assert client.get("/folders/inbox").status_code == 200
    assert not path.exists()
    assert login(client) == 403


def test_a_link_that_is_followed_ahead_uses_nothing_up(client: FlaskClient, directory: Path) -> None:
    write(directory)
    assert client.head("/sso-login", query_string={"token": TOKEN}).status_code == 403
    assert login(client) == 303


def test_it_is_too_old_by_its_writing_or_by_what_it_says(
    client: FlaskClient, directory: Path, clock: Clock, settings: Settings
) -> None:
    write(directory, {"username": "demo", "token_sha256": NAME, "expires_at": clock.now - 1})
    assert login(client) == 403
    path = write(directory)
    clock.advance(settings.sso_lifetime + 1)
    assert login(client) == 403
    assert not path.exists()
    path = write(directory, {"username": "demo", "token_sha256": NAME, "expires_at": clock.now + 10**9})
    os.utime(path, (clock.now - settings.sso_lifetime - 1,) * 2)
    assert login(client) == 403
    os.utime(write(directory), (clock.now + 3600,) * 2)
    assert login(client) == 403


def test_only_the_first_of_two_at_once_is_signed_in(app: Flask, directory: Path) -> None:
    for _ in range(5):
        write(directory)
        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(login, [app.test_client() for _ in range(6)]))
        assert sorted(statuses) == [303] + [403] * 5


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 4000,
        "[]",
        "null",
        '"demo"',
        {},
        {"username": "demo"},
        {"username": "demo", "token_sha256": "0" * 64},
        {"username": "", "token_sha256": NAME},
        {"username": 7, "token_sha256": NAME},
        {"username": "nobody", "token_sha256": NAME},
        {"username": "../demo", "token_sha256": NAME},
        {"username": "demo", "token_sha256": NAME, "expires_at": "never"},
        {"username": "demo", "token_sha256": NAME, "expires_at": True},
        {"username": "demo", "token_sha256": NAME, "more": "x" * 5000},
    ],
    ids=lambda content: str(content)[:40],
)
def test_what_says_nothing_clear_signs_nobody_in(client: FlaskClient, directory: Path, content: Any) -> None:
    write(directory, content)
    assert login(client) == 403


def test_no_link_is_followed(client: FlaskClient, directory: Path, tmp_path: Path) -> None:
    real = write(tmp_path, {"username": "demo", "token_sha256": NAME}, "elsewhere")
    (directory / NAME).symlink_to(real)
    assert login(client) == 403
    (directory / NAME).unlink()
    (directory / NAME).hardlink_to(real)
    assert login(client) == 403
    assert real.exists()


def test_a_fifo_or_a_directory_holds_nobody_up(client: FlaskClient, directory: Path) -> None:
    os.mkfifo(directory / NAME)
    assert login(client) == 403
    (directory / NAME).unlink()
    (directory / NAME).mkdir()
    assert login(client) == 403


def test_a_huge_file_is_not_read(client: FlaskClient, directory: Path) -> None:
    path = write(directory)
    os.truncate(path, 1 << 40)
    assert login(client) == 403


@pytest.mark.parametrize("mode", [0o660, 0o642, 0o666])
def test_what_others_may_write_into_signs_nobody_in(client: FlaskClient, directory: Path, mode: int) -> None:
    write(directory, mode=mode)
    assert login(client) == 403


@pytest.mark.root
@pytest.mark.parametrize("owner", [65534, 1000])
def test_a_foreign_owners_file_signs_nobody_in(client: FlaskClient, directory: Path, owner: int) -> None:
    os.chown(write(directory), owner, -1)
    assert login(client) == 403
    directory.chmod(0o770)
    os.chown(directory, owner, -1)
    assert login(client) == 403


def test_a_directory_that_everybody_writes_into_counts_for_nothing(client: FlaskClient, directory: Path) -> None:
    write(directory)
    directory.chmod(0o777)
    assert login(client) == 403


def test_a_directory_that_is_a_link_counts_for_nothing(client: FlaskClient, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    settings.sso_dir.symlink_to(tmp_path / "there")
    write(tmp_path / "there")
    assert login(client) == 403


@pytest.mark.parametrize("token", ["", "x", "../users/demo.json", "/etc/passwd", "%00" * 20, "a" * 5000, "\ud800" * 50])
def test_no_token_leads_out_of_the_directory(client: FlaskClient, directory: Path, token: str) -> None:
    write(directory, name="x")
    assert login(client, token.encode("utf-8", "replace").decode()) == 403


def test_a_file_given_another_name_signs_nobody_in(client: FlaskClient, directory: Path) -> None:
    thief = secrets.token_urlsafe(32)
    write(directory).rename(directory / hashlib.sha256(thief.encode()).hexdigest())
    assert login(client, thief) == 403


def test_what_nobody_came_for_is_taken_away(client: FlaskClient, directory: Path, clock: Clock) -> None:
    for name in ("1" * 64, "." + "2" * 64, "3" * 64, "notes.txt"):
        write(directory, name=name)
    for name in ("1" * 64, "." + "2" * 64, "notes.txt"):
        os.utime(directory / name, (clock.now - 4000,) * 2)
    write(directory)
    assert login(client) == 303
    assert sorted(path.name for path in directory.iterdir()) == ["3" * 64, "notes.txt"]


def test_who_comes_by_file_goes_nowhere_else(app: Flask, directory: Path) -> None:
    for page in ("https://evil.test", "//evil.test", "/\\evil.test"):
        write(directory)
        answer = app.test_client().get("/sso-login", query_string={"token": TOKEN, "next": page})
        assert answer.headers["Location"] == "/"
