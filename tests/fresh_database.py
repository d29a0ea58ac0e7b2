"""A database of today's schema for each test: a copy of one that was made once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from onifast_shared.db import identity


def lay_down(empty: Path, database: Path) -> None:
    """Puts a copy of the empty database at a place, known there: to open it migrates nothing and waits for no disk."""
    shutil.copy(empty, database)
    remembered = json.loads(identity.mark_path(empty).read_text())
    here = {"inode": database.stat().st_ino, "of": database.name}
    identity.mark_path(database).write_text(json.dumps(remembered | here))
