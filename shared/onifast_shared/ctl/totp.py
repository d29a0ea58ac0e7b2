"""The commands of onifast-mailctl about the second factor (TOTP) of logins to the webmail."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.accounts import audit, second_factor
from onifast_shared.ctl import audited
from onifast_shared.ctl.tools import add, of_account, outcome, read, show_rows, write
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "list", _list, "who has a second factor: name, since when, recovery codes left")
    add(area, "reset", of_account(_reset), "take a user's second factor away: they lost it", "user")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    rows = [
        {
            "username": username,
            "enabled_at": times.rfc3339(found.confirmed_ts or 0),
            "recovery_codes_left": found.recovery_left,
        }
        for username, found in read(settings, second_factor.list_on)
    ]
    return show_rows(arguments, rows)


def _reset(arguments: argparse.Namespace, settings: Settings) -> int:
    username = arguments.user

    def remove(tx: Connection) -> bool:
        removed = second_factor.remove(tx, username)
        if removed:
            audit.record(tx, audited.actor(), "totp.reset", owner=username, now=time.time())
        return removed

    return outcome(write(settings, remove), f"{username} has no second factor")
