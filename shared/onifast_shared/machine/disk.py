"""How full a disk is, and when that is too full for new mail."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

_LOOK_SECONDS = 1.0


class DiskLevel(IntEnum):
    """How much room is left."""

    ROOMY = 0
    SHORT = 1
    FULL = 2


class DiskUse(NamedTuple):
    """A file system's use: `used` as df(1) shows it, from 0 to 1, without what is kept for root; `free` in octets."""

    used: float
    free: int


def use_of(folder: Path) -> DiskUse:
    """The use of the file system that a folder lies in. Raises OSError."""
    found = os.statvfs(folder)
    used = found.f_blocks - found.f_bfree
    return DiskUse(used / max(1, used + found.f_bavail), found.f_bavail * found.f_frsize)


def level_of(use: DiskUse, warn_at: int, refuse_at: int) -> DiskLevel:
    """What a use means, by two shares in per cent; 100 is never reached."""
    share = use.used * 100
    if share >= refuse_at < 100:
        return DiskLevel.FULL
    return DiskLevel.SHORT if share >= warn_at < 100 else DiskLevel.ROOMY


class DiskWatch:
    """Looks at the disk at most once a second, however often it is asked. Safe to use from any thread."""

    def __init__(
        self, folder: Path, warn_at: int, refuse_at: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._shares = (warn_at, refuse_at)
        self._clock = clock
        self._looked = float("-inf")
        self._level = DiskLevel.ROOMY

    @property
    def level(self) -> DiskLevel:
        """The level now; a disk that cannot be asked keeps the one that it had."""
        if self._clock() - self._looked >= _LOOK_SECONDS:
            self._looked = self._clock()
            try:
                self._level = level_of(use_of(self._folder), *self._shares)
            except OSError:
                return self._level
        return self._level
