"""The command of onifast-mailctl that shows the audit trail."""

from __future__ import annotations

import argparse
from typing import Any

from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import AuditEvent, AuditFilter
from onifast_shared.ctl.tools import add, how_many, read, show_rows
from onifast_shared.machine.config import Settings
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the command to its area."""
    listing = add(area, "list", _list, "id, time, who, with what, from where, action, whose, object, details")
    listing.add_argument("--owner", metavar="USER", help="only what was done to this user's things")
    listing.add_argument("--action", default="", help="only this action (mail.read), or all of a kind (mail.)")
    listing.add_argument("--actor", default="", help="only what this one did: user:NAME, panel or unix:NAME")
    listing.add_argument("--q", metavar="TEXT", default="", help="only lines that hold this text anywhere")
    listing.add_argument("--since", metavar="TIME", type=_moment, help="only from then on: 2026-11-22T10:00:00Z")
    listing.add_argument("--until", metavar="TIME", type=_moment, help="only before then")
    listing.add_argument("--limit", type=how_many, default=50, help="the newest so many (%(default)s)")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    wanted = AuditFilter(arguments.actor, arguments.q, arguments.since, arguments.until)
    page = read(
        settings,
        lambda tx: audit.list_page(tx, arguments.owner, action=arguments.action, wanted=wanted, limit=arguments.limit),
    )
    return show_rows(arguments, map(_row, page.rows))


def _moment(text: str) -> float:
    try:
        return times.parse_rfc3339(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-22T10:00:00Z") from None


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
