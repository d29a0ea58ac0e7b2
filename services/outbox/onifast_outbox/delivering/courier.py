"""Delivers one claimed message to its recipients: into mailboxes here, to the servers of other domains, or not at all.

Each result is committed before the connection that brought it carries anything else. The claim's token is compared
before the final dot and again in the transaction that writes the result, so of two deliverers only one counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from onifast_shared.accepting.distribution import ResolvedRecipient, visited
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.message.conversion import Unconvertible
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import Summary, summary
from onifast_shared.queue import store as queue
from onifast_shared.queue.claims import SMALL
from onifast_shared.queue.store import Claim, QueueRow
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.recipients.addresses import Remote
from onifast_shared.transport.sources import Sources
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.envelope import Envelope, Recipient, Ret
from onifast_shared.values.reply import Deferred, Failed, Outcome, Reply

from onifast_outbox import maillog
from onifast_outbox.delivering import sandbox, suppressions
from onifast_outbox.delivering.connections import OutgoingConnections, RoutedMessage
from onifast_outbox.delivering.envelope_ids import EnvelopeIds
from onifast_outbox.delivering.local import deliver_here
from onifast_outbox.delivering.preparing import Preparer
from onifast_outbox.delivering.routing import MailExchangers, Route, Unroutable
from onifast_outbox.delivering.sandbox import CapturedRows
from onifast_outbox.delivering.settling import ClaimedMessage, RecipientResult, Settler
from onifast_outbox.delivering.snapshot import DeliverySnapshot
from onifast_outbox.dsn import clean
from onifast_outbox.signing.signer import Signer
from onifast_outbox.smtp.client import ClaimLost, Content
from onifast_outbox.tls_policy.policy import is_waived_by

T = TypeVar("T")

# A message that went through so many servers goes in a circle (RFC 5321 section 6.3).
MAX_HOPS = 50

# Recipients whose whereabouts are looked up within the transaction that claims them.
MOST_ROWS_AT_ONCE = 5


@dataclass(frozen=True)
class ClaimedRecipient:
    """A recipient on the delivery's tour: the row, and the address in it with its DSN parameters."""

    row: QueueRow
    recipient: Recipient


class SharedBytes:
    """A message's bytes, which several deliveries share for as long as one of them needs them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


@dataclass(frozen=True)
class ClaimFacts:
    """What one snapshot of the database says about a claim: `servers` are routes by smart hosts, by domain."""

    message: SharedBytes
    head: Summary
    places: Mapping[int, ResolvedRecipient]
    servers: Mapping[str, Route | Deferred | None]
    sources: Sources
    suppressed: Mapping[Address, Suppression]
    captured: CapturedRows


class Courier:
    """Delivers claims, any number at a time: whoever hands them over bounds that."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        *,
        settler: Settler,
        signer: Signer,
        exchangers: MailExchangers,
        connections: OutgoingConnections,
    ) -> None:
        self._db = db
        self._settings = settings
        self._settler = settler
        self._preparer = Preparer(signer)
        # Large messages are read and prepared one after another: each takes several times its size meanwhile.
        self._large_turn = asyncio.Lock()
        self._shared: WeakValueDictionary[int, SharedBytes] = WeakValueDictionary()
        self._exchangers = exchangers
        self._connections = connections
        self._envelope_ids = EnvelopeIds(db)

    async def deliver(self, claim: Claim, facts: ClaimFacts | None = None) -> Sequence[Outcome]:
        """Tries each of the claim's recipients once and settles them all; returns their outcomes.

        `facts` is what `load` gave. Raises nothing but a cancellation.
        """
        outcomes: list[Outcome] = []
        try:
            await self._deliver(claim, facts, outcomes)
        except asyncio.CancelledError:
            await self._settler.give_back(claim, claim.rows)
            raise
        except (ClaimLost, DatabaseError) as error:
            maillog.trouble("delivering", error, claim.submission.queue_id)
            await self._settler.give_back(claim, claim.rows)
        except Exception:
            maillog.unforeseen("delivering", claim.submission.queue_id)
            await self._settle_as_unforeseen(claim)
        return outcomes

    async def close(self) -> None:
        """Waits for what is computed; nothing more can be delivered."""
        await self._preparer.close()

    def load(self, snapshot: DeliverySnapshot, claim: Claim) -> ClaimFacts | None:
        """What a delivery has to know, from the transaction that claims; None where that would keep others waiting."""
        if claim.content is None or len(claim.rows) > MOST_ROWS_AT_ONCE:
            return None
        return self._load(snapshot, claim, _recipients(claim)[0])

    async def _settle_as_unforeseen(self, claim: Claim) -> None:
        """A bug of ours: rows that are not settled yet wait for the next attempt, like any other trouble."""
        outcome = Deferred(Reply(451, "4.3.0", "an unforeseen error on this server; it will be tried again"))
        claimed = ClaimedMessage(claim, b"", None, time.time(), time.monotonic())
        results = [RecipientResult(row, Recipient(Address(row.recipient, "")), outcome) for row in claim.rows]
        await self._settler.settle(claimed, results)

    async def _deliver(self, claim: Claim, facts: ClaimFacts | None, outcomes: list[Outcome]) -> None:
        submission, started, started_clock = claim.submission, time.time(), time.monotonic()
        recipients, refused = _recipients(claim)
        if facts is None:
            async with self._turn(claim):
                facts = await self._db.aread(
                    lambda tx: self._load(DeliverySnapshot(tx, self._settings), claim, recipients)
                )
        mail_from, bad_sender = _mail_from(submission.sender)
        claimed = ClaimedMessage(
            claim,
            facts.message.raw,
            mail_from,
            started,
            started_clock,
            _ret(submission.ret),
            clean(submission.envid),
            facts.head.message_id,
            outcomes,
        )
        if bad_sender:
            refused += [RecipientResult(each.row, each.recipient, bad_sender) for each in recipients]
            recipients = []
        captured = [each for each in recipients if each.row.id in facts.captured.row_ids]
        await self._settler.sandbox(claimed, [each.row for each in captured], facts.captured.domain)
        recipients = [each for each in recipients if each not in captured]
        refused += [
            suppressions.refuse(each.row, each.recipient, facts.suppressed[each.recipient.address])
            for each in recipients
            if each.recipient.address in facts.suppressed
        ]
        recipients = [each for each in recipients if each.recipient.address not in facts.suppressed]
        head = facts.head
        remote = [each for each in recipients if isinstance(facts.places[each.row.id].destination, Remote)]
        been = visited(head)
        here = [
            _deliver_here(each, facts.places[each.row.id], mail_from, been) for each in recipients if each not in remote
        ]
        await self._settler.settle(claimed, [*refused, *here])
        if remote:
            await self._deliver_remote(claimed, remote, facts, head)

    def _load(self, snapshot: DeliverySnapshot, claim: Claim, recipients: Sequence[ClaimedRecipient]) -> ClaimFacts:
        shared, submission = self._share(snapshot.tx, claim), claim.submission
        addresses = [each.recipient.address for each in recipients]
        head = summary(split_head(shared.raw)[0])
        places = {each.row.id: snapshot.place(each.recipient.address, len(shared.raw)) for each in recipients}
        return ClaimFacts(
            shared,
            head,
            places,
            {address.domain: snapshot.server(address.domain, submission) for address in addresses},
            snapshot.sources(submission),
            suppressions.look(snapshot.tx, submission, addresses),
            sandbox.look(snapshot, submission, head, places),
        )

    def _share(self, tx: Connection, claim: Claim) -> SharedBytes:
        if claim.content is not None:
            return SharedBytes(claim.content)
        shared = self._shared.get(claim.content_id)
        if shared is None:
            shared = self._shared[claim.content_id] = SharedBytes(contents.read(tx, claim.content_id))
        return shared

    def _turn(self, claim: Claim) -> AbstractAsyncContextManager[object]:
        return self._large_turn if claim.size > SMALL else nullcontext()

    async def _deliver_remote(
        self, claimed: ClaimedMessage, recipients: Sequence[ClaimedRecipient], facts: ClaimFacts, head: Summary
    ) -> None:
        if (unreachable := claimed.claim.unreachable) is not None:
            await self._settler.settle(
                claimed, [RecipientResult(each.row, each.recipient, Deferred(unreachable)) for each in recipients]
            )
            return
        content = await self._prepare(claimed, head)
        if not isinstance(content, Content):
            await self._settler.settle(
                claimed, [RecipientResult(each.row, each.recipient, content) for each in recipients]
            )
            return
        routes = await self._route(claimed, recipients, facts)
        await _together([self._deliver_along(claimed, route, group, content) for route, group in routes])

    async def _prepare(self, claimed: ClaimedMessage, head: Summary) -> Content | Failed | Deferred:
        """The bytes to be sent, signed; or why the message cannot go out at all now."""
        if head.names.count("received") > MAX_HOPS:
            return Failed(Reply(554, "5.4.6", f"the message went through more than {MAX_HOPS} servers"))
        try:
            async with self._turn(claimed.claim):
                return await self._preparer.prepare(claimed.claim, claimed.raw, head)
        except Unconvertible as error:
            text = f"the message holds what no server takes, and cannot be converted: {error}"
            return Failed(Reply(554, "5.6.3", text))
        except DkimKeyError as error:
            return Deferred(Reply(451, "4.3.5", f"not sent, since it cannot be signed: {error}"))

    async def _in_seven_bits(self, claimed: ClaimedMessage) -> Content | Failed | Deferred:
        """The same for a server without 8BITMIME (RFC 6152 section 3), or without SMTPUTF8."""
        try:
            async with self._turn(claimed.claim):
                return await self._preparer.prepare(claimed.claim, claimed.raw, seven_bit=True)
        except Unconvertible as error:
            text = f"the server takes no 8-bit text (8BITMIME), and the message cannot be converted: {error}"
            return Failed(Reply(553, "5.6.7", text) if error.header else Reply(554, "5.6.3", text))
        except DkimKeyError as error:
            return Deferred(Reply(451, "4.3.5", f"not sent, since it cannot be signed: {error}"))

    async def _route(
        self, claimed: ClaimedMessage, recipients: Sequence[ClaimedRecipient], facts: ClaimFacts
    ) -> list[tuple[Route, list[ClaimedRecipient]]]:
        """The recipients by route; those that no route leads to are settled."""
        domains = list(dict.fromkeys(each.recipient.address.domain for each in recipients))
        found = await _together([self._route_to(domain, facts.servers[domain]) for domain in domains])
        by_domain = dict(zip(domains, found, strict=True))
        grouped: dict[str, tuple[Route, list[ClaimedRecipient]]] = {}
        lost: list[RecipientResult] = []
        for each in recipients:
            route = by_domain[each.recipient.address.domain]
            if isinstance(route, Route):
                route = route.leaving_from(facts.sources)
                route = route.waiving_tls() if route.policy and is_waived_by(facts.head.headers) else route
                grouped.setdefault(route.key, (route, []))[1].append(each)
            else:
                lost.append(RecipientResult(each.row, each.recipient, route))
        await self._settler.settle(claimed, lost)
        return list(grouped.values())

    async def _route_to(self, domain: str, server: Route | Deferred | None) -> Route | Deferred | Failed:
        if server is not None:
            return server
        try:
            return await self._exchangers.route(domain)
        except Unroutable as unroutable:
            return unroutable.outcome

    async def _deliver_along(
        self, claimed: ClaimedMessage, route: Route, recipients: Sequence[ClaimedRecipient], content: Content
    ) -> None:
        """Brings the message to one destination. Its troubles stay its own: other destinations go on."""
        claim = claimed.claim
        rows: dict[Recipient, list[QueueRow]] = {}
        for each in recipients:
            rows.setdefault(each.recipient, []).append(each.row)

        # No look at the message, which knows `confirm`: a message in a cycle would stay in memory until that is found.
        unsettled = dict(rows)

        async def confirm() -> bool:
            ids = [row.id for waiting in unsettled.values() for row in waiting]
            return len(await self._db.apeek(lambda tx: queue.holds(tx, claim.token, ids))) == len(ids)

        async def settle(outcomes: Mapping[Recipient, Outcome], passed_on: bool) -> None:
            results = [
                RecipientResult(row, recipient, outcome, passed_on=passed_on)
                for recipient, outcome in outcomes.items()
                for row in rows[recipient]
            ]
            for recipient in outcomes:
                unsettled.pop(recipient, None)
            await self._settler.settle(claimed, results)

        submission = claim.submission
        if submission.requiretls:
            route = route.insisting_on_tls()
        envelope = Envelope(
            claimed.mail_from,
            tuple(rows),
            smtputf8=submission.smtputf8,
            ret=claimed.ret,
            envid=claimed.envid or await self._envelope_ids.make(submission, {each.address.domain for each in rows}),
            requiretls=submission.requiretls,
        )
        message = RoutedMessage(
            envelope, content, confirm, settle, list(rows), in_seven_bits=lambda: self._in_seven_bits(claimed)
        )
        try:
            await self._connections.deliver(route, message)
        except (ClaimLost, DatabaseError) as error:
            maillog.trouble("delivering", error, submission.queue_id)
            await self._settler.give_back(claim, [each.row for each in recipients])


async def _together(works: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """All of them at a time; one alone, as nearly always, needs no task of its own."""
    return [await works[0]] if len(works) == 1 else await asyncio.gather(*works)


def _deliver_here(
    each: ClaimedRecipient, place: ResolvedRecipient, mail_from: Address | None, been: Collection[str]
) -> RecipientResult:
    outcome, distribution = deliver_here(each.recipient, place, mail_from, been)
    return RecipientResult(
        each.row,
        each.recipient,
        outcome,
        copies=distribution.deliveries,
        passing=distribution.passing,
        # Whoever takes the message from here on says what became of it (RFC 3461 section 5.2.7).
        passed_on=bool(distribution.passing),
    )


def _recipients(claim: Claim) -> tuple[list[ClaimedRecipient], list[RecipientResult]]:
    """The claim's recipients, and the results for rows that hold no address."""
    recipients, refused = [], []
    for row in claim.rows:
        try:
            address = Address.parse(row.recipient)
        except AddressError as error:
            nobody = Recipient(Address(row.recipient, "invalid"), "NEVER")
            reply = Reply(553, "5.1.3", f"recipient {row.recipient[:200]!r}: {error}")
            refused.append(RecipientResult(row, nobody, Failed(reply)))
            continue
        recipients.append(ClaimedRecipient(row, Recipient(address, clean(row.notify), clean(row.orcpt))))
    return recipients, refused


def _mail_from(sender: str) -> tuple[Address | None, Failed | None]:
    if not sender:
        return None, None
    try:
        return Address.parse(sender), None
    except AddressError as error:
        return None, Failed(Reply(553, "5.1.7", f"sender {sender[:200]!r}: {error}"))


def _ret(text: str | None) -> Ret | None:
    return "FULL" if text == "FULL" else "HDRS" if text == "HDRS" else None
