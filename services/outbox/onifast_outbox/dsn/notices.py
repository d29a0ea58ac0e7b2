"""Notifications on their way: written before a transaction, and queued in one, like any other mail, from nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address

from onifast_outbox import dsn
from onifast_outbox.dsn import RecipientFate, ReturnedMessage
from onifast_outbox.maillog import Queued


@dataclass(frozen=True)
class Notification:
    """A notification that is stored, or on its way into the database, and shown to nobody yet."""

    ref: ContentRef
    to: Address
    subject: str
    requiretls: bool


async def write(
    db: Database,
    returned: ReturnedMessage,
    fates: Sequence[RecipientFate],
    *,
    hostname: str,
    now: float,
    requiretls: bool,
) -> Notification:
    """The notification about these recipients. Secrets stay secret on their way back (RFC 8689 section 5)."""
    raw = dsn.build(returned, fates, hostname=hostname, now=int(now))
    return Notification(await contents.astore(db, raw), returned.sender, dsn.subject(fates[0]), requiretls)


def enqueue(tx: Connection, notice: Notification) -> Queued:
    """Queues a notification together with its cause. No notice is ever sent about it."""
    submission = Submission(
        sender="",
        origin="bounce",
        subject=notice.subject,
        smtputf8=notice.to.needs_smtputf8,
        requiretls=notice.requiretls,
    )
    to = QueuedRecipient(str(notice.to), notify="NEVER")
    return Queued(submission.queue_id, accept.submit_in(tx, notice.ref, submission, [to]).outbox_ids[0])
