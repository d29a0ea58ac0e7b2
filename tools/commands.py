"""The commands of onifast-mailctl as its parser knows them: for its manual page, docs/mailctl.md and completion."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple


class ShownArgument(NamedTuple):
    """An argument or option as it is written, and what it means."""

    written: str
    meaning: str


class ShownCommand(NamedTuple):
    """A command by its words, how it is used behind them, what it does, and its arguments."""

    words: str
    usage: str
    meaning: str
    arguments: tuple[ShownArgument, ...]


class ShownArea(NamedTuple):
    """A first word, what it is about, and its commands; one command alone, if it has no further words."""

    name: str
    meaning: str
    commands: tuple[ShownCommand, ...]


def areas(whole: argparse.ArgumentParser) -> Iterator[ShownArea]:
    """All areas, in the order in which they are declared."""
    choices = _choices(whole)
    for name, parser, meaning in choices or ():
        inner = _choices(parser)
        commands = [_command(each, what) for _, each, what in inner] if inner else [_command(parser, meaning)]
        yield ShownArea(name, meaning, tuple(commands))


def _choices(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser, str]]:
    """The words that may follow, each once: a second name of a command is left out."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {each.dest: each.help or "" for each in action._choices_actions}
            return [(name, each, said[name]) for name, each in action.choices.items() if name in said]
    return []


def _command(parser: argparse.ArgumentParser, meaning: str) -> ShownCommand:
    words = parser.prog.partition(" ")[2]
    usage = " ".join(parser.format_usage().split()).partition(parser.prog)[2].strip().removeprefix("[-h] ")
    shown = [_argument(parser, each) for each in parser._actions if each.dest != "help"]
    return ShownCommand(words, usage.removeprefix("[-h]").strip(), meaning, tuple(shown))


def _argument(parser: argparse.ArgumentParser, action: argparse.Action) -> ShownArgument:
    formatter = parser._get_formatter()
    if not action.option_strings:
        written = formatter._format_args(action, formatter._get_default_metavar_for_positional(action))
    elif action.nargs == 0:
        written = ", ".join(action.option_strings)
    else:
        value = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        written = ", ".join(f"{each} {value}" for each in action.option_strings)
    return ShownArgument(" ".join(written.split()), (action.help or "").replace("%%", "%"))
