"""The three files that SQLite works on, told apart by their inodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Files(NamedTuple):
    """The inodes of the three files that SQLite works on; None for one that is not there."""

    database: int | None
    wal: int | None
    shm: int | None

    @classmethod
    def at(cls, path: Path) -> Files:
        """Those that lie at `path` now. Raises OSError where that cannot be told."""
        return cls(*(_inode(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")))


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino  # noqa: PTH116 -- three a second, in each process
    except (FileNotFoundError, NotADirectoryError):
        return None


def file_size(path: Path) -> int:
    """Bytes of a file; 0 for one that is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
