"""Panel users: read from the panel's `<username>.json` anew each time, so that a changed file counts at once."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from onifast_shared.accounts import passwords, scram_verifier
from onifast_shared.accounts.scram_verifier import ScramVerifier
from onifast_shared.machine.log import Secret

_USERNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_MAX_FILE = 1 << 20
PASSWORD_FIELDS = ("password", "password_hash", "passwordHash", "hash")
"""Of these the first that is there holds the password's hash."""
SCRAM_FIELDS = ("scram", "scram_sha_256", "scramSha256", "scram_verifier", "scramVerifier")
"""Of these the first that is there holds a SCRAM verifier."""
_OFF_FIELDS = ("disabled", "suspended", "locked", "is_disabled", "isDisabled", "is_suspended", "isSuspended")
_ON_FIELDS = ("enabled", "active", "is_enabled", "isEnabled", "is_active", "isActive")
_OFF_STATUSES = {"suspended", "disabled", "inactive", "locked", "banned", "blocked"}
_ADMIN_FIELDS = ("is_admin", "isAdmin", "admin")
_ROLE_FIELDS = ("role", "type")
_ADMIN_ROLES = {"admin", "administrator", "root", "superuser"}
_SCRAM = "SCRAM-SHA-256$"
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


class AccountError(Exception):
    """Users cannot be looked up. The text is one line that names the file, never its content."""


class UserFileError(AccountError):
    """One user's file cannot be used."""


class UserDirectoryMissing(AccountError):
    """The directory of the users' files is not there or cannot be read."""


class AccountSettings(Protocol):
    """What is needed of Settings."""

    @property
    def users_dir(self) -> Path:
        """The directory of the users' files."""

    @property
    def administrators(self) -> tuple[str, ...]:
        """Users who are administrators whatever their files say."""

    @property
    def allow_plaintext_passwords(self) -> bool:
        """Whether a file may hold a password as it is."""


@dataclass(frozen=True)
class PanelUser:
    """A user as their file describes them. The file's name is their name, whatever the file says.

    A mailbox user is described alike: `username` is their account then, and `belongs_to` their panel user.
    """

    username: str
    is_admin: bool
    disabled: bool
    password_hash: Secret | None
    scram: Secret | None = None
    belongs_to: str | None = None

    def verifier(self) -> ScramVerifier | None:
        """The SCRAM verifier of their password, if the file holds one; raises UserFileError for one of no use."""
        if self.scram is None:
            return None
        found = scram_verifier.parse(self.scram.reveal())
        if found is None:
            raise UserFileError(f"user file {self.username}.json holds a SCRAM verifier that cannot be used")
        return found


def check_username(username: str) -> bool:
    """Whether it may be a user's name: only then is it safe as part of a path."""
    return bool(_USERNAME.fullmatch(username)) and ".." not in username


class UserDirectory:
    """The users of the panel. It blocks: call it off the event loop."""

    def __init__(self, settings: AccountSettings) -> None:
        self._directory = settings.users_dir
        self._administrators = settings.administrators
        self._allow_plaintext = settings.allow_plaintext_passwords
        self._kept_user: tuple[int, PanelUser | None] | None = None

    def get(self, username: str) -> PanelUser | None:
        """The user of that name, disabled or not; raises UserFileError or UserDirectoryMissing."""
        if not check_username(username):
            return None
        path = self._directory / f"{username}.json"
        content = self._read(path)
        return None if content is None else self._user(username, path, content)

    def authenticate(self, username: str, password: str) -> PanelUser | None:
        """The user, if that is their password and they are not disabled; raises UserFileError or UserDirectoryMissing.

        It takes as long for a user that does not exist as for one that does.
        """
        user = self.get(username)
        if user is None:
            self.waste(password)
            return None
        stored = user.password_hash
        if stored is None:
            raise UserFileError(f"user file {self._directory / username}.json holds no password hash")
        if not passwords.is_supported(stored.reveal(), allow_plaintext=self._allow_plaintext):
            raise UserFileError(f"user file {self._directory / username}.json holds a password hash of no known kind")
        matches = self._matches(password, stored.reveal())
        return user if matches and not user.disabled else None

    def waste(self, password: str) -> None:
        """Takes as long as a check of a panel user's password."""
        hashed = self._some_hash()
        for spelling in _spellings(password):
            passwords.waste(spelling, *hashed)

    def _matches(self, password: str, stored: str) -> bool:
        fitting = [
            passwords.verify(spelling, stored, allow_plaintext=self._allow_plaintext)
            for spelling in _spellings(password)
        ]
        return any(fitting)

    def usernames(self) -> list[str]:
        """The names of all users, sorted; raises UserDirectoryMissing."""
        try:
            names = [path.stem for path in self._directory.iterdir() if path.suffix == ".json"]
        except OSError as error:
            raise self._missing(error) from None
        return sorted(filter(check_username, names))

    def is_gone(self, username: str) -> bool:
        """Whether a user has no file, for certain: a disk that does not answer, or a directory that is not there, is
        no proof of it.
        """
        try:
            (self._directory / f"{username}.json").lstat()
        except FileNotFoundError:
            return check_username(username) and self._directory.is_dir()
        except OSError:
            return False
        return False

    def keep_verifiers(self) -> bool:
        """Whether this panel stores SCRAM verifiers, as its first user shows; raises UserDirectoryMissing."""
        user = self._some_user()
        return user is not None and user.scram is not None

    def _some_hash(self) -> Iterable[str]:
        """A hash as this panel stores them, since its kind and cost are what takes the time."""
        user = self._some_user()
        return (user.password_hash.reveal(),) if user and user.password_hash else ()

    def _some_user(self) -> PanelUser | None:
        """A user as this panel describes them.

        Kept until a file comes, goes or is replaced: to list ten thousand users would show in the time too.
        """
        try:
            mark = self._directory.stat().st_mtime_ns
        except OSError as error:
            raise self._missing(error) from None
        kept = self._kept_user
        if kept is None or kept[0] != mark:
            kept = self._kept_user = (mark, self._first_user())
        return kept[1]

    def _first_user(self) -> PanelUser | None:
        for username in self.usernames():
            try:
                user = self.get(username)
            except UserFileError:
                continue
            if user and user.password_hash:
                return user
        return None

    def _user(self, username: str, path: Path, content: Mapping[str, Any]) -> PanelUser:
        stored = next((content[name] for name in PASSWORD_FIELDS if content.get(name)), None)
        scram = next((content[name] for name in SCRAM_FIELDS if content.get(name)), None)
        if not isinstance(stored, str | None) or not isinstance(scram, str | None):
            raise UserFileError(f"user file {path} holds a password hash that is no text")
        if scram is None and (stored or "").startswith(_SCRAM):
            scram = stored
        return PanelUser(
            username=username,
            is_admin=username in self._administrators or _is_admin(content),
            disabled=_is_disabled(content),
            password_hash=Secret(stored or scram) if stored or scram else None,
            scram=Secret(scram) if scram else None,
        )

    def _read(self, path: Path) -> Mapping[str, Any] | None:
        try:
            raw = _read_regular(path)
        except FileNotFoundError as error:
            if not self._directory.is_dir():
                raise self._missing(error) from None
            return None
        except OSError as error:
            reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise UserFileError(f"user file {path} cannot be read: {reason}") from None
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError):
            raise UserFileError(f"user file {path} is not valid JSON") from None
        if not isinstance(content, dict):
            raise UserFileError(f"user file {path} is not a JSON object")
        return content

    def _missing(self, error: OSError) -> UserDirectoryMissing:
        return UserDirectoryMissing(f"user directory {self._directory} cannot be read: {error.strerror}")


def _spellings(password: str) -> tuple[str, ...]:
    """A password as it was typed, and as RFC 4616 section 2 wants it compared, where these differ.

    The panel may have hashed either: systems compose letters in their own ways.
    """
    return tuple(dict.fromkeys((password, scram_verifier.prepared(password))))


def _read_regular(path: Path) -> bytes:
    """A file's bytes. A link would let a name stand for any file, and a FIFO would hang us (hence O_NONBLOCK)."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise UserFileError(f"user file {path} is not a regular file")
        raw = stream.read(_MAX_FILE + 1)
    if len(raw) > _MAX_FILE:
        raise UserFileError(f"user file {path} is larger than 1 MiB")
    return raw


def _is_disabled(content: Mapping[str, Any]) -> bool:
    if any(_says(content.get(name), _TRUE) for name in _OFF_FIELDS):
        return True
    if any(_says(content.get(name), _FALSE) for name in _ON_FIELDS):
        return True
    return str(content.get("status", "")).strip().lower() in _OFF_STATUSES


def _is_admin(content: Mapping[str, Any]) -> bool:
    if any(_says(content.get(name), _TRUE) for name in _ADMIN_FIELDS):
        return True
    return any(str(content.get(name, "")).strip().lower() in _ADMIN_ROLES for name in _ROLE_FIELDS)


def _says(value: object, words: set[str]) -> bool:
    """Whether a JSON value means yes (or no), in any of the ways that panels write it: true, 1, "true"."""
    return isinstance(value, (bool, int, str)) and str(value).strip().lower() in words
