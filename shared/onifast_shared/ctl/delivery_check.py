"""The command of onifast-mailctl that tells what would become of mail to an address."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from typing import Any

from onifast_shared.ctl.tools import DONE, NOTHING, add, complain
from onifast_shared.db.database import Database
from onifast_shared.delivery_check import ask
from onifast_shared.delivery_check.store import TooManyDeliveryChecks
from onifast_shared.machine.config import Settings
from onifast_shared.values.address import Address

_MARKS = {"good": "ok", "note": "note", "stop": "STOP"}


def declare(areas: Any) -> None:
    """Adds the command."""
    meaning = "what would become of mail to an address, without sending any; outbox has to run"
    command = add(areas, "delivery-check", _check, meaning, "address", alias="explain")
    command.add_argument(
        "--from", dest="sender", metavar="ADDRESS", help="the sender; without it nobody's limits and keys"
    )
    command.add_argument("--user", help="the user who would send it; without it the panel")


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    recipient = Address.parse(arguments.address)
    sender = Address.parse(arguments.sender) if arguments.sender else None
    with closing(Database.open(settings.database, timeout=settings.database_timeout)) as database:
        try:
            found = ask.with_notes(database, ask.ask(database, arguments.user, sender, recipient))
        except ask.NoAnswer as error:
            return complain(str(error), NOTHING)
        except TooManyDeliveryChecks:
            return complain("too many delivery checks are waiting for outbox: is it running?", NOTHING)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for finding in found:
            print(f"{_MARKS[finding['verdict']]}\t{finding['about']}\t{finding['text']}")
    return NOTHING if any(finding["verdict"] == "stop" for finding in found) else DONE
