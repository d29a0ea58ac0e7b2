"""The command of onifast-mailctl about mail that was refused."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.ctl.tools import add, how_many, read, show_rows
from onifast_shared.machine.config import Settings
from onifast_shared.refused import refusals
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the command to its area."""
    listing = add(area, "list", _list, "when, client, sender, recipient, command, reply")
    listing.add_argument("--owner", metavar="USER", help="only what was for this user, or from them")
    listing.add_argument("--limit", type=how_many, default=50, help="the newest so many (%(default)s)")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    since = time.time() - settings.refusals_kept
    page = read(settings, lambda tx: refusals.list_page(tx, arguments.owner, since=since, limit=arguments.limit))
    return show_rows(arguments, (_row(row, whole=arguments.json) for row in page.rows))


def _row(row: refusals.RefusalRow, *, whole: bool) -> dict[str, Any]:
    item = row.refusal
    shown: dict[str, Any] = {
        "refused_at": times.rfc3339(row.refused_ts),
        "client": item.client,
        "sender": item.sender,
        "recipient": item.recipient,
        "stage": item.stage,
        "reply": f"{item.code} {item.enhanced} {item.reason}",
    }
    if not whole:
        return shown
    more = {"id": row.id, "helo": item.helo, "submitted_by": item.submitted_by, "owner": item.owner}
    return shown | more | {"authentication": item.authentication}
