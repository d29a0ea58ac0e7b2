"""Tells senders what no delivery of this moment tells them: that their mail is late, or that it has arrived here.

Both are looked for every few seconds, one message at a time. A notice is queued in the transaction that marks its cause
as told, so that each sender hears of it once, however many processes look. Of many delays a sender hears in one notice:
a site that is down must not fill their mailbox.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from onifast_shared.accepting import arrivals
from onifast_shared.accepting.arrivals import Arrival
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.message.headers import split_head
from onifast_shared.queue import delays
from onifast_shared.queue.delays import Delayed, DelayedRow
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.envelope import Recipient
from onifast_shared.values.reply import Deferred, Delivered, Reply, Trail

from onifast_outbox import dsn, maillog
from onifast_outbox.dsn import RecipientFate, ReturnedMessage, late_summary, notices
from onifast_outbox.dsn.notice_rate import NoticeRate
from onifast_outbox.dsn.notices import Notification
from onifast_outbox.maillog import Queued
from onifast_outbox.schedule import Schedule


class Notifier:
    """One for a program. `now` gives epoch seconds."""

    def __init__(self, db: Database, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._settings = settings
        self._schedule = Schedule.of(settings)
        self._now = now
        self._notice_rate = NoticeRate()

    async def tell(self) -> None:
        """One round: everything that is to be told now. Raises DatabaseError."""
        while arrival := await self._db.aread(arrivals.oldest):
            await self._tell_arrival(arrival)
        if not self._settings.delay_notice_after:
            return
        before = self._now() - self._settings.delay_notice_after
        while delayed := await self._db.aread(lambda tx: delays.oldest(tx, before)):
            await self._tell_delay(delayed, before)

    async def _tell_delay(self, delayed: Delayed, before: float) -> None:
        sender = delayed.submission.sender
        manner = self._notice_rate.manner(sender, self._now())
        if manner == "singly" and _address(sender) is not None:
            await self._tell_of_one(delayed)
        else:
            await self._tell_of_many(delayed, before, in_words=manner == "summary")

    async def _tell_of_one(self, delayed: Delayed) -> None:
        notice = await self._made(self._delay_notice(delayed))
        ids = [row.id for row in delayed.rows]

        def mark(tx: Connection) -> Queued | None:
            # A row that has gone since, or that another process has told of, makes the notice wrong: look anew.
            return notices.enqueue(tx, notice) if delays.note(tx, ids) and notice else None

        queued = await self._db.awrite(mark)
        if queued is not None:
            self._notice_rate.note(delayed.submission.sender, self._now())
            maillog.told("delayed", delayed.submission.queue_id, delayed.submission.sender, queued)

    async def _tell_of_many(self, first: Delayed, before: float, *, in_words: bool) -> None:
        """Marks what else is late of this sender's as told, as much as one step may; `in_words` tells them of it."""
        submission = first.submission
        more = await self._db.aread(lambda tx: delays.alike(tx, submission, before))
        rows = list({row.id: row for row in (*first.rows, *more)}.values())
        ids = [row.id for row in rows]
        notice = await self._made(self._summary(submission, rows)) if in_words else None

        def mark(tx: Connection) -> Queued | None:
            # Rows that have gone since are left out, and change little of what the notice says.
            return notices.enqueue(tx, notice) if delays.note_waiting(tx, ids) and notice else None

        queued = await self._db.awrite(mark)
        if queued is not None:
            self._notice_rate.note(submission.sender, self._now())
            maillog.told("delayed", submission.queue_id, submission.sender, queued)

    async def _made(self, making: Awaitable[Notification | None]) -> Notification | None:
        """A notice; none where a bug of ours is in its way, which must not keep the others waiting for ever."""
        try:
            return await making
        except DatabaseError:
            raise
        except Exception:
            maillog.unforeseen("writing a notice")
            return None

    async def _delay_notice(self, delayed: Delayed) -> Notification | None:
        """None where the sender does not want to know, or will be told more before long."""
        submission, sender = delayed.submission, _address(delayed.submission.sender)
        late = self._worth_telling(submission, delayed.rows)
        if sender is None or not late:
            return None
        arrived = min(row.queued_ts for row in delayed.rows)
        return await self._write(
            delayed.content_id, sender, arrived, submission.envid, late, requiretls=submission.requiretls
        )

    async def _summary(self, submission: Submission, rows: Sequence[DelayedRow]) -> Notification | None:
        """None where the sender does not want to know."""
        sender, late = _address(submission.sender), self._worth_telling(submission, rows)
        if sender is None or not late:
            return None
        raw = late_summary.build(
            sender,
            late,
            hostname=self._settings.hostname,
            until=self._notice_rate.until(submission.sender, self._now()),
            are_all=len(rows) < delays.MOST_ROWS,
        )
        return Notification(await contents.astore(self._db, raw), sender, late_summary.SUBJECT, submission.requiretls)

    def _worth_telling(self, submission: Submission, rows: Sequence[DelayedRow]) -> list[RecipientFate]:
        """Those of the recipients that the sender wants to hear of, and will not be told more of before long."""
        sender, now = _address(submission.sender), int(self._now())
        return [
            fate
            for row in rows
            if (fate := _late(row, self._schedule.end(queued=row.queued_ts, now=now, returnable=True)))
            and fate.until is not None
            and fate.until > now
            and dsn.is_wanted(sender, fate.recipient, fate.outcome, forwarded=submission.forwarded_by is not None)
        ]

    async def _tell_arrival(self, arrival: Arrival) -> None:
        notice = await self._made(self._arrival_notice(arrival))

        def mark(tx: Connection) -> Queued | None:
            return notices.enqueue(tx, notice) if arrivals.remove(tx, arrival) and notice else None

        queued = await self._db.awrite(mark)
        if queued is not None:
            maillog.told("arrived", arrival.queue_id, arrival.sender, queued)

    async def _arrival_notice(self, arrival: Arrival) -> Notification | None:
        sender = _address(arrival.sender)
        outcome = Delivered(Reply(250, "2.1.5", "delivered to a mailbox here"))
        fates = [
            RecipientFate(
                Recipient(address, orcpt=dsn.clean(each.orcpt)),
                outcome,
                1,
                tried=arrival.arrived_ts,
                queue_id=arrival.queue_id,
            )
            for each in arrival.recipients
            if (address := _address(each.address))
        ]
        if sender is None or not fates:
            return None
        return await self._write(arrival.content_id, sender, arrival.arrived_ts, arrival.envid, fates)

    async def _write(
        self,
        content_id: int,
        sender: Address,
        arrived: int,
        envid: str | None,
        fates: Sequence[RecipientFate],
        *,
        requiretls: bool = False,
    ) -> Notification:
        head = await self._db.aread(lambda tx: _head(tx, content_id))
        returned = ReturnedMessage(head, sender, arrived, envid=dsn.clean(envid))
        hostname, now = self._settings.hostname, self._now()
        return await notices.write(self._db, returned, fates, hostname=hostname, now=now, requiretls=requiretls)


def _late(row: DelayedRow, until: int) -> RecipientFate | None:
    address = _address(row.recipient)
    if address is None:
        return None
    # What put the row off last need not have been an attempt: then nobody said anything, and the row tells the reason.
    said = row.said if row.said and str(row.said) == row.last_error else None
    outcome = Deferred(said or Reply(451, "4.4.7", row.last_error), Trail(row.host) if said else Trail())
    recipient = Recipient(address, dsn.clean(row.notify), dsn.clean(row.orcpt))
    return RecipientFate(recipient, outcome, row.attempts, tried=row.tried_ts, until=until, queue_id=row.queue_id)


def _arrived(address: Address, recipient: QueuedRecipient) -> Recipient:
    return Recipient(address, orcpt=dsn.clean(recipient.orcpt))


def _head(tx: Connection, content_id: int) -> bytes:
    """The header of a message; nothing where its recipient has deleted it for good."""
    try:
        return split_head(contents.head(tx, content_id))[0]
    except KeyError:
        return b""


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None
