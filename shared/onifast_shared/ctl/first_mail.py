"""The command of onifast-mailctl that sends a message of its own, and says what became of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

from onifast_shared.accepting import accept
from onifast_shared.ctl.tools import DONE, NOTHING, UsageError, add, column, number, opened
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.queue.view import OutboxRow
from onifast_shared.recipients import addresses
from onifast_shared.tracing import recorder, watching
from onifast_shared.tracing.store import TooManyWatches, TraceLine, Watched
from onifast_shared.tracing.watching import CannotWatch
from onifast_shared.values import submitters
from onifast_shared.values.address import Address

_LOOK_SECONDS = 0.2
_UNSETTLED = ("pending", "sending")
_GOOD = ("sent", "sandboxed")


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(
        areas, "test-mail", _send, "send a message, and say what became of it: row, status, reply", "recipient"
    )
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="an address here; the first unless given")
    parser.add_argument("--dialogue", action="store_true", help="print what was said to other servers, secrets masked")
    parser.add_argument("--wait", type=number(0, 3600), default=60, metavar="SECONDS", help="how long to wait for that")


def _send(arguments: argparse.Namespace, settings: Settings) -> int:
    recipient = Address.parse(arguments.recipient)
    with opened(settings) as database:
        sender, owner = database.read(lambda tx: _sender(tx, arguments.sender))
        if arguments.dialogue:
            _watch(database, recipient, arguments.wait)
        row_id = _queued(database, settings, sender, owner, recipient)
        row = _settled(database, row_id, arguments.wait)
        said = _said(database, row) if arguments.dialogue else []
    if arguments.json:
        values = {
            name: getattr(row, name) for name in ("id", "sender", "recipient", "status", "attempts", "last_error")
        }
        values |= {"history": [dataclasses.asdict(each) for each in row.history]}
        dialogue = {"dialogue": [each._asdict() for each in said]} if arguments.dialogue else {}
        print(json.dumps(values | dialogue, ensure_ascii=False))
    else:
        for each in said:
            print(each.who, column(each.text), sep="\t")
        print(row.id, row.status, column(_reply(row)), sep="\t")
    return DONE if row.status in _GOOD else NOTHING


def _watch(database: Database, recipient: Address, seconds: float) -> None:
    """Has outbox write the dialogue down. Raises UsageError."""
    watched = Watched(address=str(recipient), direction="out")
    try:
        watching.begin(database, watched, "onifast-mailctl", seconds + recorder.STEP_SECONDS)
    except (CannotWatch, TooManyWatches):
        raise UsageError("outbox cannot be told to write the dialogue down, or too many watch already") from None


def _said(database: Database, row: OutboxRow) -> list[TraceLine]:
    """What was said; it is written a moment after the attempt."""
    time.sleep(3 * recorder.STEP_SECONDS)
    return database.read(lambda tx: watching.of_recipient(tx, row.recipient, row.created_ts))


def _sender(tx: Connection, wanted: str | None) -> tuple[Address, str]:
    """Who it is from, and whose address that is. Raises UsageError, AddressError."""
    if wanted is None:
        page = addresses.list_page(tx, None, addresses.AddressFilter(), 1)
        if not page.rows:
            raise UsageError("there is no address here to send from: onifast-mailctl setup makes a first one")
        return Address.parse(page.rows[0].address), page.rows[0].owner
    address = Address.parse(wanted)
    row = addresses.find(tx, address)
    if row is None:
        raise UsageError(f"{address} is no address here")
    return address, row.owner


def _queued(database: Database, settings: Settings, sender: Address, owner: str, recipient: Address) -> int:
    """Queues the message like any that its sender submits; gives its row."""
    text = (
        f"This message was sent by onifast-mailctl on {settings.hostname}, to try whether mail goes out.\n"
        "What its reader's server thinks of it stands in its header (Authentication-Results).\n"
    )
    draft = Draft(from_=str(sender), to=[str(recipient)], subject=f"Test from {settings.hostname}", text=text)
    raw = compose.build(draft, settings.hostname)
    submission = Submission(
        sender=str(sender),
        origin="smtp",
        owner=owner,
        submitted_by=submitters.by_user(owner),
        subject=draft.subject,
        body_type="7BIT" if raw.isascii() else "8BITMIME",
        smtputf8=sender.needs_smtputf8 or recipient.needs_smtputf8,
    )
    return accept.submit(database, raw, submission, [QueuedRecipient(str(recipient))]).outbox_ids[0]


def _settled(database: Database, row_id: int, patience: float) -> OutboxRow:
    """The row once an attempt was made, or when patience ends. Raises UsageError for a row that was deleted."""
    ends = time.monotonic() + patience
    while True:
        row = database.read(lambda tx: queue_view.get(tx, None, row_id))
        if row is None:
            raise UsageError(f"message {row_id} is gone from the queue")
        if row.status not in _UNSETTLED or time.monotonic() >= ends:
            return row
        time.sleep(_LOOK_SECONDS)


def _reply(row: OutboxRow) -> str:
    """What the last server said, or why there is nothing to tell."""
    if row.status in _UNSETTLED:
        return "not tried yet: does outbox run?"
    last = row.history[-1] if row.history else None
    where = f"{last.host}: " if last and last.host else ""
    return f"{where}{row.last_error or (last.reply if last else '')}"
