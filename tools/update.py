"""make update - renew requirements/: the versions, with hashes, that every installation of this checkout takes.

What the project needs, and from which version on, stands in pyproject.toml, and the wheel says the same. Which versions
were tried together stands in requirements/run.txt (all programs) and requirements/dev.txt (the tests and tools too).
They hold for every Python that the project supports, and name no place to download from: pip is told that elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.environment import LOCKS, PROJECT, CannotGoOn, base_python, complain

UV = "uv==0.13.9"
OLDEST_PYTHON = "3.11"


def main() -> None:
    try:
        with tempfile.TemporaryDirectory() as scratch:
            uv = _bring_uv(Path(scratch))
            for extras, lock in LOCKS.items():
                _compile(uv, extras, lock)
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))
    print("Renewed requirements/; run `make test` before they are committed")


def _bring_uv(scratch: Path) -> Path:
    _run([base_python(), "-m", "venv", str(scratch)])
    _run([str(scratch / "bin" / "pip"), "--disable-pip-version-check", "install", "-q", UV])
    return scratch / "bin" / "uv"


def _compile(uv: Path, extras: str, lock: Path) -> None:
    _run(
        [
            *(str(uv), "pip", "compile", "--quiet", "--upgrade", "--universal", "--generate-hashes"),
            *("--python-version", OLDEST_PYTHON, "--no-emit-index-url", "--no-annotate"),
            *("--custom-compile-command", "make update"),
            *(part for extra in (*extras.split(","), "build") for part in ("--extra", extra)),
            *("--output-file", str(lock.relative_to(PROJECT)), "pyproject.toml"),
        ]
    )


def _run(command: list[str]) -> None:
    if subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise CannotGoOn(f"this failed, and says above why: {' '.join(command)}")


if __name__ == "__main__":
    main()
