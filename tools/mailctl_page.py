"""docs/mailctl.md, which `make docs` writes: every command of onifast-mailctl, from its own parser."""

from __future__ import annotations

from collections.abc import Iterator

from onifast_shared.ctl import main as ctl

from tools import commands
from tools.commands import ShownCommand
from tools.environment import PROJECT

TARGET = PROJECT / "docs" / "mailctl.md"

_HEAD = """\
# onifast-mailctl

<!-- Written by `make docs` from onifast-mailctl's own parser; a test keeps it current. -->

The administrator's tool. {about}

Each command takes `--json` too. `onifast-mailctl(8)`, and completion for bash, zsh and fish, come with the
[Debian package](operations.md#as-debian-packages). [operations.md](operations.md#look-at-it) has them by purpose.
"""


def render() -> str:
    """The whole page."""
    about = " ".join((ctl.__doc__ or "").rstrip().rpartition("\n\n")[2].split())
    return _HEAD.format(about=about) + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for area in commands.areas(ctl.parser()):
        yield f"\n## {area.name}\n"
        yield f"{_cell(area.meaning)}\n"
        yield "| command | what it does | arguments |\n| --- | --- | --- |"
        yield from (_row(each) for each in area.commands)


def _row(command: ShownCommand) -> str:
    usage = command.usage.replace("[--json] ", "").removesuffix("[--json]").strip()
    arguments = (
        f"`{_cell(each.written)}`: {_cell(each.meaning)}"
        for each in command.arguments
        if each.meaning and each.written != "--json"
    )
    words = f"`{_cell(f'{command.words} {usage}'.strip())}`"
    return f"| {words} | {_cell(command.meaning)} | {'; '.join(arguments)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
