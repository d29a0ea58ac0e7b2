"""What the project stands under, and what it runs with."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tools import frontend
from tools.licences import PERMISSIVE, TARGET, licences, render

PROJECT = Path(__file__).resolve().parent.parent


def test_the_page_on_licences_is_what_is_installed() -> None:
    assert TARGET.read_text() == render(), "run `make docs`"


def test_every_library_may_be_used_by_a_program_under_the_mit_licence() -> None:
    found = licences() | frontend.licences()
    assert not {name: licence for name, licence in found.items() if not PERMISSIVE.search(licence)}


def test_the_distribution_names_its_licence_and_carries_its_text() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "MIT"
    assert [(PROJECT / name).read_text().startswith("MIT License") for name in project["license-files"]] == [True]
