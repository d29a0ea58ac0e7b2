"""make lint - what can be said of the source without running it: ruff, mypy, codespell; Biome for what browsers get."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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


AT_ONCE = 2
"""Steps beside each other: mypy takes most of the time, and its two runs have a cache each."""


def failures() -> list[str]:
    """The steps that failed; what they found is printed step by step. Raises CannotGoOn."""
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        for step, done in zip(STEPS, at_once.map(_run, STEPS), strict=True):
            heading(" ".join(step))
            print(done.stdout, end="", flush=True)
            if done.returncode != 0:
                failed.append(" ".join(step))
    heading("biome ci")
    if not node.lint():
        failed.append("biome ci")
    return failed


def heading(text: str) -> None:
    """Prints what comes next."""
    print(f"\n== {text}", flush=True)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    program = [str(VENV / "bin" / command[0]), *command[1:]]
    return subprocess.run(
        program, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def main() -> None:
    try:
        sys.exit(1 if failures() else 0)
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))


if __name__ == "__main__":
    main()
