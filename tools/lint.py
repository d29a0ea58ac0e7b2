"""make lint - what can be said of the source without running it: ruff, mypy, codespell; Biome for what browsers get."""

from __future__ import annotations

import subprocess
import sys

from tools import node
from tools.environment import PROJECT, VENV, CannotGoOn, complain
from tools.pythons import VERSIONS

MYPY_PATHS = [name for name in ("shared", "services", "tests", "tools", "bench") if (PROJECT / name).is_dir()]
STEPS = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["codespell"],
    # The libraries' types differ between versions: the oldest and the newest Python find what the others would.
    *(["mypy", "--python-version", version, *MYPY_PATHS] for version in (VERSIONS[0], VERSIONS[-1])),
)


def failures() -> list[str]:
    """The steps that failed; what they found is printed as it comes. Raises CannotGoOn."""
    failed = [" ".join(step) for step in STEPS if not _passes(step)]
    heading("biome ci")
    if not node.lint():
        failed.append("biome ci")
    return failed


def heading(text: str) -> None:
    """Prints what comes next."""
    print(f"\n== {text}", flush=True)


def _passes(command: list[str]) -> bool:
    heading(" ".join(command))
    done = subprocess.run([str(VENV / "bin" / command[0]), *command[1:]], cwd=PROJECT, check=False)
    return done.returncode == 0


def main() -> None:
    try:
        sys.exit(1 if failures() else 0)
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))


if __name__ == "__main__":
    main()
