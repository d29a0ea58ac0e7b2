"""The commands of onifast-mailctl about app passwords."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared import times
from onifast_shared.accounts import app_passwords
from onifast_shared.accounts.app_passwords import AppPasswordError
from onifast_shared.config import Settings
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    known_user,
    read,
    show_one,
    show_rows,
    write,
)


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "create", _create, "a password; it is shown only now", "user", "name")
    add(area, "list", _list, "id, name, made, last used, from where", "user")
    add(area, "revoke", _revoke, "make a password worthless", "user").add_argument("id", type=int)


def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    panel = known_user(settings, arguments.user).verifier()
    try:
        password, made = write(
            settings, lambda tx: app_passwords.create(tx, arguments.user, panel, arguments.name, time.time())
        )
    except AppPasswordError as error:
        raise UsageError(str(error)) from None
    return show_one(arguments, {"id": made.id, "password": password.reveal()}, password.reveal())


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: app_passwords.list_for(tx, arguments.user))
    rows = [
        {
            "id": row.id,
            "name": row.name,
            "created_at": times.rfc3339(row.created_ts),
            "used_at": times.rfc3339(row.used_ts) if row.used_ts else None,
            "used_from": row.used_from,
        }
        for row in found
    ]
    return show_rows(arguments, rows)


def _revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    if not write(settings, lambda tx: app_passwords.revoke(tx, arguments.user, arguments.id)):
        return complain(f"{arguments.user} has no app password {arguments.id}", NOTHING)
    return DONE
