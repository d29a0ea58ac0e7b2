"""The pinned versions in requirements/: whole, within pyproject.toml's ranges, and from no place by name."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.environment import LOCKS, PROJECT
from tools.frontend import PACKAGES
from tools.node import HERE

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def pins(extras: str) -> dict[str, str]:
    return dict(PIN.findall(LOCKS[extras].read_text()))


def wanted(extras: set[str]) -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    texts = list(project["dependencies"])
    for extra in extras:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts if not text.startswith("onifast-mail[")]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("all", {"smtpd", "web", "outbox", "supervisor", "build"}),
        ("all,dev", {"smtpd", "web", "outbox", "supervisor", "build", "dev"}),
    ],
)
def test_each_library_is_pinned_within_the_range_that_the_project_asks_for(lock: str, extras: set[str]) -> None:
    pinned = pins(lock)
    outside = {
        str(requirement): pinned.get(canonicalize_name(requirement.name))
        for requirement in wanted(extras)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    }
    assert not outside


def test_the_tests_run_with_the_versions_that_the_programs_run_with() -> None:
    tested = pins("all,dev")
    assert {name: tested.get(name) for name in pins("all")} == pins("all")


@pytest.mark.parametrize("lock", LOCKS)
def test_each_pin_has_a_hash_and_none_names_a_place(lock: str) -> None:
    text = LOCKS[lock].read_text()
    entries = re.split(r"\n(?=[a-z])", text)
    assert not [entry.splitlines()[0] for entry in entries if PIN.match(entry) and "--hash=sha256:" not in entry]
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("directory", [PACKAGES, HERE])
def test_each_package_of_npm_is_pinned_by_its_hash_and_none_names_a_place(directory: Path) -> None:
    packages = json.loads((directory / "package-lock.json").read_text())["packages"]
    pinned = {name: each for name, each in packages.items() if name}
    assert pinned
    assert not [name for name, each in pinned.items() if not each["integrity"].startswith("sha512-")]
    assert not [name for name, each in pinned.items() if "resolved" in each]
    wanted = json.loads((directory / "package.json").read_text())
    for name, version in {**wanted.get("dependencies", {}), **wanted.get("devDependencies", {})}.items():
        assert pinned[f"node_modules/{name}"]["version"] == version
