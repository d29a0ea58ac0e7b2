"""The commands of onifast-mailctl about outgoing mail, and about domains whose mail is captured."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

from onifast_shared.ctl import queue_row
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    how_many,
    identifier,
    opened,
    outcome,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.queue import actions, sandbox, waiting
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.store import STATES
from onifast_shared.queue.view import EVERYTHING, Search
from onifast_shared.queue.waiting import NoCopy, NotWaiting, TooLate
from onifast_shared.values import times
from onifast_shared.values.address import Address, parse_domain

_MEANINGS = {
    "retry": "try again now",
    "hold": "keep back until released",
    "release": "let a held message go, or have a captured one sent after all",
    "cancel": "never send it",
}


def declare(area: Any) -> None:
    """Adds the commands about the queue to their area."""
    listing = add(area, "list", _list, "id, status, made, next attempt, attempts, sender, recipient, last error")
    _add_search(listing)
    listing.add_argument("--limit", type=how_many, default=50, help="the newest so many (%(default)s)")
    add(area, "count", _count, "status, how many, when the oldest was queued; for monitoring")
    showing = "all that is known of deliveries: each attempt, how long it took and what it was told"
    _add_for_ids(area, "show", queue_row.show, showing)
    for action, meaning in _MEANINGS.items():
        command = add(area, action, _act, meaning)
        command.set_defaults(action=action)
        command.add_argument("ids", type=identifier, nargs="*", metavar="ID")
        command.add_argument("--all", action="store_true", help="all deliveries, or all with --status and --match")
        _add_search(command)
    _add_for_ids(area, "recall", _recall, "make a draft again of a message that reached nobody")
    _add_for_ids(area, "send-now", _send_now, "send a message now that waits for its time")
    putting_off = _add_for_ids(area, "reschedule", _reschedule, "give a message that waits another time")
    putting_off.add_argument("--at", required=True, metavar="TIME", help="such as 2026-11-23T08:00:00+01:00")
    redirecting = _add_for_ids(area, "redirect", _redirect, "have a captured message sent to another address")
    redirecting.add_argument("--to", required=True, metavar="ADDRESS")


def declare_sandbox(area: Any) -> None:
    """Adds the commands about the sandbox to their area."""
    add(area, "on", _sandbox_on, "capture what a domain sends, whoever it is for", "domain")
    add(area, "off", _sandbox_off, "let a domain's mail out again; what was captured stays captured", "domain")
    add(area, "list", _sandbox_list, "domain, since when, by whom, how much was captured")


def _add_for_ids(area: Any, name: str, command: Any, meaning: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = add(area, name, command, meaning)
    parser.add_argument("ids", type=identifier, nargs="+", metavar="ID")
    return parser


def _add_search(command: argparse.ArgumentParser) -> None:
    command.add_argument("--status", choices=STATES, help="only this status")
    words = "only what has this in its sender, recipient, subject, or the name of who submitted it"
    command.add_argument("--match", metavar="TEXT", default="", help=words)


def _search(arguments: argparse.Namespace) -> Search:
    return Search(arguments.status, arguments.match)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    page = read(settings, lambda tx: queue_view.list_page(tx, None, _search(arguments), limit=arguments.limit))
    return show_rows(arguments, map(_row, page.rows))


def _count(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, queue_view.counts)
    rows = [{"status": each.status, "rows": each.rows, "oldest_at": times.rfc3339(each.oldest_ts)} for each in found]
    return show_rows(arguments, rows)


def _row(row: queue_view.OutboxRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "created_at": times.rfc3339(row.created_ts),
        "next_attempt_at": times.rfc3339(row.next_attempt_ts) if row.next_attempt_ts else None,
        "attempts": row.attempts,
        "sender": row.sender,
        "recipient": row.recipient,
        "last_error": row.last_error,
    }


def _act(arguments: argparse.Namespace, settings: Settings) -> int:
    ids, action, search = arguments.ids, arguments.action, _search(arguments)
    everything = arguments.all or search != EVERYTHING
    if bool(ids) == everything:
        raise UsageError(f"say what to {action}: ids, or --match TEXT, --status STATUS or --all")
    if ids:
        return _report(arguments, write(settings, lambda tx: actions.act(tx, None, ids, action, time.time())), action)
    with opened(settings) as db:
        changed = actions.act_on_all(db, None, search, action, time.time())
    if not changed:
        return complain(f"nothing that could {action} matches", NOTHING)
    return show_one(arguments, {"changed": changed}, f"{action}: {len(changed)}")


def _redirect(arguments: argparse.Namespace, settings: Settings) -> int:
    to = Address.parse(arguments.to)
    changed = write(settings, lambda tx: sandbox.redirect(tx, None, arguments.ids, to, time.time()))
    return _report(arguments, changed, "be redirected")


def _recall(arguments: argparse.Namespace, settings: Settings) -> int:
    status = DONE
    for row_id in arguments.ids:
        try:
            write(settings, partial(_recall_one, settings, row_id))
        except TooLate as late:
            status = complain(f"{row_id}: too late: {late}", NOTHING)
        except NoCopy:
            status = complain(f"{row_id}: it has no copy in sent that could become a draft; cancel it", NOTHING)
        except NotWaiting:
            status = complain(f"{row_id}: no such message, or it was cancelled before", NOTHING)
    return status


def _recall_one(settings: Settings, row_id: int, tx: Connection) -> None:
    waiting.recall(tx, None, row_id, settings, time.time())


def _send_now(arguments: argparse.Namespace, settings: Settings) -> int:
    return _put_off(arguments, settings, 0)


def _reschedule(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        moment = times.parse_rfc3339(arguments.at)
    except ValueError as error:
        raise UsageError(f"--at {arguments.at}: {error}") from None
    if moment <= time.time():
        raise UsageError(f"--at {arguments.at}: this time is past")
    return _put_off(arguments, settings, moment)


def _put_off(arguments: argparse.Namespace, settings: Settings, moment: int) -> int:
    changed: list[int] = []
    with opened(settings) as db:
        for row_id in arguments.ids:
            try:
                changed += waiting.put_off(db, None, row_id, moment, time.time())
            except NotWaiting:
                continue
    return _report(arguments, changed, "be given another time")


def _report(arguments: argparse.Namespace, changed: list[int], what: str) -> int:
    left = [row_id for row_id in arguments.ids if row_id not in changed]
    for row_id in left:
        complain(f"{row_id}: no such message, or it cannot {what} as it stands", NOTHING)
    return NOTHING if left else DONE


def _sandbox_on(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    return outcome(
        write(settings, lambda tx: sandbox.put(tx, domain, "", time.time())), f"{domain} is in the sandbox already"
    )


def _sandbox_off(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    return outcome(write(settings, lambda tx: sandbox.remove(tx, domain)), f"{domain} is not in the sandbox")


def _sandbox_list(arguments: argparse.Namespace, settings: Settings) -> int:
    rows = [
        {
            "domain": each.domain,
            "since": times.rfc3339(each.since_ts),
            "set_by": each.set_by or None,
            "captured": each.captured,
        }
        for each in read(settings, sandbox.list_all)
    ]
    return show_rows(arguments, rows)
