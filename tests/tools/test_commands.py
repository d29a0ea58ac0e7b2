"""What is made of onifast-mailctl's parser: the page, the manual and completion have every command."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import shtab
from onifast_shared.ctl import main as ctl

from tools import commands, mailctl_page, manpages


def words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every command by its words, second names left out."""
    for area in commands.areas(parser):
        yield from (each.words for each in area.commands)


def test_the_page_is_current_and_has_every_command() -> None:
    text = mailctl_page.TARGET.read_text()
    assert text == mailctl_page.render(), "run `make docs`"
    found = list(words(ctl.parser()))
    assert len(found) > 100 and {"user add", "queue list", "setup", "doctor"} <= set(found)
    assert [each for each in found if f"| `{each}" not in text] == []


def test_the_manual_has_every_command_and_every_program_a_page(tmp_path: Path) -> None:
    pages = {file.name: file.read_text() for file in manpages.write(tmp_path)}
    assert set(pages) == {f"onifast-{name}.8" for name in ("mailctl", "smtpd", "web", "outbox")}
    manual = pages["onifast-mailctl.8"].replace("\\-", "-")
    assert [each for each in words(ctl.parser()) if f"onifast-mailctl {each}\\fR" not in manual] == []
    if shutil.which("groff"):
        for file in tmp_path.iterdir():
            done = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", "-z", file], capture_output=True, text=True, check=True
            )
            assert "error" not in done.stderr and "macro" not in done.stderr, done.stderr


@pytest.mark.parametrize("typed", [("onifast-mailctl", "que"), ("onifast-mailctl", "queue", "li")])
def test_bash_completes_commands(typed: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "completion").write_text(shtab.complete(ctl.parser(), shell="bash"))
    line = f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; COMP_LINE='{' '.join(typed)}'"
    script = f'. {tmp_path}/completion; {line}; _shtab_onifast_mailctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert {"que": "queue", "li": "list"}[typed[-1]] in done.stdout.split(), done.stderr
