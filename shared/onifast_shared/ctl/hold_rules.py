"""The commands of onifast-mailctl about rules by which mail waits for a person before it is sent."""

from __future__ import annotations

import argparse
import getpass
import time
from typing import Any

from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.machine.config import Settings
from onifast_shared.queue import hold_rules
from onifast_shared.queue.hold_rules import HoldRule, Pattern, RuleError
from onifast_shared.values import times


def declare(area: Any) -> None:
    """Adds the commands about hold rules to their area."""
    add(area, "list", _rule_list, "id, sender, recipient, user, messages held, made, by, note")
    making = add(area, "add", _rule_add, "hold mail that fits all that is given, what waits already too")
    making.add_argument("--sender", default="", metavar="ADDRESS|DOMAIN", help="by whom it is sent (envelope)")
    making.add_argument("--recipient", default="", metavar="ADDRESS|DOMAIN", help="whom it is for")
    making.add_argument("--owner", default="", metavar="USER", help="whose it is")
    making.add_argument("--note", default="", help="why, for those who see the held mail")
    ending = add(area, "remove", _rule_remove, "end a rule; what it holds waits until it is released", "id")
    ending.add_argument("--release", action="store_true", help="let go what it holds")


def _rule_list(arguments: argparse.Namespace, settings: Settings) -> int:
    rules, held = read(settings, lambda tx: (hold_rules.list_all(tx), hold_rules.count_held(tx)))
    return show_rows(arguments, (_rule_row(rule, held.get(rule.id, 0)) for rule in rules))


def _rule_row(rule: HoldRule, held: int) -> dict[str, Any]:
    return {
        "id": rule.id,
        "sender": rule.pattern.sender,
        "recipient": rule.pattern.recipient,
        "owner": rule.pattern.owner,
        "held": held,
        "created_at": times.rfc3339(rule.created_ts),
        "created_by": rule.created_by,
        "note": rule.note,
    }


def _rule_add(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        pattern = Pattern.parse(arguments.sender, arguments.recipient, arguments.owner)
    except RuleError as error:
        raise UsageError(f"--{error.field}: {error}") from None
    made = write(
        settings, lambda tx: hold_rules.add(tx, pattern, arguments.note, f"unix:{getpass.getuser()}", time.time())
    )
    if made is None:
        return complain(f"there is such a rule already: {pattern}", NOTHING)
    return show_one(arguments, _rule_row(made, 0), str(made.id))


def _rule_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    if not arguments.id.isdecimal() or not write(settings, lambda tx: hold_rules.remove(tx, int(arguments.id))):
        return complain(f"there is no rule {arguments.id}", NOTHING)
    while arguments.release and write(settings, lambda tx: hold_rules.release(tx, int(arguments.id), time.time())):
        pass
    return DONE
