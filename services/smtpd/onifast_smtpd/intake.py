"""Intake: what becomes of a message once the client has sent it, up to the moment it is on disk.

Mail of clients that may relay is a submission: it is completed and queued for each recipient. All other mail is for
mailboxes here: its origin is checked, and it goes into them at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, IncomingMessage
from onifast_shared.accepting.distribution import Distribution, ResolvedRecipient, distribute, locate, visited
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.message import forged
from onifast_shared.message.author import FromError, complete_from
from onifast_shared.message.compose import complete_head
from onifast_shared.message.headers import head_within, normalise_newlines, survey, without_mbox_lines
from onifast_shared.message.parsing import Summary
from onifast_shared.message.sections import HeaderSection, RawMessage
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses, quotas
from onifast_shared.recipients.addresses import Expansion, RewrittenSender
from onifast_shared.recipients.directory import CachedDirectory
from onifast_shared.values import srs
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Body, Recipient
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog, policy
from onifast_smtpd.clients.client import Origin
from onifast_smtpd.headers import structure, trace
from onifast_smtpd.milter.filters import FilteredMessage, Milters
from onifast_smtpd.protocol.command import Bare, Path
from onifast_smtpd.protocol.parameters import MailOptions, RcptOptions
from onifast_smtpd.protocol.replies import Refused, refused
from onifast_smtpd.records.deferred_writes import DeferredWrites
from onifast_smtpd.screening import recipients_filters
from onifast_smtpd.screening.refused_whole import RefusedEnvelope, RefusedKeeper, traced
from onifast_smtpd.screening.screener import RefusedWhole, ScreenedMessage, Screener
from onifast_smtpd.submission.fitting import fitted
from onifast_smtpd.submission.outgoing import Outgoing, Submitter
from onifast_smtpd.transaction import AcceptedRecipient, MailTransaction


def check(reply: Reply | None) -> None:
    """Raises Refused for a judgement that is not None."""
    if reply is not None:
        raise Refused(reply)


class Intake:
    """Takes senders, recipients and messages; one for a program."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        directory: CachedDirectory,
        *,
        screener: Screener,
        outgoing: Outgoing,
        milters: Milters,
        deferred_writes: DeferredWrites,
    ) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory
        self._screener = screener
        self._outgoing = outgoing
        self._milters = milters
        self._deferred_writes = deferred_writes
        self._refused_keeper = RefusedKeeper(settings, database)

    async def begin(
        self, transaction: MailTransaction, origin: Origin, path: Path, options: MailOptions, queue_id: str
    ) -> None:
        """Begins a transaction by a MAIL whose sender is rewritten and judged; raises Refused, DatabaseError."""
        check(policy.judge_sender_without_domain(path, relaying=origin.may_relay))
        sender = path if isinstance(path, Address) else None
        if origin.may_relay:
            transaction.submitter = await self._outgoing.begin(origin, path, queue_id)
            sender = transaction.submitter.mail_from
        else:
            transaction.screening = self._screener.screening(origin, sender)
        transaction.begin(origin, sender, options, queue_id)

    async def add_recipient(self, transaction: MailTransaction, path: Address | Bare, options: RcptOptions) -> None:
        """Takes one more recipient; raises Refused, DatabaseError."""
        origin, settings = transaction.origin, self._settings
        check(policy.judge_recipient_count(len(transaction.targets), settings))
        address = policy.qualify_recipient(path, origin.client, settings, relaying=origin.may_relay)
        if address is None:
            raise Refused(policy.no_domain(Bare(path.local)))
        place = await self._locate(address, transaction.options.size)
        null_sender = transaction.sender is None
        check(policy.judge_place(address, place, relaying=origin.may_relay, null_sender=null_sender))
        if transaction.submitter is None:
            await transaction.screening.recipient(address)
        elif address.key not in transaction.targets:
            self._outgoing.judge_recipient(transaction.submitter, len(transaction.targets))
        transaction.add(AcceptedRecipient(address, place.destination, options))

    async def _locate(self, address: Address, size: int) -> ResolvedRecipient:
        """Where a recipient leads, and whether there is room; from memory wherever nothing has changed."""
        settings = self._settings
        if srs.is_rewritten(address):  # what it leads to depends on the time
            return await self._database.aread(lambda tx: locate(tx, address, size, settings))
        destination = await self._directory.ask(
            ("destination", address), lambda tx: addresses.expand(tx, address, settings)
        )
        if not isinstance(destination, Expansion) or not await self._is_limited(destination):
            return ResolvedRecipient(destination)
        mailboxes = destination.mailboxes
        return ResolvedRecipient(
            destination, await self._database.aread(lambda tx: quotas.judge(tx, mailboxes, size, settings))
        )

    async def _is_limited(self, expansion: Expansion) -> bool:
        """Whether a quota holds for any of the mailboxes: only then does it matter how full they are."""
        mailboxes, settings = expansion.mailboxes, self._settings
        return await self._directory.ask(("limited", mailboxes), lambda tx: quotas.exist(tx, mailboxes, settings))

    async def take(self, transaction: MailTransaction) -> None:
        """Makes the content durable, under the transaction's queue id. Raises Refused, DatabaseError."""
        message = await self._well_formed(transaction)
        if transaction.submitter is None:
            await self._deliver(transaction, message)
        else:
            await self._submit(transaction, transaction.submitter, message)

    async def _well_formed(self, transaction: MailTransaction) -> RawMessage:
        """The message that came, its header section found; raises Refused where some reader could not bear it."""
        raw, settings = transaction.content or b"", self._settings
        octets = head_within(raw, settings.max_header_size)
        if octets is None:
            raise Refused(structure.head_too_large(settings))
        raw, octets = without_mbox_lines(raw, octets)  # before signatures are checked: none covers it
        # A binary body has no lines; its header has (RFC 3030 section 3).
        lines = octets if transaction.is_binary else raw
        bare, is_ascii = survey(lines)
        message = RawMessage(raw, HeaderSection(octets), is_ascii=is_ascii if lines is raw else None)
        check(structure.judge_line_ends(settings, bare=bare, local=transaction.origin.client.is_loopback))
        check(structure.judge_head(message.head, settings))
        check(structure.judge_lines(lines, settings))
        if structure.may_have_many_parts(message, settings):
            check(await asyncio.to_thread(structure.judge_parts, raw, settings))
        return RawMessage.of(normalise_newlines(raw)) if bare and not transaction.is_binary else message

    # Submissions

    async def _submit(self, transaction: MailTransaction, submitter: Submitter, message: RawMessage) -> None:
        message = await fitted(message, transaction.queue_id, is_binary=transaction.is_binary)
        head = await self._completed(submitter, transaction.sender, message.head)
        if self._milters.are_there:
            message = await self._filtered(transaction, message.with_head(head))
            head = message.head
        # The body is copied once, however much its header changes.
        body = message.body
        octets = b"".join((self._received(transaction), head.octets, b"\r\n", body))
        head_size = len(octets) - len(body)
        is_ascii = octets[:head_size].isascii() if message.is_ascii else octets.isascii()
        submission = Submission(
            sender=transaction.mail_from or "",
            origin="smtp",
            owner=submitter.owner,
            submitted_by=transaction.origin.submitted_by,
            subject=Summary.of(head).subject,
            body_type=_body_type(transaction, is_ascii=is_ascii),
            smtputf8=_needs_smtputf8(transaction, octets, head_size),
            requiretls=transaction.options.requiretls,
            ret=transaction.options.ret,
            envid=transaction.options.envid,
            release_ts=transaction.options.release_ts(time.time()),
            queue_id=transaction.queue_id,
        )
        recipients = [target.queued for target in transaction.targets.values()]
        admit = self._outgoing.admission(submitter, len(recipients))
        try:
            await accept.asubmit(self._database, octets, submission, recipients, admit=admit)
        except LimitExceeded as exceeded:
            raise self._outgoing.refusal(submitter, exceeded) from None
        self._outgoing.admitted(submitter, len(recipients))
        self._accepted(transaction, len(octets))

    async def _completed(self, submitter: Submitter, sender: Address | None, head: HeaderSection) -> HeaderSection:
        """A submission's header with all that it needs, and with nothing that only we may write. Raises Refused."""
        hostname = self._settings.hostname
        author = sender or Address("mailer-daemon", hostname)
        try:
            head = complete_from(submitter.rewriter.header(head), author)
        except FromError as error:
            raise refused(550, "5.6.0", str(error)) from None
        await self._outgoing.judge_from(submitter, head)
        head = head.renewed(forged.remove(head.octets, hostname))
        return complete_head(head, sender=author, hostname=hostname)

    async def _filtered(self, transaction: MailTransaction, message: RawMessage) -> RawMessage:
        """A submission as the content filters leave it; raises Refused.

        What a filter puts aside is refused: its sender is to know that it does not go out.
        """
        recipients = transaction.recipients
        result = await self._milters.filter(
            FilteredMessage(transaction.origin, transaction.queue_id, transaction.sender, recipients, message)
        )
        check(result.refusal)
        if result.quarantine is not None:
            raise refused(550, "5.7.1", f"message put aside by a content filter: {result.reason}")
        return result.message

    # Mail for mailboxes here

    async def _deliver(self, transaction: MailTransaction, message: RawMessage) -> None:
        check(structure.judge_nul(message.octets, is_binary=transaction.is_binary))
        places = await self._places(transaction, message)
        received_field = self._received(transaction)
        try:
            judged = await transaction.screening.message(
                message, received_field, transaction.recipients, transaction.queue_id, self._reader(places)
            )
        except RefusedWhole as refusal:
            client = transaction.origin.client.address
            envelope = RefusedEnvelope(client, transaction.sender, places, transaction.queue_id)
            refusal.kept = await self._refused_keeper.keep(refusal.judged, received_field, envelope)
            raise
        octets = traced(judged, received_field)
        distribution = distribute(transaction.sender, places, folder=judged.folder)
        await self._ask_filters(distribution, octets)
        incoming = IncomingMessage(
            transaction.mail_from or "",
            distribution.deliveries,
            judged.authentication,
            self._settings.file_copies,
            self._onward(transaction, distribution, judged.message, octets),
            _acknowledged(transaction, places, judged),
            transaction.options.envid,
            transaction.queue_id,
        )
        await accept.deliver(self._database, octets, incoming)
        self._accepted(transaction, len(octets), judged.summary)

    async def _ask_filters(self, distribution: Distribution, octets: bytes) -> None:
        """Raises Refused where the filters of all recipients refuse the message; DatabaseError."""
        found = await recipients_filters.judge(
            self._database, self._directory, distribution.deliveries, octets, goes_on=bool(distribution.passing)
        )
        if found is None:
            return
        now = time.time()
        self._deferred_writes.jot(lambda tx: recipients_filters.note(tx, found, now))
        names = ", ".join(f"“{each.name}”" for each in found.filters)
        raise Refused(found.reply, {"why": [f"Refused by a filter of its recipient: {names}."]})

    async def _places(
        self, transaction: MailTransaction, message: RawMessage
    ) -> dict[Recipient, Expansion | RewrittenSender]:
        """Where the message goes, now that its header is known; raises Refused if it goes in a circle."""
        been = visited(Summary.of(message.head))
        places: dict[Recipient, Expansion | RewrittenSender] = {}
        for target in transaction.targets.values():
            match target.destination:
                case Expansion() as expansion:
                    if not (places.setdefault(target.recipient, expansion.without(been))):
                        raise Refused(policy.looping(target.address))
                case RewrittenSender() as returned:
                    places[target.recipient] = returned
        await self._check_room(places, len(message.octets))
        return places

    def _reader(self, places: Mapping[Recipient, Expansion | RewrittenSender]) -> str:
        """The one user whose mail it is, where a junk filter learns for each user apart; "" for several."""
        if self._settings.scanner_learns_at is None:
            return ""
        owners = {box.owner for place in places.values() if isinstance(place, Expansion) for box in place.mailboxes}
        return owners.pop() if len(owners) == 1 else ""

    async def _check_room(self, places: Mapping[Recipient, Expansion | RewrittenSender], size: int) -> None:
        """One message has one reply: it is taken where anybody has room, now that its size is known."""

        def judge(tx: Connection) -> list[Reply | None]:
            return [
                policy.judge_room(recipient.address, quotas.judge(tx, place.mailboxes, size, self._settings))
                for recipient, place in places.items()
                if isinstance(place, Expansion)
            ]

        if not any([await self._is_limited(place) for place in places.values() if isinstance(place, Expansion)]):
            return
        refusals = await self._database.aread(judge)
        if len(refusals) == len(places) and all(refusals):
            check(refusals[0])

    def _onward(
        self, transaction: MailTransaction, distribution: Distribution, message: RawMessage, octets: bytes
    ) -> ForwardedMessage | None:
        """What goes on elsewhere, and how; `octets` are the message below our trace fields, as it is stored."""
        if not distribution.passing:
            return None
        head_size = len(octets) - len(message.octets) + len(message.head.octets)
        envelope = Submission(
            sender="",
            origin="forward",
            subject=Summary.of(message.head).subject,
            body_type=_body_type(transaction, is_ascii=octets.isascii()),
            smtputf8=_needs_smtputf8(transaction, octets, head_size),
            requiretls=transaction.options.requiretls,
            ret=transaction.options.ret,
            envid=transaction.options.envid,
            queue_id=transaction.queue_id,
        )
        return ForwardedMessage(distribution.passing, self._settings, envelope)

    def _received(self, transaction: MailTransaction) -> bytes:
        recipients = transaction.recipients
        return trace.received(
            trace.TraceInformation(
                transaction.origin,
                self._settings.hostname,
                transaction.queue_id,
                _moment(int(time.time())),
                smtputf8=transaction.smtp_utf8,
                recipient=recipients[0] if len(recipients) == 1 else None,
            )
        )

    def _accepted(self, transaction: MailTransaction, size: int, results: str | None = None) -> None:
        maillog.accepted(
            transaction.queue_id,
            transaction.origin,
            mail_from=transaction.sender,
            recipients=transaction.recipients,
            size=size,
            results=results,
        )


@lru_cache(maxsize=4)
def _moment(second: int) -> datetime:
    """A time in whole seconds, which many messages share: its text is looked up by its hash, which it computes once."""
    return datetime.fromtimestamp(second, UTC)


def _acknowledged(
    transaction: MailTransaction, places: Mapping[Recipient, Expansion | RewrittenSender], judged: ScreenedMessage
) -> list[QueuedRecipient]:
    """Recipients whose mail ends its way in mailboxes here, and whose sender asked to be told (RFC 3461 section 4.1).

    The next server tells them (section 5.2.7). What seems forged, or junk, gets no answer: it would
    trouble somebody who has sent nothing.
    """
    asked = [target for target in transaction.targets.values() if "SUCCESS" in (target.options.notify or "")]
    if not asked or transaction.sender is None:
        return []
    if judged.folder == "junk" or judged.authentication.get("spf") in ("fail", "softfail"):
        return []
    return [target.queued for target in asked if _ends_here(places.get(target.recipient))]


def _ends_here(place: Expansion | RewrittenSender | None) -> bool:
    return isinstance(place, Expansion) and bool(place.mailboxes) and not place.forwards


def _body_type(transaction: MailTransaction, *, is_ascii: bool) -> Body:
    """What the next hop must be able to take; looked at, since programs declare 7BIT for what is not."""
    if transaction.is_binary:
        return "BINARYMIME"
    return "7BIT" if is_ascii else "8BITMIME"


def _needs_smtputf8(transaction: MailTransaction, octets: bytes, head_size: int) -> bool:
    """Whether the next hop must know SMTPUTF8: the client said so, and something in the message is why (RFC 6531)."""
    if not transaction.smtp_utf8:
        return False
    mailboxes = [*transaction.recipients, *([transaction.sender] if transaction.sender else [])]
    return any(address.needs_smtputf8 for address in mailboxes) or not octets[:head_size].isascii()
