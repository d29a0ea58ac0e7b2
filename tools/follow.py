"""Follow log files that grow, and that may be rotated under our hands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class LogFollower:
    """Whole lines that were added to some files since it was made (or since a file appeared)."""

    def __init__(self, files: dict[str, Path]) -> None:
        """`files` by the name that each line is shown under."""
        self._logs = {name: _Log(path) for name, path in files.items()}

    def __enter__(self) -> LogFollower:
        return self

    def __exit__(self, *_: object) -> None:
        for log in self._logs.values():
            log.close()

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """(name, line) for each line that came since the last call."""
        for name, log in self._logs.items():
            for line in log.new_lines():
                yield name, line


class _Log:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO | None = None
        self._rest = b""
        self._open()
        if self._stream is not None:
            self._stream.seek(0, os.SEEK_END)

    def new_lines(self) -> list[str]:
        if self._stream is None:
            self._open()
        text = self._read()
        if self._was_replaced():
            self._open()
            text += self._read()
        *lines, self._rest = (self._rest + text).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _open(self) -> None:
        self.close()
        try:
            self._stream = self._path.open("rb")
        except FileNotFoundError:
            self._stream = None

    def _read(self) -> bytes:
        return b"" if self._stream is None else self._stream.read()

    def _was_replaced(self) -> bool:
        """Whether the path now names another file than the one that is open, or a shorter one."""
        if self._stream is None:
            return False
        ours = os.fstat(self._stream.fileno())
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        return (now.st_ino, now.st_dev) != (ours.st_ino, ours.st_dev) or now.st_size < self._stream.tell()
