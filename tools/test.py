"""make test - bring in what the tests need, then run all of them.

Installs .venv with the development extras and, meanwhile, Debian packages by apt (tests/peers/install). Then the
linters and every test, one more at a time than there are processors: fast ones, slow ones, and those against real
peers. What cannot run here (a real Postfix needs root) is listed with its reason after what can, and makes the exit
status 1, as any failure does. A few tests that fail beside others run once more with nothing beside them; those that
pass then are listed as unsteady, each of them a defect of the test or a race in a program, and do not fail the whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools import environment, lint
from tools.environment import PROJECT, VENV, CannotGoOn, complain

PACKAGES = ("shared/onifast_shared", *(f"services/{name}/onifast_{name}" for name in ("smtpd", "web", "outbox")))
COVERAGE = {"SLIPCOVER_ENABLED": "1", "SLIPCOVER_SOURCE": ",".join(PACKAGES)}
"""Has slipcover count in each worker, at a tenth of what tracing costs; tests/conftest.py tells the figure."""

SOME_FAILED = 1
"""pytest's exit status where all ran to the end, and not all passed."""

MOST_UNSTEADY = 3
"""Failed tests that are looked at again: more of them are no accident."""

WORKERS = (os.cpu_count() or 1) + 1
"""One more than there are processors, for tests often wait for programs that they started."""


def main() -> None:
    try:
        environment.make()
        with _installed_meanwhile() as install:
            environment.ensure("all,dev")
            failed = lint.failures()
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))
    missing = _what_is_missing(install)
    possible = [f"not {marker}" for marker in missing]
    unsteady = list[str]()
    for clock, options, more in (("not clock", ["-n", str(WORKERS)], COVERAGE), ("clock", [], {})):
        status = _step(["pytest", *options, "-m", " and ".join([clock, *possible])], more)
        if status != 0 and not (status == SOME_FAILED and _pass_alone(unsteady)):
            failed.append(f"pytest, {clock}")
    if missing:
        _list_what_did_not_run(missing)
    if unsteady:
        print("\nUnsteady (failed beside others, passed alone), to be mended:", *unsteady, sep="\n  ")
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    sys.exit(1 if failed or missing else 0)


@contextmanager
def _installed_meanwhile() -> Iterator[subprocess.Popen[bytes]]:
    """tests/peers/install, which mostly waits for the network, and has ended after the `with`."""
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            [str(PROJECT / "tests" / "peers" / "install")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as install,
    ):
        yield install
        install.wait()
        output.seek(0)
        lint.heading("tests/peers/install")
        print(output.read().decode(errors="replace"), end="", flush=True)


def _what_is_missing(install: subprocess.Popen[bytes]) -> dict[str, str]:
    """The markers of tests that cannot run here, each with the reason."""
    missing = {}
    if install.returncode != 0:
        missing["peers"] = "Debian packages are missing (tests/peers/install says above which, and why)"
    if os.geteuid() != 0:
        missing["root"] = "it needs root: real Postfix and changes of account do"
    return missing


def _step(command: list[str], more: Mapping[str, str]) -> int:
    """Runs a tool of .venv, its output as it comes; its exit status."""
    lint.heading(" ".join(command))
    began = time.monotonic()
    # The tests start hundreds of programs: where no bytecode is kept, each of them compiles all that it imports.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(VENV / "bin" / command[0]), *command[1:]]
    done = subprocess.run(command, cwd=PROJECT, env={**environ, **more}, check=False)
    if done.returncode != 0:
        print(f"{Path(command[0]).name} failed after {time.monotonic() - began:.0f} s", flush=True)
    return done.returncode


def _pass_alone(unsteady: list[str]) -> bool:
    """Whether the tests that failed pass when they run alone, if they are few; these are added to the unsteady ones."""
    try:
        names = list(json.loads((PROJECT / ".pytest_cache/v/cache/lastfailed").read_text()))
    except (OSError, ValueError):
        return False
    if not 0 < len(names) <= MOST_UNSTEADY or _step(["pytest", "-n", "0", *names], {}) != 0:
        return False
    unsteady += names
    return True


def _list_what_did_not_run(missing: dict[str, str]) -> None:
    print("\nNot everything could run here:")
    for marker, reason in missing.items():
        print(f"\n  {reason}")
        for file, count in sorted(_tests_of(marker).items()):
            print(f"    {file}: {count} test{'' if count == 1 else 's'}")
    print("\nRun `make test` as root for these; `make check` is the part that needs no root.", flush=True)


def _tests_of(marker: str) -> Counter[str]:
    """How many tests of each file carry a marker."""
    command = [str(VENV / "bin" / "pytest"), "--collect-only", "-q", "-m", marker]
    collected = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return Counter(line.partition("::")[0] for line in collected.stdout.splitlines() if "::" in line)


if __name__ == "__main__":
    main()
