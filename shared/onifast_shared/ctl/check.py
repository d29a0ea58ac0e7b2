"""The command of onifast-mailctl that looks for what would keep the programs from working."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import Any

from onifast_shared.accounts.panel_users import AccountError, UserDirectory
from onifast_shared.config import Settings
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    add,
    complain,
)
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.transport import sources


def declare(areas: Any) -> None:
    """Adds the command."""
    add(areas, "check-config", _check_config, "look for what would keep the programs from working")


def _check_config(_arguments: argparse.Namespace, settings: Settings) -> int:
    problems = list(_problems(settings))
    for problem in problems:
        complain(problem, NOTHING)
    if not problems:
        print(f"settings are good: {settings.source}")
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
    if not os.access(settings.config_dir, os.R_OK | os.W_OK | os.X_OK):
        yield f"directory {settings.config_dir} of the database is missing or cannot be written"


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
