"""Panel users' files as they are written here, where the panel leaves that to us (the setting `writes_users`).

A file that is there keeps what else it says, and whose it is as far as we may: only its password becomes another one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onifast_shared.accounts import passwords, scram_verifier
from onifast_shared.accounts.panel_users import (
    PASSWORD_FIELDS,
    SCRAM_FIELDS,
    AccountError,
    UserDirectory,
    check_username,
)
from onifast_shared.machine.config import Settings


class UserFilesNotOurs(AccountError):
    """The setting leaves users' files to the panel."""


class UserFilesNotWritable(AccountError):
    """The directory of the users' files cannot be written to by this program."""


class UserFiles(UserDirectory):
    """The users' files, to be written. It blocks: call it off the event loop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._writes = settings.writes_users

    def check(self) -> None:
        """Raises UserFilesNotOurs where the panel alone writes users' files."""
        if not self._writes:
            raise UserFilesNotOurs("users' files are the panel's to write, unless the setting writes_users is true")

    def create(self, username: str, password: str) -> bool:
        """Makes a user with that password; False if there is one, whatever their file is like.

        Raises ValueError, which says why, for a name or a password that cannot be; AccountError.
        """
        self.check()
        if "@" in username or not check_username(username):
            raise ValueError(f"{username[:80]!r} is no name for a user: up to 64 letters, digits and . _ -")
        content = {"username": username, "password": self._hashed(password)}
        return self._write(username, content, None)

    def set_password(self, username: str, password: str) -> bool:
        """Gives a user another password; False if there is none of that name.

        Raises ValueError for a password that cannot be; AccountError, for a file of no use too.
        """
        self.check()
        if self.get(username) is None:
            return False
        path = self._directory / f"{username}.json"
        content = self._read(path)
        if content is None:
            return False
        return self._write(username, _with_password(content, password, self._hashed(password)), path)

    def remove(self, username: str) -> bool:
        """Takes a user's file away; False if there is none. Raises AccountError."""
        self.check()
        if not check_username(username):
            return False
        try:
            (self._directory / f"{username}.json").unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._not_writable(error) from None
        return True

    def _hashed(self, password: str) -> str:
        """Hashed in the way of the panel, so that it can check what is written here."""
        return passwords.hashed_like(next(iter(self._some_hash()), ""), password)

    def _write(self, username: str, content: dict[str, Any], former: Path | None) -> bool:
        path, unfinished = self._directory / f"{username}.json", self._directory / f".{username}.{secrets.token_hex(8)}"
        try:
            directory = self._directory.stat()
            like = former.lstat() if former else None
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(content, file, ensure_ascii=False, indent=2)
                    file.write("\n")
                    # Who may read the directory's files by their group may read this one.
                    mode = stat.S_IMODE(like.st_mode) if like else 0o600 | (directory.st_mode & 0o040)
                    _take_after(descriptor, like or directory, owner=like is not None)
                    os.fchmod(descriptor, mode)
                    file.flush()
                    os.fsync(descriptor)
                _put(unfinished, path, replaces=former is not None)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    unfinished.unlink()
            _sync(self._directory)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._not_writable(error) from None
        return True

    def _not_writable(self, error: OSError) -> UserFilesNotWritable:
        return UserFilesNotWritable(f"user directory {self._directory} cannot be written to: {error.strerror}")


def _with_password(content: Any, password: str, hashed: str) -> dict[str, Any]:
    """A file's content with another password, in the fields that hold one; a verifier keeps its salt."""
    changed = dict(content)
    changed[next((name for name in PASSWORD_FIELDS if changed.get(name)), PASSWORD_FIELDS[0])] = hashed
    for name in SCRAM_FIELDS:
        if not changed.get(name):
            continue
        former = scram_verifier.parse(str(changed.pop(name)))
        if former is not None:
            changed[name] = scram_verifier.stored_form(scram_verifier.derive(password, former.parameters))
    for name in PASSWORD_FIELDS:  # those that are not read go too: they are the former password's
        if changed.get(name) not in (None, "", hashed):
            del changed[name]
    return changed


def _put(unfinished: Path, path: Path, *, replaces: bool) -> None:
    """Gives a whole file its name; raises FileExistsError for a new one whose name is taken."""
    step: Callable[[Path, Path], object] = os.replace if replaces else os.link
    step(unfinished, path)


def _take_after(descriptor: int, like: os.stat_result, *, owner: bool) -> None:
    """Gives a file the group of another one, and its owner; who may not give files away keeps them."""
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, -1, like.st_gid)
    if owner:
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, like.st_uid, -1)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
