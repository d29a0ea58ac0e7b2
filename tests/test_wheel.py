"""The wheel in a bare venv: each program starts with only its own extra."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from supervision.programs import answers, eventually, start, tree

from tools.embedded import PROGRAMS
from tools.environment import base_python
from tools.frontend import PACKAGES
from tools.wheel import build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def bare_venv(directory: Path, wheel: Path, extra: str) -> Path:
    """The directory of the commands of a venv that holds the wheel with one extra, and nothing else."""
    subprocess.run([base_python(), "-m", "venv", directory], check=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, f"{wheel}{extra}"], check=True, stdin=subprocess.DEVNULL)
    return directory / "bin"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_starts_with_only_its_own_extra(tmp_path: Path, wheel: Path, program: str) -> None:
    commands = bare_venv(tmp_path / "venv", wheel, f"[{program}]")
    version = subprocess.run([commands / f"onifast-{program}", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split()[-1] == wheel.name.split("-")[1]

    here = tree(tmp_path / "var")
    here = dataclasses.replace(here, environ={**here.environ, "ONIFAST_BIN": str(commands)})
    with start(here, program) as process:
        eventually(lambda: answers(here, program), f"{program} answers")
        process.terminate()
        assert process.wait(30) == 0


def test_the_administrators_command_needs_no_extra(tmp_path: Path, wheel: Path) -> None:
    commands = bare_venv(tmp_path / "venv", wheel, "")
    done = subprocess.run([commands / "onifast-mailctl", "--help"], capture_output=True, text=True, check=True)
    assert "sso" in done.stdout


def test_the_wheel_carries_what_is_not_python(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("onifast_shared/db/migrations/0001", "onifast_web/templates/", "onifast_web/static/", "/py.typed"):
        assert any(wanted in name for name in names), wanted


def test_the_wheel_carries_what_npm_brought_so_that_nobody_else_needs_node(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    scripts = {f"onifast_web/static/vendor/{name}" for name in ("squire.js", "dompurify.js", "htmx.js", "LICENCES.txt")}
    icons = {f"onifast_web/templates/icons/{name}.html" for name in json.loads((PACKAGES / "icons.json").read_text())}
    assert scripts | icons <= names


def test_the_wheel_carries_the_four_packages_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert top == {"onifast_shared", "onifast_smtpd", "onifast_web", "onifast_outbox"}
