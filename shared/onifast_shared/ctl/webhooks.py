"""The commands of onifast-mailctl about webhooks."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    identifier,
    known_user,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.machine.config import Settings
from onifast_shared.values import times
from onifast_shared.webhooks import store, targets
from onifast_shared.webhooks.store import Webhook
from onifast_shared.webhooks.targets import TargetError


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "id, URL, events, owner, state, waiting, dropped, last problem")
    adding = add(area, "add", _add, "have a URL told; prints the secret, which is shown only now", "url")
    adding.add_argument(
        "--event",
        action="append",
        choices=store.EVENTS,
        help="this one, and not those about sent mail; may be given several times",
    )
    removing = add(area, "remove", _remove, "tell it nothing any more")
    enabling = add(area, "enable", _enable, "tell it again what happens from now on")
    for command in (removing, enabling):
        command.add_argument("id", type=identifier)
    for command in (listing, adding, removing, enabling):
        command.add_argument("--owner", metavar="USER", help="a user's; without it, those of everybody's mail")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    return show_rows(arguments, map(_row, read(settings, lambda tx: store.list_for(tx, arguments.owner))))


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    owner = arguments.owner
    if owner:
        known_user(settings, owner)
    try:
        url = targets.check_url(arguments.url, by_administrator=not owner)
        events = arguments.event or store.ABOUT_SENT
        made = write(settings, lambda tx: store.create(tx, owner, url, events, time.time()))
    except (TargetError, store.TooMany) as error:
        raise UsageError(f"webhook {arguments.url!r}: {error}") from None
    return show_one(arguments, {"id": made.id, "secret": made.secret.reveal()}, made.secret.reveal())


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    if not write(settings, lambda tx: store.remove(tx, arguments.owner, arguments.id)):
        return _none(arguments)
    return DONE


def _enable(arguments: argparse.Namespace, settings: Settings) -> int:
    if not write(settings, lambda tx: store.enable(tx, arguments.owner, arguments.id)):
        return _none(arguments)
    return DONE


def _none(arguments: argparse.Namespace) -> int:
    whose = f"of {arguments.owner}" if arguments.owner else "of everybody's mail"
    return complain(f"there is no webhook {arguments.id} {whose}", NOTHING)


def _row(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": ",".join(webhook.events),
        "owner": webhook.owner,
        "state": "disabled" if webhook.disabled_ts else "failing" if webhook.problem else "enabled",
        "told_at": times.rfc3339(webhook.told_ts) if webhook.told_ts else None,
        "waiting": webhook.waiting,
        "dropped": webhook.dropped,
        "problem": webhook.problem,
    }
