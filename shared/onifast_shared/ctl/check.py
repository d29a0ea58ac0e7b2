"""The command of onifast-mailctl that looks for what would keep the programs from working."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from onifast_shared.accounts.panel_users import AccountError, UserDirectory
from onifast_shared.ctl import access
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    add,
    complain,
)
from onifast_shared.db import inspection, troubles
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.machine.config import Settings
from onifast_shared.transport import sources

LOOK_SECONDS = 60.0
"""For how long the database's pages are looked at; `database check` looks at all."""


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(areas, "check-config", _check_config, "look for what would keep the programs from working")
    parser.add_argument("--as", dest="account", metavar="USER", help="ask what this Unix user may read and write")


def _check_config(arguments: argparse.Namespace, settings: Settings) -> int:
    asked = [access.Account(arguments.account, "--as", reads_all=False)] if arguments.account else None
    accounts = asked or access.accounts(settings)
    # First of all: a child is forked for this, and none may come from a process that has a database open.
    problems = [problem for account in accounts for problem in access.problems(settings, account)]
    problems += _problems(settings)
    if arguments.json:
        values = {"good": not problems, "settings": settings.source, "accounts": [each.name for each in accounts]}
        print(json.dumps(values | {"problems": problems}, ensure_ascii=False))
    elif not problems:
        print(f"settings are good: {settings.source}")
    for problem in [] if arguments.json else problems:
        complain(problem, NOTHING)
    return NOTHING if problems else DONE


def _problems(settings: Settings) -> Iterable[str]:
    """What would keep the programs from working, line by line; nothing is made or changed."""
    directory = UserDirectory(settings)
    try:
        for username in directory.usernames():
            try:
                directory.get(username)
            except AccountError as error:
                yield str(error)
    except AccountError as error:
        yield str(error)
    yield from _key_problems(settings)
    yield from filter(None, (sources.why_unusable(source.address) for source in settings.source_addresses))
    yield from _database_problems(settings)


def _database_problems(settings: Settings) -> Iterable[str]:
    """What is wrong with the database. One that was damaged long ago may not be met by any program for months."""
    path, timeout = settings.database, settings.database_timeout
    if trouble := inspection.trouble_with(path, timeout):
        yield str(trouble)
        return
    for each in troubles.present(path):
        yield f"noted {each.times} times: {each.text}"
    if not path.exists():
        return
    found = inspection.soundness(path, timeout, LOOK_SECONDS)
    yield from (f"database {path} is damaged: {finding}" for finding in found.findings)


def _key_problems(settings: Settings) -> Iterable[str]:
    try:
        domains = sorted(path.name for path in settings.certs_dir.iterdir() if path.is_dir())
    except OSError as error:
        yield f"directory {settings.certs_dir} of the certificates cannot be read: {error.strerror}"
        return
    for domain in domains:
        try:
            dkim_keys.load(settings.certs_dir, domain, settings.dkim_selector)
        except dkim_keys.DkimKeyError as error:
            yield str(error)
