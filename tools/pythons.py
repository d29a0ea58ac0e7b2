"""make check-pythons - `make check` under each Python from 3.11 to 3.13 that is here, in copies of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.environment import PROJECT

VERSIONS = ("3.11", "3.12", "3.13")


def main() -> None:
    failed = []
    for version in VERSIONS:
        python = _find(version)
        if python is None:
            print(f"== Python {version}: not here, not checked", flush=True)
            continue
        print(f"== Python {version}: {python}", flush=True)
        if not _check(python):
            failed.append(version)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    sys.exit(1 if failed else 0)


def _find(version: str) -> str | None:
    """A command that runs: a shim may be there with no Python behind it."""
    name = f"python{version}"
    found = shutil.which(name)
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    return None


def _check(python: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "onifast-mail"
        files = subprocess.run(
            ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout
        for name in filter(None, files.split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name, follow_symlinks=False)
        return subprocess.run(["make", "check", f"PYTHON={python}"], cwd=copy, check=False).returncode == 0


if __name__ == "__main__":
    main()
