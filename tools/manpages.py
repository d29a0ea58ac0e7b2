"""The manual pages of the installed commands: `python -m tools.manpages DIRECTORY`.

onifast-mailctl(8) is made from its parser, those of the programs from what their main modules say of themselves.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from onifast_shared.ctl import main as ctl

from tools import commands
from tools.environment import PROJECT

PROGRAMS = ("smtpd", "web", "outbox")


def write(directory: Path) -> list[Path]:
    """Writes every page; their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    pages = {"onifast-mailctl": _mailctl(), **{f"onifast-{name}": _program(name) for name in PROGRAMS}}
    files = []
    for name, lines in pages.items():
        file = directory / f"{name}.8"
        file.write_text("\n".join(lines) + "\n")
        files.append(file)
    return files


def _head(name: str, meaning: str) -> Iterator[str]:
    yield f'.TH {name.upper()} 8 "" "onifast-mail {version("onifast-mail")}" "onifast-mail"'
    yield ".SH NAME"
    yield f"{_escaped(name)} \\- {_escaped(meaning)}"


def _mailctl() -> Iterator[str]:
    yield from _head("onifast-mailctl", "the administrator's tool of onifast-mail")
    yield ".SH SYNOPSIS"
    yield "\\fBonifast\\-mailctl\\fR AREA [COMMAND] [ARGUMENT…]"
    yield ".SH DESCRIPTION"
    yield _escaped((ctl.__doc__ or "").rstrip().rpartition("\n\n")[2])
    yield ".SH COMMANDS"
    yield "Each takes \\fB\\-\\-json\\fR too, and then prints JSON."
    for area in commands.areas(ctl.parser()):
        yield f".SS {_escaped(area.name)}"
        for each in area.commands:
            yield ".TP"
            usage = each.usage.replace("[--json] ", "").removesuffix("[--json]")
            yield f"\\fBonifast\\-mailctl {_escaped(each.words)}\\fR {_escaped(usage)}"
            yield f"{_escaped(_sentence(each.meaning))}"
            for argument in each.arguments:
                if argument.meaning and argument.written != "--json":
                    yield ".RS"
                    yield ".TP"
                    yield f"\\fB{_escaped(argument.written)}\\fR"
                    yield _escaped(_sentence(argument.meaning))
                    yield ".RE"
    yield ".SH SEE ALSO"
    yield ", ".join(f"\\fBonifast\\-{name}\\fR(8)" for name in PROGRAMS)


def sendmail() -> str:
    """sendmail(8), which comes in a package of its own."""
    return "\n".join(_of_module("sendmail", PROJECT / "shared/onifast_shared/sendmail/main.py")) + "\n"


def _program(name: str) -> Iterator[str]:
    return _of_module(f"onifast-{name}", PROJECT / "services" / name / f"onifast_{name}" / "main.py")


def _of_module(name: str, source: Path) -> Iterator[str]:
    """A page from a module's docstring: its first line says what it is, the rest is the description."""
    text = ast.get_docstring(ast.parse(source.read_text())) or ""
    first, _, rest = text.partition("\n")
    if "\nDESCRIPTION\n" in rest:  # it is laid out as a manual page already
        rest = textwrap.dedent(rest.partition("\nDESCRIPTION\n")[2])
    yield from _head(name, first.partition(": ")[2].rstrip("."))
    yield ".SH DESCRIPTION"
    yield ".nf"
    yield from (_escaped(line) for line in rest.strip().splitlines())
    yield ".fi"
    yield ".SH FILES"
    yield _escaped("/home/root/onifast/config/onifast-mail.toml: the settings; docs/configuration.md has every one")
    yield ".SH SEE ALSO"
    yield "\\fBonifast\\-mailctl\\fR(8)"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _escaped(text: str) -> str:
    """Text as roff takes it: no line begins a request, a hyphen is one to copy (groff_char(7))."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", escaped)


def main() -> None:
    for file in write(Path(sys.argv[1])):
        print(file)


if __name__ == "__main__":
    main()
