"""The one door: takes responsibility for a message, in one durable transaction, before anybody is told so.

SMTP, webmail, API, bounces and the deliverer's local recipients all come through here. When a function returns, the
message is on disk; when it raises DatabaseError, nothing of it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onifast_shared.accepting import arrivals
from onifast_shared.accepting.arrivals import Arrival
from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import store as departed
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.queue import store as queue
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values import queue_ids, srs, submitters
from onifast_shared.values.address import Address


@dataclass(frozen=True)
class LocalDelivery:
    """A local recipient: whose mailbox, for which address, and the header lines of this copy alone.

    What is not judged yet is judged for its owner, moments later, by outbox.
    """

    owner: str
    recipient: str
    trace: bytes = b""
    folder: str = "inbox"
    is_judged: bool = False


@dataclass(frozen=True)
class ForwardedRecipient:
    """A recipient that the message goes on to, elsewhere: by which address of ours, and whose forward it is."""

    recipient: QueuedRecipient
    by: Address
    owner: str | None = None


@dataclass(frozen=True)
class ForwardedMessage:
    """What goes on, and the rest of its envelope. A sender that is not ours is rewritten as it is queued (SRS)."""

    passing: Sequence[ForwardedRecipient]
    settings: Settings
    envelope: Submission


@dataclass(frozen=True)
class IncomingMessage:
    """A message for mailboxes here, and to be forwarded.

    `reverse_path` '' is the null one; `authentication` is stored as JSON. That it has arrived is told to its sender for
    the recipients in `acknowledged`, with their `envid` (RFC 3461). `queue_id` is the message's one name.
    """

    reverse_path: str
    deliveries: Sequence[LocalDelivery]
    authentication: dict[str, Any] | None = None
    file_copies: bool = True
    onward: ForwardedMessage | None = None
    acknowledged: Sequence[QueuedRecipient] = ()
    envid: str | None = None
    queue_id: str = field(default_factory=queue_ids.new, compare=False)


@dataclass(frozen=True)
class SentCopy:
    """The sender's own copy. `bcc` is shown to them alone."""

    owner: str
    recipients: str
    bcc: str = ""


@dataclass(frozen=True)
class AcceptedSubmission:
    """What became of a submission: its queue rows, and the copy in sent if one was asked for."""

    outbox_ids: list[int]
    email_id: int | None = None


Admission = Callable[[Connection], None]
"""Counts a message against limits, in the transaction that queues it; raises to keep it out."""


@dataclass(frozen=True)
class AcceptedIncoming:
    """What became of an incoming message: its rows in mailboxes, and those in the queue."""

    email_ids: list[int]
    outbox_ids: list[int]


async def deliver(db: Database, raw: bytes, incoming: IncomingMessage) -> AcceptedIncoming:
    """Puts a message into mailboxes, and into the queue what is forwarded, at once."""
    ref = await contents.astore(db, raw)
    return await db.awrite(lambda tx: deliver_in(tx, contents.attach(tx, ref), len(raw), incoming))


def deliver_in(tx: Connection, content_id: int, size: int, incoming: IncomingMessage) -> AcceptedIncoming:
    """`deliver` inside a transaction of the caller's, for bytes that are stored already."""
    now = time.time()
    email_ids = _put(tx, content_id, size, incoming, now)
    if incoming.acknowledged:
        recipients = tuple(incoming.acknowledged)
        arrivals.add(tx, Arrival(content_id, incoming.reverse_path, incoming.envid, int(now), recipients))
    return AcceptedIncoming(email_ids, _pass_on(tx, content_id, incoming, now))


def _put(tx: Connection, content_id: int, size: int, incoming: IncomingMessage, now: float) -> list[int]:
    return [
        mailbox.add(
            tx,
            owner=departed.keeper_of(tx, delivery.owner, delivery.recipient, now),
            recipient=delivery.recipient,
            reverse_path=incoming.reverse_path,
            content_id=content_id,
            size=size,
            now=now,
            folder=delivery.folder,
            trace=delivery.trace,
            authentication=incoming.authentication,
            file_copy=incoming.file_copies,
            queue_id=incoming.queue_id,
            is_judged=delivery.is_judged,
        )
        for delivery in incoming.deliveries
    ]


def _pass_on(tx: Connection, content_id: int, incoming: IncomingMessage, now: float) -> list[int]:
    onward = incoming.onward
    if onward is None:
        return []
    envelope = replace(onward.envelope, queue_id=incoming.queue_id)
    return [
        row_id
        for each in onward.passing
        for row_id in pass_on(
            tx, content_id, each, envelope, reverse_path=incoming.reverse_path, settings=onward.settings, now=now
        )
    ]


def pass_on(
    tx: Connection,
    content_id: int,
    passing: ForwardedRecipient,
    envelope: Submission,
    *,
    reverse_path: str,
    settings: Settings,
    now: float,
) -> list[int]:
    """Queues a message that goes on to an address elsewhere; `envelope` has what does not hang on the forward."""
    submission = replace(
        envelope,
        sender=_forwarded_sender(tx, reverse_path, passing.by, settings, now),
        origin="forward",
        owner=departed.forwarder_of(tx, passing.owner, str(passing.by), now),
        submitted_by=submitters.by_forward(passing.by),
        written_by=queue.written_by(envelope),
    )
    return queue.enqueue(tx, content_id, submission, [passing.recipient], now)


def _forwarded_sender(tx: Connection, reverse_path: str, by: Address, settings: Settings, now: float) -> str:
    """The envelope's sender beyond this host, such that SPF allows it and bounces find their way."""
    if not reverse_path:
        return ""
    sender = Address.parse(reverse_path)
    if addresses.is_local_domain(tx, sender.domain, settings):
        return reverse_path
    return str(srs.rewrite(sender, by.domain, shared_keys.obtain(tx, shared_keys.SRS), now))


async def asubmit(
    db: Database,
    raw: bytes,
    submission: Submission,
    recipients: Sequence[QueuedRecipient],
    sent_copy: SentCopy | None = None,
    *,
    admit: Admission | None = None,
) -> AcceptedSubmission:
    """Queues a message for all its recipients, local ones too; raises what `admit` raises, and then queues nothing."""
    ref = await contents.astore(db, raw)
    return await db.awrite(lambda tx: submit_in(tx, ref, submission, recipients, sent_copy, admit=admit))


def submit(
    db: Database,
    raw: bytes,
    submission: Submission,
    recipients: Sequence[QueuedRecipient],
    sent_copy: SentCopy | None = None,
    *,
    admit: Admission | None = None,
) -> AcceptedSubmission:
    """`asubmit` for threads."""
    ref = contents.store(db, raw)
    return db.write(lambda tx: submit_in(tx, ref, submission, recipients, sent_copy, admit=admit))


def submit_in(
    tx: Connection,
    ref: ContentRef,
    submission: Submission,
    recipients: Sequence[QueuedRecipient],
    sent_copy: SentCopy | None = None,
    *,
    admit: Admission | None = None,
) -> AcceptedSubmission:
    """`submit` inside a transaction of the caller's: a bounce is queued as its cause is settled."""
    if admit is not None:
        admit(tx)
    now = time.time()
    content_id = contents.attach(tx, ref)
    email_id = (
        None
        if sent_copy is None
        else _keep(tx, content_id, size=ref.size, submission=submission, sent_copy=sent_copy, now=now)
    )
    if email_id is not None:
        submission = replace(submission, email_id=email_id)
    ids = queue.enqueue(tx, content_id, submission, recipients, now)
    return AcceptedSubmission(ids, email_id)


def _keep(
    tx: Connection, content_id: int, *, size: int, submission: Submission, sent_copy: SentCopy, now: float
) -> int:
    return mailbox.add(
        tx,
        owner=sent_copy.owner,
        recipient=sent_copy.recipients,
        reverse_path=submission.sender,
        content_id=content_id,
        size=size,
        # What is to be sent later stands in sent under that time, where it will have been sent.
        now=now if submission.undo else max(now, submission.release_ts),
        folder="sent",
        trace=f"Bcc: {sent_copy.bcc}\r\n".encode() if sent_copy.bcc else b"",
        is_read=True,
        queue_id=submission.queue_id,
    )
