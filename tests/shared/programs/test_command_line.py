"""What programs answer when they are asked instead of run."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from onifast_shared.programs import command_line


def test_without_arguments_the_program_runs() -> None:
    assert command_line.answer("onifast-web", "manual", []) is None


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.answer("onifast-web", "manual", ["--version"]) == 0
    assert capsys.readouterr().out == f"onifast-web {version('onifast-mail')}\n"


def test_it_shows_its_manual_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.answer("onifast-web", "\nonifast-web(8): webmail\n", ["--help"]) == 0
    assert capsys.readouterr().out == "onifast-web(8): webmail\n"


def test_anything_else_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.answer("onifast-web", None, ["--port", "80"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
