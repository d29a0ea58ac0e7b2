"""Single sign-on by file: a panel that runs as root puts a token's file into `<root>/sso/`, and the login consumes it.

The file is named by the token's hash, and holds whom it signs in:

    {"username": "demo", "token_sha256": "<the file's name>", "expires_at": 1764500000}

Whoever can write into the directory but is not its owner gets nobody signed in: not by a file of their own, nor by a
link, nor by giving the owner's file another name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onifast_shared.machine import log

LARGEST = 4096
"""Octets of a file."""
SHORTEST_TOKEN = 40
LONGEST_TOKEN = 512
_SLACK = 5.0  # seconds that a file may seem to be of the future
_KEPT = 3600.0  # seconds after which a file that nobody came for is taken away
_MOST_SWEPT = 1000
_NAME = re.compile(r"[0-9a-f]{64}")

_logger = log.get("web")


class _Refused(Exception):
    """A directory or file that cannot be trusted; the text says why, for the log."""


@dataclass(frozen=True)
class _SsoFile:
    """What a file says, and who wrote it when."""

    status: os.stat_result
    content: bytes


def redeem(directory: Path, token: str, now: float, lifetime: float) -> str | None:
    """The user whom a token's file signs in, and the file is gone; None where there is none, or it is of no use.

    Of two who bring one token at once, the one who unlinks its file is signed in.
    """
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        return None
    name = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
    try:
        with _opened(directory) as folder:
            found = _read(folder, name)
            if found is None:
                return None
            _unlink(folder, name)  # whatever it says: a token is tried once
            _sweep(folder, now)
            return _username(found, name, now, lifetime)
    except FileNotFoundError:
        return None  # a panel that makes no files
    except _Refused as refused:
        log.event(_logger, "sso-file-refused", file=f"{directory}/{name[:8]}…", reason=refused)
        return None


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """The directory, if it is one that only its owner and a group of ours write into."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _Refused(f"the directory cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(folder)
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
            raise _Refused("the directory is not root's, or everybody may write into it")
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> _SsoFile | None:
    """A file's content. No link is followed, and a FIFO does not hang us (hence O_NONBLOCK)."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _Refused(f"it cannot be opened: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        _check_status(status, os.fstat(folder).st_uid)
        return _SsoFile(status, os.read(descriptor, LARGEST + 1))
    finally:
        os.close(descriptor)


def _check_status(status: os.stat_result, owner: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _Refused("it is no regular file")
    if status.st_uid != owner:
        raise _Refused("it is not the directory owner's")
    if status.st_nlink != 1:
        raise _Refused("it has another name too")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _Refused("others than its owner may write into it")
    if status.st_size > LARGEST:
        raise _Refused("it is too large")


def _username(found: _SsoFile, name: str, now: float, lifetime: float) -> str:
    values = _values(found.content)
    if values.get("token_sha256") != name:
        raise _Refused("it holds another token's hash")
    written, ends = found.status.st_mtime, values.get("expires_at")
    if ends is not None and (isinstance(ends, bool) or not isinstance(ends, int | float)):
        raise _Refused("expires_at is no number of seconds")
    if not written - _SLACK <= now < written + lifetime or (ends is not None and ends <= now):
        raise _Refused("it is too old, or of the future")
    username = values.get("username")
    if not isinstance(username, str) or not username:
        raise _Refused("it names no user")
    return username


def _values(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST:
        raise _Refused("it is too large")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise _Refused("it is not valid JSON") from None
    if not isinstance(values, dict):
        raise _Refused("it is not a JSON object")
    return values


def _unlink(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        raise _Refused("it was used already") from None
    except OSError as error:
        raise _Refused(f"it cannot be removed: {error.strerror}") from None


def _sweep(folder: int, now: float) -> None:
    """Takes away some of the files that nobody came for."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry, _ in zip(entries, range(_MOST_SWEPT), strict=False)]
    for name in names:
        if not _NAME.fullmatch(name.removeprefix(".")):
            continue
        try:
            if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < now - _KEPT:
                os.unlink(name, dir_fd=folder)
        except OSError:
            continue
