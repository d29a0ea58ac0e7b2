"""Temporary folders outside of pytest's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every Unix user reaches; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="onifast-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
