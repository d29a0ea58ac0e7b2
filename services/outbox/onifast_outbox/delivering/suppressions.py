"""What becomes of mail to a suppressed recipient: its sender is told at once, and nobody else is troubled."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from onifast_shared.db.database import Connection
from onifast_shared.queue import suppressions
from onifast_shared.queue.store import QueueRow, Submission
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient
from onifast_shared.values.reply import Failed, Reply

from onifast_outbox.delivering.settling import RecipientResult

_LIST = "the page Suppressed addresses of the webmail"


def look(tx: Connection, submission: Submission, recipients: Iterable[Address]) -> dict[Address, Suppression]:
    """Those of a message's recipients that its owner's mail is not sent to.

    Whose address only forwards a stranger's mail decides on their own mail, not on whom the stranger's reaches.
    """
    if not submission.owner or submission.forwarded_by:
        return {}
    return suppressions.find(tx, submission.owner, recipients, time.time())


def refuse(row: QueueRow, recipient: Recipient, found: Suppression) -> RecipientResult:
    """The failure of a row whose recipient is suppressed for its owner."""
    reply = Reply(550, "5.1.1", f"not sent, since {found.why(_day(found.created_ts))}")
    return RecipientResult(row, recipient, Failed(reply), untried=_words(found))


def _words(found: Suppression) -> tuple[str, str]:
    if found.origin == "manual":
        return (
            "It was not sent, since this address is on your list of suppressed addresses.",
            f"If you want to write to it, take it off the list: {_LIST}.",
        )
    end = f" That ends by itself on {_day(found.expires_ts)}." if found.expires_ts is not None else ""
    return (
        "It was not sent, since an earlier message of yours to this address came back.",
        f"Check the address. If there is such a mailbox by now, lift its suppression: {_LIST}.{end}",
    )


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y").lstrip("0")
