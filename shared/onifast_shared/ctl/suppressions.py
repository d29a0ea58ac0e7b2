"""The commands of onifast-mailctl about recipients that a user's mail is not sent to."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.ctl.tools import (
    DONE,
    add,
    how_many,
    known_user,
    outcome,
    read,
    show_rows,
    write,
)
from onifast_shared.machine.config import Settings
from onifast_shared.queue import suppressions
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.values import times
from onifast_shared.values.address import Address


def declare(area: Any) -> None:
    """Adds the commands about suppressed recipients to their area."""
    listing = add(area, "list", _suppression_list, "user, recipient, bounce, complaint or manual, since, until, reason")
    listing.add_argument("--owner", metavar="USER", help="only this user's")
    listing.add_argument("--recipient", metavar="ADDRESS", help="only this recipient")
    listing.add_argument("--limit", type=how_many, default=50, help="the newest so many (%(default)s)")
    making = add(area, "add", _suppression_add, "send none of a user's mail to a recipient", "owner", "recipient")
    making.add_argument("--reason", default="", help="what their bounces will say")
    add(area, "lift", _suppression_lift, "let a user's mail to a recipient out again", "owner", "recipient")


def _suppression_list(arguments: argparse.Namespace, settings: Settings) -> int:
    recipient = Address.parse(arguments.recipient) if arguments.recipient else None
    page = read(
        settings,
        lambda tx: suppressions.list_page(tx, arguments.owner, time.time(), recipient=recipient, limit=arguments.limit),
    )
    return show_rows(arguments, map(_suppression_row, page.rows))


def _suppression_row(item: Suppression) -> dict[str, Any]:
    return {
        "owner": item.owner,
        "recipient": item.recipient,
        "origin": item.origin,
        "created_at": times.rfc3339(item.created_ts),
        "expires_at": None if item.expires_ts is None else times.rfc3339(item.expires_ts),
        "reason": item.reason,
    }


def _suppression_add(arguments: argparse.Namespace, settings: Settings) -> int:
    known_user(settings, arguments.owner)
    recipient = Address.parse(arguments.recipient)
    write(settings, lambda tx: suppressions.add(tx, arguments.owner, recipient, arguments.reason, time.time()))
    return DONE


def _suppression_lift(arguments: argparse.Namespace, settings: Settings) -> int:
    recipient = Address.parse(arguments.recipient)
    return outcome(
        write(settings, lambda tx: suppressions.lift(tx, arguments.owner, recipient)),
        f"{recipient} is not suppressed for {arguments.owner}",
    )
