"""Every command that docs/ and README.md print to be typed: each is run by a test that is named here, or stands here
with the reason why none can run it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

PROJECT = Path(__file__).resolve().parent.parent
MANUAL = PROJECT / "docs/operations.md"
PAGES = (*sorted((PROJECT / "docs").glob("*.md")), PROJECT / "README.md", PROJECT / "CONTRIBUTING.md")
SETTING = re.compile(r"\w+ = ")
"""A line of a settings file, which stands in the same kind of block."""

ELSEWHERE = r"(?!check-config|database rebuild|backup|delivery-check)"
RUN_BY = {
    r"docs/panel\.md .*": "tests/web/test_panel_page.py",
    rf"\S+ (\S*/)?onifast-mailctl {ELSEWHERE}.*": "tests/shared/ctl/test_documented.py",
    r"\S+ onifast-mailctl delivery-check .*": "tests/e2e/test_delivery_check.py",
    r"\S+ \S*onifast-mailctl check-config": "tests/supervision/test_installation.py",
    r"\S+ onifast-mailctl database rebuild": "tests/shared/ctl/test_database_rebuild.py",
    r"\S+ onifast-mailctl backup .*": "tests/shared/backup/test_backup.py",
    r"\S+ (make install|useradd|install -d|printf|mkdir|env ONIFAST_BIN=).*": "tests/supervision/test_installation.py",
    r"\S+ (cd /home/root/onifast/config|\(echo 'PRAGMA|chown --reference).*": "tests/test_documented_commands.py",
    r"README\.md ONIFAST_MAIL_ROOT=.*|\S+ make run.*": "tests/supervision/test_make_run.py",
}
"""What runs them: commands, each with its page before it, by the file of the test."""

RUN_BY_NONE = {
    r"\S+ apt-get install .*": "it changes the machine that tests run on, by packages from elsewhere",
    r"\S+ systemd-(sysusers|tmpfiles --create).*": (
        "they make accounts and directories of the machine's own; test_installation.py makes both as the manual has it"
        " for hosts without them, and has systemd check the units"
    ),
    r"\S+ (git pull && make install && )?systemctl .*": (
        "no systemd runs where tests do; test_installation.py checks the units"
    ),
    r"\S+ (certbot|lego) .*": "it asks an authority elsewhere; test_certificates.py runs what it starts",
    r"\S+ rm -rf /opt/onifast-mail .*": "it takes away what the machine's administrator installed",
    r"\S+ make deb": "it takes minutes; test_debian_package.py builds, installs and purges what it makes",
    r"\S+ make (test|lint|check|docs|update|audit)\b.*": "a test would run itself, or ask hosts elsewhere",
}
"""What no test runs, and why."""


def commands() -> list[str]:
    """The commands with the page that each stands on, those of several lines as one."""
    return [f"{page.relative_to(PROJECT)} {each}" for page in PAGES for each in of_page(page.read_text())]


def of_page(text: str) -> Iterator[str]:
    fence: str | None = None
    typed = ""
    for line in text.splitlines():
        if line.startswith("```"):
            fence = None if fence is not None else line.removeprefix("```")
            continue
        if fence == "console":
            found = line.removeprefix("$ ") if line.startswith("$ ") else ""
        elif fence == "sh":
            found = line
        elif fence is None and (typed or line.startswith("    ")):
            found = line.strip()
        else:
            found = ""
        if not typed and (not found.strip() or found.startswith("#") or SETTING.match(found) or not is_typed(found)):
            continue
        typed += found.removesuffix("\\").strip() + " "
        if not found.endswith("\\"):
            yield typed.strip()
            typed = ""


def is_typed(line: str) -> bool:
    """Whether an indented line is a command, and no piece of Python, of a list or of a message."""
    return bool(re.match(r"[A-Za-z_./(][\w./=$()'-]*( |$)", line)) and not re.match(r"(ROUTES|NAV|NOTICES)\b", line)


def fits(command: str, patterns: object) -> list[str]:
    return [each for each in patterns if re.fullmatch(each, command)]  # type: ignore[attr-defined]


def test_there_are_some() -> None:
    assert len(commands()) > 150


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_a_command_is_run_by_a_test_or_cannot_be(command: str) -> None:
    assert bool(fits(command, RUN_BY)) != bool(fits(command, RUN_BY_NONE)), command


def test_what_is_said_of_commands_is_said_of_some() -> None:
    found = commands()
    for pattern in (*RUN_BY, *RUN_BY_NONE):
        assert any(re.fullmatch(pattern, each) for each in found), pattern


@pytest.mark.peers
def test_a_database_is_made_anew_as_the_manual_says(settings: Settings, database: Database) -> None:
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@here.test"), "ann"))
    database.close()
    (block,) = re.findall(r"(?:^    .*\n)*^    \(echo 'PRAGMA(?:.*\n)(?:^    .*\n)*", MANUAL.read_text(), re.MULTILINE)
    script = block.replace("/home/root/onifast/config", str(settings.config_dir))
    environ = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ONIFAST_MAIL_ROOT": str(settings.root),
        "ONIFAST_MAIL_HOSTNAME": settings.hostname,
    }
    done = subprocess.run(["bash", "-eux", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again = Database.open(settings.database, timeout=10)
    try:
        assert again.read(lambda tx: addresses.owner_of(tx, Address.parse("ann@here.test"))) == "ann"
        assert again.read(lambda tx: tx.execute("PRAGMA auto_vacuum").get) == 2
    finally:
        again.close()


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_the_tests_that_are_named_are_there(test: str) -> None:
    assert "def test_" in (PROJECT / test).read_text()
