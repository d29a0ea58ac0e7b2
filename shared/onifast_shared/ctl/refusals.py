"""The commands of onifast-mailctl about mail that was refused."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.accepting import rescue
from onifast_shared.accepting.rescue import RescueError
from onifast_shared.ctl.tools import (
    NOTHING,
    add,
    complain,
    how_many,
    identifier,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.refused import refusals
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "when, client, sender, recipient, command, reply, number if the message is kept")
    listing.add_argument("--owner", metavar="USER", help="only what was for this user, or from them")
    listing.add_argument("--limit", type=how_many, default=50, help="the newest so many (%(default)s)")
    fetching = add(area, "rescue", _rescue, "put a refused message that is kept into its recipient's inbox")
    fetching.add_argument("id", type=identifier, metavar="ID", help="the record's number")


def _rescue(arguments: argparse.Namespace, settings: Settings) -> int:
    number, now = int(arguments.id), time.time()

    def write_one(tx: Connection) -> int:
        row = refusals.get(tx, None, number)
        if row is None:
            raise RescueError(f"there is no record {number} of refused mail", is_gone=True)
        return rescue.rescue(tx, row, settings, now)

    try:
        email_id = write(settings, write_one)
    except RescueError as error:
        return complain(str(error), NOTHING)
    return show_one(arguments, {"email_id": email_id}, str(email_id))


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
        "kept": row.id if row.kept else None,
    }
    if not whole:
        return shown
    more = {"id": row.id, "helo": item.helo, "submitted_by": item.submitted_by, "owner": item.owner}
    return shown | more | {"authentication": item.authentication}
