"""Where ``tests/peers/install`` unpacked the programs that are not installed."""

import os
from pathlib import Path


def unpacked(package: str) -> Path:
    """Returns the root of the files of *package*; raises FileNotFoundError that says what to run."""
    default = Path.home() / ".cache/onifast-mail-tests"
    root = Path(os.environ.get("ONIFAST_TEST_CACHE") or default) / package
    if not (root / ".complete").exists():
        raise FileNotFoundError(f"{package} is not in {root}: run tests/peers/install")
    return root
