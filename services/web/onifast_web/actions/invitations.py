"""Answers to invitations: the organizer is told who comes, from the address that was invited (iMIP, RFC 6047)."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import invitations, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.invitations import GivenAnswer, InvitationReply
from onifast_shared.message import calendar, itip, parsing
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.calendar import Attendee, Event
from onifast_shared.message.compose import Draft, OutgoingCalendar
from onifast_shared.message.parsing import Attachment, Parsed
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import answering, sending
from onifast_web.actions.sending import Sent
from onifast_web.http.problems import Problem, not_found

WORDS = {"accepted": "Accepted", "declined": "Declined", "tentative": "Tentative"}
_SENTENCES = {
    "accepted": "has accepted this invitation.",
    "declined": "has declined this invitation.",
    "tentative": "may come: the answer to this invitation is tentative.",
}


@dataclass(frozen=True)
class Invitation:
    """An event that the reader may answer: as whom they were invited, and what they answered so far.

    `sender` is whom the answer is from: the address that was invited, or the one that takes its mail.
    """

    event: Event
    invited: Attendee
    sender: Address
    organizer: Address
    given: GivenAnswer | None

    @property
    def answered_earlier(self) -> bool:
        """Whether the event was changed since they answered."""
        return self.given is not None and self.given.sequence < self.event.sequence


def find(tx: Connection, web: Web, owner: str, row: EmailRow, parsed: Parsed) -> Invitation | None:
    """What a message invites its reader to; None for what needs no answer of theirs, or can have none."""
    event = parsed.event
    if event is None or event.method != "REQUEST" or event.cancelled or not event.uid or event.organizer is None:
        return None
    organizer = _address(event.organizer.address)
    if organizer is None:
        return None
    named = {address: each for each in event.attendees if (address := _address(each.address))}
    delivered = _address(row.recipient)
    own = addresses.own_among(tx, owner, [organizer, *named, *([delivered] if delivered else [])], web.settings)
    if organizer.key in own:
        return None
    invited = next((address for address in named if address.key in own), delivered)
    # Who is not among those invited got it by a list, or had it passed on to them (RFC 5546 section 3.7.1).
    if invited is None or invited.key not in own:
        return None
    sender = invited if addresses.owns(tx, owner, invited) else own[invited.key]
    attendee = named.get(invited, Attendee("", str(invited)))
    given = invitations.find(tx, owner, event.uid, event.occurrence_id)
    return Invitation(event, Attendee(attendee.name, str(invited)), sender, organizer, given)


def answer(
    web: Web, caller: Caller, email_id: int, given: InvitationReply, *, comment: str = "", origin: str
) -> tuple[Sent, Invitation]:
    """Sends an answer, and remembers it, in one transaction.

    Raises Problem(404) for a message that is not there, Problem(409) for one that invites to nothing; and what
    sending.send raises.
    """

    def read(tx: Connection) -> tuple[str, Parsed, Invitation | None]:
        row = mailbox.get(tx, caller.mail_of, email_id) if email_id < 2**63 else None
        if row is None or row.owner is None:
            raise not_found()
        parsed = parsing.parse(mailbox.raw(tx, email_id))
        return row.owner, parsed, find(tx, web, row.owner, row, parsed)

    owner, parsed, invitation = web.database.read(read)
    text = None
    if invitation is not None:
        text = itip.reply(_calendar(parsed), invitation.invited, given, web.clock(), comment)
    if invitation is None or text is None:
        raise Problem(409, "This message holds no invitation that could be answered.")
    event, now = invitation.event, int(web.clock())
    noted = GivenAnswer(given, now, event.sequence)
    sent = sending.send(
        web,
        caller,
        _draft(parsed, invitation, given, OutgoingCalendar("REPLY", text), comment),
        origin=origin,
        together_with=lambda tx: invitations.note(tx, owner, event.uid, event.occurrence_id, noted),
    )
    return sent, invitation


def _draft(
    parsed: Parsed, invitation: Invitation, given: InvitationReply, reply: OutgoingCalendar, comment: str
) -> Draft:
    invited, what = invitation.invited, invitation.event.summary or "(no title)"
    who = invited.name or str(invitation.sender)
    text = f"{who} {_SENTENCES[given]}\n" + (f"\n{comment}\n" if comment else "")
    return Draft(
        from_=str(AddressEntry.of(invitation.sender, invited.name)),
        to=[str(invitation.organizer)],
        subject=" ".join(f"{WORDS[given]}: {what}".split()),
        text=text,
        in_reply_to=answering.in_reply_to(parsed) or None,
        references=answering.references(parsed),
        calendar=reply,
    )


def _calendar(parsed: Parsed) -> str:
    """The text of the calendar object that the message's event stands in."""
    found = (item.text for item in parsed.attachments if _is_calendar(item) and calendar.event(item.text) is not None)
    return next(found, "")


def _is_calendar(item: Attachment) -> bool:
    return item.content_type in calendar.TYPES


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text.strip())
    except AddressError:
        return None
