"""Small files beside the database, that all programs keep together: what has to be known when it cannot be asked.

A file holds a list, in JSON. Who changes it holds its lock meanwhile; who reads it needs none, and takes what is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODE = 0o660

Entries = list[dict[str, Any]]


def read(path: Path) -> Entries:
    """What the file holds; nothing where there is none, or none that can be read."""
    with contextlib.suppress(OSError):
        return _parsed(path.read_bytes())
    return []


def change(path: Path, changed: Callable[[Entries], Entries]) -> None:
    """Has the file hold what `changed` makes of what it held; makes it where it is missing. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        if size == 0:
            _share(fd, path.parent)
        octets = json.dumps(changed(_parsed(os.pread(fd, size, 0)))).encode() + b"\n"
        os.ftruncate(fd, 0)
        os.pwrite(fd, octets, 0)
    finally:
        os.close(fd)


def _share(fd: int, directory: Path) -> None:
    """Makes the file everybody's who may write to the directory."""
    os.fchmod(fd, MODE)
    if os.geteuid() == 0:
        os.fchown(fd, -1, directory.stat().st_gid)


def _parsed(octets: bytes) -> Entries:
    """The entries; none where a writer was killed half way, or somebody else wrote."""
    with contextlib.suppress(ValueError):
        found = json.loads(octets)
        if isinstance(found, list):
            return [each for each in found if isinstance(each, dict)]
    return []
