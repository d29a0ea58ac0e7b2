"""The command of onifast-mailctl that looks for what does not agree in the database and beside it, and mends it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from onifast_shared.accounts import audit
from onifast_shared.ctl import audited
from onifast_shared.ctl.tools import DONE, NOTHING, UsageError, add, column, opened, write
from onifast_shared.db.database import Connection
from onifast_shared.fsck import examination
from onifast_shared.fsck.examination import KINDS, FsckFinding
from onifast_shared.machine.config import Settings


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(areas, "fsck", _fsck, "look for what does not agree in database and files, while programs run")
    names = ", ".join(kind.name for kind in KINDS)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only these: {names}")
    parser.add_argument("--fix", action="store_true", help="mend it; what is taken out is kept in config/lost+found")
    parser.add_argument("--quiet", action="store_true", help="print what is still wrong alone, and no progress")


def _fsck(arguments: argparse.Namespace, settings: Settings) -> int:
    known = {kind.name for kind in KINDS}
    if unknown := [name for name in arguments.kinds if name not in known]:
        raise UsageError(f"there is no kind {unknown[0]!r}; there are {', '.join(kind.name for kind in KINDS)}")
    if not settings.database.exists():
        raise UsageError(f"there is no database {settings.database}")
    shows_progress = sys.stderr.isatty() and not arguments.quiet

    def progress(name: str) -> None:
        if shows_progress:
            print(f"onifast-mailctl: {name} …", file=sys.stderr)

    found, left = 0, 0
    mended = Counter[str]()
    with opened(settings) as db:
        for finding in examination.examine(settings, db, arguments.kinds, fix=arguments.fix, progress=progress):
            found += 1
            left += not finding.mended
            mended[finding.problem.kind] += bool(finding.mended)
            if not (arguments.quiet and finding.mended):
                _print(arguments, finding)
    if +mended:
        write(settings, partial(_record, mended=+mended))
    if not found and not arguments.json and not arguments.quiet:
        print("nothing is wrong")
    return NOTHING if left else DONE


def _record(tx: Connection, mended: Mapping[str, int]) -> None:
    audit.record(tx, audited.actor(), "database.mend", owner=None, details=dict(mended), now=time.time())


def _print(arguments: argparse.Namespace, finding: FsckFinding) -> None:
    """A line each, in JSON too: there may be millions."""
    problem = finding.problem
    values = {
        "kind": problem.kind,
        "where": problem.where,
        "problem": problem.text,
        "mended": finding.mended or None,
        "failed": finding.failed or None,
        "remedy": None if finding.mended else problem.remedy or None,
    }
    if arguments.json:
        print(json.dumps(values, ensure_ascii=False))
        return
    print(problem.kind, column(problem.where), column(problem.text), column(finding.mended or finding.failed), sep="\t")
    if values["remedy"]:
        print("", "", column(problem.remedy), sep="\t")
