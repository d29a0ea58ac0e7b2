"""What a program says when it is asked instead of run (`--version`, `--help`), and the status that it ends with."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from onifast_shared.machine.version import installed_version

MAY_PASS = 1
MEND_FIRST = 2  # the units' RestartPreventExitStatus, supervisord.conf's exitcodes


def answer(program: str, manual: str | None, arguments: Sequence[str] | None = None) -> int | None:
    """The exit status if the arguments (the process's own by default) asked something; None if it is to run."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        return None
    if list(given) == ["--version"]:
        print(program, installed_version())
        return 0
    if list(given) in (["--help"], ["-h"]):
        print((manual or program).strip())
        return 0
    print(
        f"{program}: {given[0]!r} is not known; there are --help and --version, and all else is settings",
        file=sys.stderr,
    )
    return 2


def complain(program: str, error: Exception) -> int:
    """Says in one line why a program cannot start; returns the exit status."""
    print(f"{program}: {error}", file=sys.stderr)
    return status_of(error)


def status_of(error: Exception) -> int:
    """The exit status of a program that cannot start: whether starting it again could help."""
    # Only now: the filer, which is forked first of all, would hold SQLite.
    from onifast_shared.db.errors import DatabaseError, SchemaDiffers, SchemaTooNew  # noqa: PLC0415

    if isinstance(error, SchemaTooNew | SchemaDiffers):
        return MEND_FIRST
    return MAY_PASS if isinstance(error, DatabaseError) else MEND_FIRST
