"""lost+found: what mending takes out of the database is kept there, in files that root and our group alone can read."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

from onifast_shared.db import identity
from onifast_shared.db.database import SqlValue

_NEW = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE = 0o640


class LostAndFound:
    """A folder of this run's own beside the database; made when there is something to keep."""

    def __init__(self, beside: Path, now: float) -> None:
        self._folder = beside / "lost+found" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))

    def keep_bytes(self, name: str, pieces: Iterable[bytes]) -> Path:
        """Writes a file of its own, and has it on disk. Raises OSError, FileExistsError where there is one already."""
        return self._write(name, pieces, os.O_EXCL)

    def keep_row(self, table: str, row: Mapping[str, SqlValue]) -> Path:
        """Adds a row to its table's file, one JSON object a line; bytes in base64. Raises OSError."""
        line = json.dumps({name: _as_json(value) for name, value in row.items()}, ensure_ascii=False)
        return self._write(f"{table}.jsonl", [f"{line}\n".encode()], os.O_APPEND)

    def keep_file(self, path: Path) -> Path:
        """Moves a file there. Raises OSError, FileExistsError where there is one of that name."""
        target = self._made() / path.name
        if target.exists():
            raise FileExistsError(target)
        path.rename(target)
        identity.sync_directory(self._folder)
        return target

    def _write(self, name: str, pieces: Iterable[bytes], flag: int) -> Path:
        path = self._made() / name
        with os.fdopen(os.open(path, _NEW | flag, _MODE), "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        identity.sync_directory(self._folder)
        return path

    def _made(self) -> Path:
        for each in (self._folder.parent, self._folder):
            each.mkdir(mode=0o750, exist_ok=True)
        return self._folder


def _as_json(value: SqlValue) -> str | int | float | dict[str, str] | None:
    return {"base64": b64encode(value).decode("ascii")} if isinstance(value, bytes) else value
