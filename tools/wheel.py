"""Build the wheel: `python -m tools.wheel DIRECTORY` prints the path of the file that it made there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools import environment
from tools.environment import PROJECT, VENV, CannotGoOn, complain


def build(directory: Path) -> Path:
    """The wheel of this checkout, in `directory`. Raises CannotGoOn."""
    environment.ensure("all")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "wheel", "-q"]
        pip += ["--no-deps", "--no-build-isolation"]  # what builds it is in .venv already, and pinned
        done = subprocess.run([*pip, "-w", scratch, str(PROJECT)], stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise CannotGoOn("the wheel could not be built: pip says above why")
        (built,) = Path(scratch).glob("*.whl")
        wheel = directory / built.name
        wheel.write_bytes(built.read_bytes())
    return wheel


def main() -> None:
    try:
        print(build(Path(sys.argv[1])))
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))


if __name__ == "__main__":
    main()
