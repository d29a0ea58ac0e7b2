"""The command of onifast-mailctl that says whether mail works at this moment."""

from __future__ import annotations

import argparse
import json
from typing import Any

from onifast_shared.ctl.tools import DONE, NOTHING, UsageError, add, column
from onifast_shared.health import checks
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine.config import Settings


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(areas, "health", _health, "say whether programs, database, queue, disk and certificates are well")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"only these: {', '.join(checks.CHECKS)}")
    declare_report(parser)


def declare_report(parser: argparse.ArgumentParser) -> None:
    """Adds what findings are shown by."""
    parser.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    parser.add_argument("--quiet", action="store_true", help="print what is not well alone")


def _health(arguments: argparse.Namespace, settings: Settings) -> int:
    if unknown := [name for name in arguments.checks if name not in checks.CHECKS]:
        raise UsageError(f"there is no check {unknown[0]!r}; there are {', '.join(checks.CHECKS)}")
    return report(arguments, checks.look(settings, tuple(arguments.checks)))


def report(arguments: argparse.Namespace, found: list[HealthFinding]) -> int:
    """Prints what was found, each with what puts it right; the status says how bad the worst is."""
    worst = checks.worst(found)
    shown = [each for each in found if not arguments.quiet or each.state is not State.OK]
    if arguments.json:
        print(json.dumps({"state": worst, "findings": [each._asdict() for each in shown]}, ensure_ascii=False))
    else:
        for each in shown:
            print(each.check, each.state, column(each.text), sep="\t")
            if each.remedy:
                print("", "", column(each.remedy), sep="\t")
    return NOTHING if worst is State.FAILED or (arguments.strict and worst is State.WARNING) else DONE
