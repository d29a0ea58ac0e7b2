"""The commands of onifast-mailctl about what users and domains use: mail that lies here, mail sent, limits left."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.ctl.domains import used
from onifast_shared.ctl.tools import add, how_many, read, show_rows
from onifast_shared.db.database import Connection
from onifast_shared.limits import consumption
from onifast_shared.limits.consumption import Consumption
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import domains
from onifast_shared.recipients.domains import DomainFilter
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.paging import MOST_ROWS

_COLUMNS = "name, messages, octets, quota, messages and recipients sent today, and of each limit what is left"


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    of_users = add(area, "users", _users, f"of each panel user: {_COLUMNS}")
    of_domains = add(area, "domains", _domains, f"of each domain: {_COLUMNS}")
    of_domains.add_argument("--owner", metavar="USER", help="only this user's")
    for each in (of_users, of_domains):
        each.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of the name of")
        each.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by name")


def _users(arguments: argparse.Namespace, settings: Settings) -> int:
    names = [name for name in UserDirectory(settings).usernames() if arguments.q.lower() in name.lower()]
    return _show(arguments, settings, consumption.of_user, names[: arguments.limit])


def _domains(arguments: argparse.Namespace, settings: Settings) -> int:
    wanted = DomainFilter(arguments.owner, arguments.q)
    rows = read(settings, lambda tx: domains.list_page(tx, None, wanted, arguments.limit)).rows
    return _show(arguments, settings, consumption.of_domain, [row.domain for row in rows])


def _show(
    arguments: argparse.Namespace,
    settings: Settings,
    of: Callable[[Connection, str, Settings, float], Consumption],
    names: list[str],
) -> int:
    found = read(settings, lambda tx: [of(tx, name, settings, time.time()) for name in names])
    return show_rows(arguments, map(_values if arguments.json else _line, found))


def _values(found: Consumption) -> dict[str, Any]:
    return {"name": mailbox_accounts.shown(found.name), **used(found)}


def _line(found: Consumption) -> dict[str, Any]:
    return {
        "name": mailbox_accounts.shown(found.name),
        "messages": found.messages,
        "bytes": found.octets,
        "quota": found.quota,
        "sent_messages": found.sent.messages,
        "sent_recipients": found.sent.recipients,
        **{each.counted: each.left for each in found.limits},
    }
