"""The version of the installed distribution."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

DISTRIBUTION = "onifast-mail"


@cache
def installed_version() -> str:
    """As pyproject.toml has it. Asked for once: a program goes on as what it was started as, whatever is installed.

    It is the name of the distribution's directory (`onifast_mail-0.2.0.dist-info`, PyPA's "Recording installed
    projects"). `importlib.metadata` says the same and holds 2 MiB for it, in every process; it is asked where there is
    no such directory.
    """
    prefix = DISTRIBUTION.replace("-", "_") + "-"
    for folder in map(Path, sys.path):
        for found in folder.glob(f"{prefix}*.dist-info"):
            return found.name.removeprefix(prefix).removesuffix(".dist-info")
    from importlib.metadata import version  # noqa: PLC0415

    return version(DISTRIBUTION)
