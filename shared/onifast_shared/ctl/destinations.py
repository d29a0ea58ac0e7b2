"""The commands of onifast-mailctl about the destinations of outgoing mail."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.ctl.tools import DONE, UsageError, add, number, outcome, read, show_rows, write
from onifast_shared.machine.config import Settings
from onifast_shared.queue import destinations
from onifast_shared.queue.destinations import OwnLimits, StoredState
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "list", _list, "name, under way, concurrency, dead since, next probe, own limits, last answer")
    setting = add(area, "set", _set, "give a destination limits of its own", "destination")
    setting.add_argument(
        "--concurrency", type=number(1, destinations.MOST_CONCURRENCY), metavar="N", help="deliveries at one time"
    )
    setting.add_argument(
        "--per-minute", type=number(0, destinations.MOST_A_MINUTE), metavar="N", help="messages; 0 for no limit"
    )
    add(area, "clear", _clear, "give a destination back to the settings", "destination")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    now = time.time()
    states, limits = read(settings, lambda tx: (destinations.list_states(tx, now), destinations.list_limits(tx)))
    own = {each.destination: each for each in limits}
    rows = [_row(each.destination, own.pop(each.destination, None), each) for each in states]
    return show_rows(arguments, [*rows, *(_row(name, each, None) for name, each in own.items())])


def _row(name: str, own: OwnLimits | None, state: StoredState | None) -> dict[str, Any]:
    return {
        "destination": name,
        "in_flight": state.in_flight if state else 0,
        "concurrency": state.concurrency if state else None,
        "dead_since": times.rfc3339(state.dead_since_ts) if state and state.dead_since_ts else None,
        "next_probe": times.rfc3339(state.next_probe_ts) if state and state.next_probe_ts else None,
        "own_concurrency": own.concurrency if own else None,
        "own_per_minute": own.per_minute if own else None,
        "last_error": state.last_error if state else "",
    }


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.concurrency is None and arguments.per_minute is None:
        raise UsageError("nothing to set: give --concurrency N or --per-minute N")
    limits = OwnLimits(_name(arguments), arguments.concurrency, arguments.per_minute)
    write(settings, lambda tx: destinations.set_limits(tx, limits))
    return DONE


def _clear(arguments: argparse.Namespace, settings: Settings) -> int:
    name = _name(arguments)
    return outcome(write(settings, lambda tx: destinations.clear_limits(tx, name)), f"{name} has no limits of its own")


def _name(arguments: argparse.Namespace) -> str:
    try:
        return destinations.checked_name(arguments.destination)
    except ValueError as error:
        raise UsageError(f"{arguments.destination!r}: {error}") from None
