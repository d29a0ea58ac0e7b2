"""A test of how mail leaves: a real message to an address, and the dialogue with the servers that it came to."""

from __future__ import annotations

from typing import NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.message.compose import Draft
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import OutboxRow
from onifast_shared.recipients import addresses
from onifast_shared.tracing import store, watching
from onifast_shared.tracing.store import TooManyWatches, TraceLine, Watched
from onifast_shared.tracing.watching import CannotWatch

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import sending
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

WATCH_SECONDS = 120
MOST_AT_ONCE = 3
"""Tests that may be watched at one time: it is no means to look for servers, and the limits on mail hold besides."""

WATCHER = "test"


class DeliveryTest(NamedTuple):
    """What became of a test so far: its row of the queue, and what was said to servers."""

    row: OutboxRow
    lines: list[TraceLine]

    @property
    def is_over(self) -> bool:
        """Whether an attempt has been made, or none will be."""
        return self.row.status not in ("pending", "sending")


def begin(web: Web, caller: Caller, sender: str, recipient: str) -> int:
    """Queues the message like any that its sender writes; the id of its row.

    `sender` is one of the caller's addresses, "" for their first. Raises DraftError for an address that is wrong or
    suppressed, Problem(403) for a sender that is not the caller's, Problem(409) where there is none, Problem(429),
    Problem(503).
    """
    username = caller.username or ""
    from_ = sender or str(web.database.read(lambda tx: addresses.primary_address(tx, username)) or "")
    if not from_:
        raise Problem(409, _("You have no address to send from."))
    if web.database.read(lambda tx: _under_way(tx, web.clock())) >= MOST_AT_ONCE:
        raise Problem(429, _("Other tests are under way; try again in two minutes."))
    hostname = web.settings.hostname
    text = (
        f"This message was sent by an administrator of {hostname}, to try whether mail goes out.\n"
        "What its reader's server thinks of it stands in its header (Authentication-Results).\n"
    )
    draft = Draft(from_=from_, to=[recipient], subject=f"Test from {hostname}", text=text)
    try:
        watching.begin(web.database, Watched(address=recipient, direction="out"), WATCHER, WATCH_SECONDS)
    except TooManyWatches:
        raise Problem(429, _("Too many watch already.")) from None
    except CannotWatch:
        raise Problem(503, _("The programs cannot be told that somebody watches.")) from None
    return sending.send(web, caller, draft, origin="web").outbox_ids[0]


def look(web: Web, outbox_id: int) -> DeliveryTest | None:
    """What became of it so far; None where there is no such row."""

    def found(tx: Connection) -> DeliveryTest | None:
        row = queue_view.get(tx, None, outbox_id)
        if row is None or not row.subject.startswith("Test from "):
            return None
        return DeliveryTest(row, watching.of_recipient(tx, row.recipient, row.created_ts))

    return web.database.read(found) if 0 < outbox_id < 2**63 else None


def _under_way(tx: Connection, now: float) -> int:
    return store.count_watches(tx, WATCHER, now)
