"""make audit - hold the pinned libraries against what is known of their weaknesses.

Python's by pip-audit (in an environment of its own, for it is no part of the project), npm's by npm. Exit 0 when
nothing is known, 1 when something is, 2 when the advisories could not be had: then nothing was audited, and it says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools import node
from tools.environment import LOCKS, PROJECT, CannotGoOn, base_python, complain

PIP_AUDIT = "pip-audit==2.10.1"
NPM_FOLDERS = (PROJECT / "services" / "web" / "npm", PROJECT / "tools" / "npm", PROJECT / "tests" / "peers" / "npm")


def main() -> None:
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = [_audit_python(Path(scratch))]
        found += [_audit_npm(folder) for folder in NPM_FOLDERS]
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))
    if None in found:
        sys.exit(2)
    sys.exit(1 if any(found) else 0)


def _audit_python(scratch: Path) -> bool | None:
    """Whether weaknesses are known; None when that could not be found out."""
    _quietly([base_python(), "-m", "venv", str(scratch)])
    _quietly([str(scratch / "bin" / "pip"), "--disable-pip-version-check", "install", "-q", PIP_AUDIT])
    command = [str(scratch / "bin" / "pip-audit"), "--require-hashes", "--disable-pip", "--format", "json"]
    done = _ask([*command, "-r", str(LOCKS["all,dev"])], PROJECT)
    libraries = _answer(done).get("dependencies", [])
    unknown = [library["name"] for library in libraries if "skip_reason" in library]
    if not libraries or unknown:
        print(f"Python: no advisories for {len(unknown) or 'any'} of the libraries: nothing was audited")
        return None
    weak = {library["name"]: [entry["id"] for entry in library["vulns"]] for library in libraries if library["vulns"]}
    return _tell("Python", weak)


def _audit_npm(folder: Path) -> bool | None:
    done = _ask([str(node.bring(node.HERE)), "audit", "--json", "--package-lock-only"], folder)
    answer = _answer(done)
    if "vulnerabilities" not in answer:
        print(f"npm, {folder.relative_to(PROJECT)}: the advisories cannot be had from here: nothing was audited")
        return None
    weak = {name: [entry["severity"]] for name, entry in answer["vulnerabilities"].items()}
    return _tell(f"npm, {folder.relative_to(PROJECT)}", weak)


def _tell(kind: str, weak: dict[str, list[str]]) -> bool:
    for name, advisories in sorted(weak.items()):
        print(f"{kind}: {name}: {', '.join(advisories)}")
    if not weak:
        print(f"{kind}: nothing is known against the pinned versions")
    return bool(weak)


def _answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _ask(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def _quietly(command: list[str]) -> None:
    done = _ask(command, PROJECT)
    if done.returncode != 0:
        raise CannotGoOn(f"this failed (is there a network?): {' '.join(command)}")


if __name__ == "__main__":
    main()
