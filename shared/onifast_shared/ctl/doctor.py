"""The command of onifast-mailctl that says what stands between this host and good delivery."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from onifast_shared.ctl import access, health
from onifast_shared.ctl.tools import UsageError, add
from onifast_shared.doctor import examination
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine.config import Settings

_CHECKS = ("rights", *examination.CHECKS)


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(areas, "doctor", _doctor, "say what stands between this host and good delivery, and how to mend it")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"only these: {', '.join(_CHECKS)}")
    health.declare_report(parser)


def _doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    if unknown := [name for name in arguments.checks if name not in _CHECKS]:
        raise UsageError(f"there is no check {unknown[0]!r}; there are {', '.join(_CHECKS)}")
    found: list[HealthFinding] = []
    # First of all: a child is forked for this, and none may come from a process that has a database open.
    if not arguments.checks or "rights" in arguments.checks:
        found += _rights(settings)
    if others := [name for name in _CHECKS if name != "rights" and (not arguments.checks or name in arguments.checks)]:
        found += examination.examine(settings, others)
    return health.report(arguments, found)


def _rights(settings: Settings) -> Iterator[HealthFinding]:
    accounts = access.accounts(settings)
    problems = [problem for account in accounts for problem in access.problems(settings, account)]
    for problem in problems:
        yield HealthFinding("rights", State.FAILED, problem, "docs/operations.md, Install, has whose each directory is")
    if not problems:
        names = ", ".join(each.name for each in accounts)
        yield HealthFinding("rights", State.OK, f"{names} may read and write what the programs need")
