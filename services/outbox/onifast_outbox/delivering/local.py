"""What happens to a recipient of ours: the mailboxes that it reaches, and the addresses that it is forwarded to."""

from __future__ import annotations

from collections.abc import Collection

from onifast_shared.accepting.distribution import Distribution, ResolvedRecipient, distribute
from onifast_shared.recipients.addresses import Circular, Expansion, Remote, RewrittenSender, UnknownLocal
from onifast_shared.recipients.quotas import QuotaVerdict
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient
from onifast_shared.values.reply import Deferred, Delivered, Failed, Outcome, Reply

_NOWHERE = Distribution((), ())


def deliver_here(
    recipient: Recipient, place: ResolvedRecipient, mail_from: Address | None, visited: Collection[str]
) -> tuple[Outcome, Distribution]:
    """The outcome for one recipient, and what is to be committed with it."""
    assert not isinstance(place.destination, Remote)  # noqa: S101 - those go out
    shown = recipient.address.display
    match place.destination:
        case UnknownLocal():
            return Failed(Reply(550, "5.1.1", f"there is no mailbox {shown} here")), _NOWHERE
        case Circular():
            return Failed(Reply(554, "5.4.6", f"aliases of {shown} lead in a circle")), _NOWHERE
        case RewrittenSender() as returned:
            return _return(recipient, returned, mail_from)
        case Expansion() as expansion:
            return _distribute(recipient, expansion.without(visited), place.room, mail_from)


def _return(recipient: Recipient, returned: RewrittenSender, mail_from: Address | None) -> tuple[Outcome, Distribution]:
    if returned.original is None:
        return Failed(Reply(550, "5.1.1", f"{recipient.address.display}: {returned.problem}")), _NOWHERE
    if mail_from is not None:
        reply = Reply(550, "5.7.1", f"{recipient.address.display} takes bounces only")
        return Failed(reply), _NOWHERE
    reply = Reply(250, "2.1.5", "sent back to whom it came from")
    return Delivered(reply), distribute(mail_from, {recipient: returned})


def _distribute(
    recipient: Recipient, expansion: Expansion, room: QuotaVerdict, mail_from: Address | None
) -> tuple[Outcome, Distribution]:
    shown = recipient.address.display
    if not expansion:
        return Failed(Reply(554, "5.4.6", f"the message has been in the mailbox {shown} before")), _NOWHERE
    if expansion.mailboxes and room == "never":
        return Failed(Reply(552, "5.2.2", f"the message is larger than the mailbox {shown}")), _NOWHERE
    if expansion.mailboxes and room == "full":
        return Deferred(Reply(452, "4.2.2", f"the mailbox {shown} is full")), _NOWHERE
    what = "delivered to a mailbox here" if expansion.mailboxes else "forwarded"
    return Delivered(Reply(250, "2.1.5", what)), distribute(mail_from, {recipient: expansion})
