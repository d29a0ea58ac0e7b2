"""The commands of onifast-mailctl about webhooks."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, get_args

from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    how_many,
    identifier,
    known_user,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.values import times
from onifast_shared.webhooks import calls, store, targets, telling
from onifast_shared.webhooks.calls import CallState, PastCall
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
    testing = add(area, "test", _test, "tell it a mail.test now")
    choosing = add(area, "set", _set, "have it told of other events")
    choosing.add_argument("--event", action="append", required=True, choices=store.EVENTS, help="one of the events")
    past = add(area, "calls", _calls, "id, event, state, attempts, called, status, milliseconds, next attempt, problem")
    past.add_argument("--state", choices=get_args(CallState), default="", help="only those in this state")
    past.add_argument("--limit", type=how_many, default=50, help="the newest so many")
    replaying = add(area, "replay", _replay, "make calls again")
    for command in (removing, enabling, testing, choosing, past, replaying):
        command.add_argument("id", type=identifier)
    replaying.add_argument("call", nargs="+", type=identifier)
    for command in (listing, adding, removing, enabling, testing, choosing, past, replaying):
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


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    if not write(settings, lambda tx: store.set_events(tx, arguments.owner, arguments.id, arguments.event)):
        return _none(arguments)
    return DONE


def _test(arguments: argparse.Namespace, settings: Settings) -> int:
    def tell(tx: Connection, webhook: Webhook) -> int:
        telling.tell_listeners(tx, [webhook.id], "test", {"webhook_id": webhook.id}, time.time())
        return DONE

    return _with_enabled(arguments, settings, tell)


def _calls(arguments: argparse.Namespace, settings: Settings) -> int:
    if read(settings, lambda tx: _found(tx, arguments)) is None:
        return _none(arguments)
    page = read(settings, lambda tx: calls.list_page(tx, arguments.id, state=arguments.state, limit=arguments.limit))
    return show_rows(arguments, map(_call_row, page.rows))


def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    def again(tx: Connection, webhook: Webhook) -> int:
        done = calls.replay(tx, webhook, arguments.call, time.time())
        missing = [str(each) for each in arguments.call if each not in done]
        return complain(f"there is no call {', '.join(missing)}", NOTHING) if missing else DONE

    return _with_enabled(arguments, settings, again)


def _with_enabled(arguments: argparse.Namespace, settings: Settings, do: Callable[[Connection, Webhook], int]) -> int:
    """What is done with a webhook that may be told something; raises UsageError for one that may not."""

    def work(tx: Connection) -> int:
        webhook = _found(tx, arguments)
        if webhook is None:
            return _none(arguments)
        if webhook.disabled_ts is not None:
            raise UsageError(f"webhook {webhook.id} is disabled; enable it first")
        return do(tx, webhook)

    try:
        return write(settings, work)
    except calls.WaitsAlready as error:
        raise UsageError(str(error)) from None


def _found(tx: Connection, arguments: argparse.Namespace) -> Webhook | None:
    return next((each for each in store.list_for(tx, arguments.owner) if each.id == arguments.id), None)


def _call_row(call: PastCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "event": json.loads(call.payload)["type"],
        "state": call.state,
        "attempts": call.attempts,
        "called_at": times.rfc3339(call.called_ts),
        "status": call.status,
        "milliseconds": call.milliseconds,
        "next_attempt_at": None if call.next_ts is None else times.rfc3339(call.next_ts),
        "problem": call.problem,
        "response": call.response,
    }


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
