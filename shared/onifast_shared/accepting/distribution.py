"""What a message becomes once it is known where its recipients lead: copies for mailboxes, and what goes on elsewhere.

smtpd and outbox both ask here, so that a message fares alike whichever way it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onifast_shared.accepting.accept import ForwardedRecipient, LocalDelivery
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.message.headers import fold
from onifast_shared.message.parsing import Summary
from onifast_shared.queue.store import QueuedRecipient
from onifast_shared.recipients import addresses, quotas
from onifast_shared.recipients.addresses import Destination, RewrittenSender
from onifast_shared.recipients.quotas import QuotaVerdict
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.envelope import Recipient
from onifast_shared.values.expansion import Expansion, Forward, Mailbox


@dataclass(frozen=True)
class ResolvedRecipient:
    """Where a recipient leads, and whether there is room in all its mailboxes."""

    destination: Destination
    room: QuotaVerdict = "room"


@dataclass(frozen=True)
class Distribution:
    """Copies for mailboxes here, and recipients elsewhere."""

    deliveries: tuple[LocalDelivery, ...]
    passing: tuple[ForwardedRecipient, ...]


def locate(tx: Connection, address: Address, size: int, settings: Settings) -> ResolvedRecipient:
    """Where a recipient leads, for a message of this size (0 where that is not known)."""
    destination = addresses.expand(tx, address, settings)
    if not isinstance(destination, Expansion):
        return ResolvedRecipient(destination)
    return ResolvedRecipient(destination, quotas.judge(tx, destination.mailboxes, size, settings))


def visited(header: Summary) -> set[str]:
    """The keys of the addresses that a message has been to, by the Delivered-To in its header (RFC 9228)."""
    return {_key(text) for text in header.texts("delivered-to")}


def distribute(
    mail_from: Address | None, places: Mapping[Recipient, Expansion | RewrittenSender], *, folder: str = "inbox"
) -> Distribution:
    """One copy for each mailbox and one passing on to each address elsewhere, by however many recipients it is reached.

    DSN parameters go along (RFC 3461 section 5.2.7).
    """
    mailboxes: dict[str, Mailbox] = {}
    passing: dict[str, ForwardedRecipient] = {}
    for recipient, place in places.items():
        if isinstance(place, Expansion):
            for mailbox in place.mailboxes:
                mailboxes.setdefault(mailbox.address.key, mailbox)
        for forward in _forwards(recipient, place):
            queued = QueuedRecipient(str(forward.target), recipient.notify, recipient.orcpt)
            passing.setdefault(forward.target.key, ForwardedRecipient(queued, forward.by, forward.owner))
    deliveries = (
        LocalDelivery(each.owner, str(each.address), trace_of(mail_from, each.used), folder)
        for each in mailboxes.values()
    )
    return Distribution(tuple(deliveries), tuple(passing.values()))


def trace_of(mail_from: Address | None, recipient: Address) -> bytes:
    """The header fields of a mailbox' copy alone (RFC 5321 section 4.4; Delivered-To is RFC 9228's)."""
    return f"Return-Path: <{mail_from or ''}>\r\n".encode() + delivered_to(recipient)


def delivered_to(address: Address) -> bytes:
    """The field that tells a later loop that the message has been to an address."""
    return fold("Delivered-To", str(address))


def _forwards(recipient: Recipient, place: Expansion | RewrittenSender) -> Iterable[Forward]:
    if isinstance(place, Expansion):
        return place.forwards
    return [Forward(place.original, recipient.address, None)] if place.original else []


def _key(text: str) -> str:
    try:
        return Address.parse(text.strip()).key
    except AddressError:
        return ""
