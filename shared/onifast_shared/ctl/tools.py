"""What every command of onifast-mailctl uses: the database, what is printed, and how commands are declared."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from onifast_shared.accounts import app_passwords
from onifast_shared.accounts.panel_users import PanelUser, UserDirectory
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.log import Secret
from onifast_shared.machine.setting_types import size
from onifast_shared.recipients.login_directory import LoginDirectory

DONE, NOTHING, WRONG = 0, 1, 2
PASSWORD_FILE = "the password is its first line; - for input"  # noqa: S105  (what is said of one)
_LARGEST = 2**53
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

T = TypeVar("T")
Command = Callable[[argparse.Namespace, Settings], int]


class CommandParser(argparse.ArgumentParser):
    """A parser whose complaint is one line; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        """Says what was wrong, and ends the program with status 2."""
        self.exit(WRONG, f"{self.prog}: {message}; see {self.prog} --help\n")


class UsageError(Exception):
    """What was asked for cannot be done. The text is one line for who asked."""


def known_user(settings: Settings, username: str) -> PanelUser:
    """The user of that name, who may log in; raises UsageError, AccountError."""
    user = UserDirectory(settings).get(username)
    if user is None:
        raise UsageError(f"there is no user {username!r} in {settings.users_dir}")
    if user.disabled:
        raise UsageError(f"user {username!r} is disabled")
    return user


def account_of(settings: Settings, name: str) -> str:
    """The account that a name, or an address, means to those who log in by it; raises AccountError."""
    if "@" not in name:
        return name
    with opened(settings) as database:
        return LoginDirectory(settings, database).named(name).account


def known_account(settings: Settings, name: str) -> PanelUser:
    """The panel user or mailbox user whom a name or an address means; raises UsageError, AccountError."""
    with opened(settings) as database:
        user = LoginDirectory(settings, database).find(name)
    if user is None:
        raise UsageError(f"there is no user {name!r} in {settings.users_dir}, nor one with that address")
    if user.disabled:
        raise UsageError(f"user {name!r} is disabled")
    return user


def read_password(path: Path | None) -> Secret:
    """The first line of a file, or of standard input for `-`: an argument could be seen by every user (ps).

    An empty secret without `path`. Raises UsageError.
    """
    if path is None:
        return Secret("")
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"password file {path} cannot be read") from None
    return Secret(text.split("\n", 1)[0])


def new_password(path: Path | None) -> tuple[str | None, str]:
    """A password that is made here, to be shown, and itself; without the first where it comes from a file.

    Raises UsageError.
    """
    if path is not None:
        return None, read_password(path).reveal()
    made = app_passwords.new_password().reveal()
    return made, made


def read(settings: Settings, fn: Callable[[Connection], T]) -> T:
    """What `fn` reads from the database."""
    with opened(settings) as database:
        return database.read(fn)


def write(settings: Settings, fn: Callable[[Connection], T]) -> T:
    """What `fn` gives, once what it wrote is on disk."""
    with opened(settings) as database:
        return database.write(fn)


def opened(settings: Settings) -> AbstractContextManager[Database]:
    """The database, for what needs several transactions."""
    return closing(Database.open(settings.database, timeout=settings.database_timeout))


def show_rows(arguments: argparse.Namespace, rows: Iterable[Mapping[str, Any]]) -> int:
    """Prints a list: lines with tabs between the columns, or JSON."""
    if arguments.json:
        print(json.dumps([dict(row) for row in rows], ensure_ascii=False))
        return DONE
    for row in rows:
        print("\t".join(map(column, row.values())))
    return DONE


def show_one(arguments: argparse.Namespace, values: Mapping[str, Any], line: str) -> int:
    """Prints `line`, or the values as JSON."""
    print(json.dumps(values, ensure_ascii=False) if arguments.json else line)
    return DONE


def show_values(arguments: argparse.Namespace, values: Mapping[str, Any]) -> int:
    """Prints what there is to say of one thing: a line for each value, with a tab behind its name, or JSON."""
    if arguments.json:
        print(json.dumps(dict(values), ensure_ascii=False))
        return DONE
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            print(name, *map(column, each.values() if isinstance(each, Mapping) else [each]), sep="\t")
    return DONE


def column(value: object) -> str:
    """A value as it stands in a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else _CONTROLS.sub(" ", str(value))


def complain(text: str, status: int) -> int:
    """Says something on standard error; returns the status."""
    print(f"onifast-mailctl: {_CONTROLS.sub(' ', text)}", file=sys.stderr)
    return status


def outcome(found: object, otherwise: str) -> int:
    """The status of a command that did what was asked, or found nothing to do it to, and says so."""
    return DONE if found else complain(otherwise, NOTHING)


def area(areas: Any, name: str, meaning: str) -> Any:
    """A group of commands."""
    return areas.add_parser(name, help=meaning, description=meaning).add_subparsers(metavar="COMMAND", required=True)


def octets(text: str) -> int:
    """A size that somebody gave, with a unit or without; raises UsageError."""
    try:
        return int(size(0, _LARGEST).parse(text))
    except ValueError:
        raise UsageError(f"{text!r} is no size: give octets, or a number with a unit such as 500 MiB") from None


def of_account(command: Command) -> Command:
    """A command whose argument `user` may be an address too: it is given the account that is meant."""

    def resolved(arguments: argparse.Namespace, settings: Settings) -> int:
        arguments.user = account_of(settings, arguments.user)
        return command(arguments, settings)

    return resolved


def add(
    area: Any, name: str, command: Command, meaning: str, *positionals: str, alias: str | None = None
) -> argparse.ArgumentParser:
    """One command of an area; `alias` is a second name of it."""
    aliases = [alias] if alias else []
    parser: argparse.ArgumentParser = area.add_parser(name, help=meaning, description=meaning, aliases=aliases)
    for positional in positionals:
        parser.add_argument(positional)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=command, spoken=parser.prog.partition(" ")[2])
    return parser


def number(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number in these bounds."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


identifier = number(1, 2**63 - 1)
"""The type of an argument that is the number of a row."""

how_many = number(1, 1_000_000)
"""The type of an argument that says how long a list may be."""
