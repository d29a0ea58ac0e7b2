"""The command of onifast-mailctl that shows the audit trail."""

from __future__ import annotations

import argparse
from typing import Any

from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import AuditEvent
from onifast_shared.ctl.tools import add, how_many, read, show_rows
from onifast_shared.machine.config import Settings
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the command to its area."""
    listing = add(area, "list", _list, "id, time, who, with what, from where, action, whose, object, details")
    listing.add_argument("--owner", metavar="USER", help="only what was done to this user's things")
    listing.add_argument("--action", default="", help="only this action (mail.read), or all of a kind (mail.)")
    listing.add_argument("--limit", type=how_many, default=50, help="the newest so many (%(default)s)")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    page = read(
        settings,
        lambda tx: audit.list_page(tx, arguments.owner, action=arguments.action, limit=arguments.limit),
    )
    return show_rows(arguments, map(_row, page.rows))


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": times.rfc3339(event.ts),
        "actor": event.actor.name,
        "token": event.actor.token,
        "ip": event.actor.ip,
        "action": event.action,
        "owner": event.owner,
        "object": event.object,
        "details": dict(event.details),
    }
