"""Debian's sqlite3 command, as panels and scripts use it.

Python's sqlite3 module never opens a file that APSW has open in the same process: closing one library's handle drops
the other's locks.
"""

from __future__ import annotations

import subprocess
from pathlib import Path


def run(database: Path, sql: str, *, timeout_ms: int = 10_000) -> list[str]:
    """Runs SQL on the file; returns the rows, columns with `|` between them."""
    done = subprocess.run(
        ["/usr/bin/sqlite3", "-cmd", f".timeout {timeout_ms}", str(database)],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.splitlines()
