"""docs/licences.md, which `make docs` writes: the licence of each library that the programs run with.

Run by .venv's Python, where the libraries are installed as requirements/run.txt pins them.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from tools import frontend
from tools.environment import LOCKS, PROJECT

TARGET = PROJECT / "docs" / "licences.md"
BUILDS_ONLY = {"editables", "hatchling", "pathspec", "pluggy", "trove-classifiers", "wheel", "packaging"}
VAGUE = {"OSI Approved", "DFSG approved"}  # classifiers that name no licence
HEAD = """\
# Licences

onifast-mail is under the [MIT licence](../LICENSE). These are the libraries that its programs run with, none of which
is part of its source: pip brings them at the versions that `requirements/run.txt` pins. Written by `make docs`; a test
holds it against what is installed.

| library | licence |
| --- | --- |
"""
FRONTEND_HEAD = """
What browsers get of the webmail holds copies of these, which npm brings at the versions that
`services/web/npm/package-lock.json` pins, as the project is installed or its wheel is built. Their notices lie beside
the copies, and in the wheel, in `onifast_web/static/vendor/LICENCES.txt`.

| package | licence |
| --- | --- |
"""
PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|zlib|Zope|MPL|any-OSI")
"""What may be used by a program under the MIT licence with no more than being named."""


def render() -> str:
    """The page."""
    return HEAD + _rows(licences()) + FRONTEND_HEAD + _rows(frontend.licences())


def _rows(found: dict[str, str]) -> str:
    return "".join(f"| {name} | {licence} |\n" for name, licence in found.items())


def licences() -> dict[str, str]:
    """The licence of each library that is installed for the programs, by its name."""
    found = {}
    for name in _names():
        try:
            found[name] = _licence(distribution(name))
        except PackageNotFoundError:  # for another platform
            continue
    return found


def _names() -> list[str]:
    names = re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==", LOCKS["all"].read_text(), re.MULTILINE)
    return sorted(set(names) - BUILDS_ONLY)


def _licence(library: Distribution) -> str:
    metadata = library.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [
        value.rpartition(" :: ")[2] for value in metadata.get_all("Classifier") or () if value.startswith("License ::")
    ]
    specific = [value for value in classifiers if value not in VAGUE]
    written = str(metadata.json.get("license", "")).strip().splitlines()
    return ", ".join(specific) or (written[0] if written else "not told")
