"""What a message holds beside its text, as `mail` gives it: events, contacts, messages inside, delivery reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from onifast_shared.message import calendar
from onifast_shared.message.calendar import Attendee, Event, EventTime
from onifast_shared.message.parsing import Attachment, Parsed
from onifast_shared.message.vcard import Card
from onifast_shared.queue.returns import DeliveryReport
from onifast_shared.values import times

from onifast_web.actions.invitations import Invitation
from onifast_web.api.endpoint import IF_ANY, Moment
from onifast_web.http.models import Model
from onifast_web.reading import bodies, events

Protection = Literal["pgp", "smime", "smime-signed"]

_DEPTH = 3  # messages inside messages that are opened
_MOST_INSIDE = 20


class NamedAddress(Model):
    """An entry of an address field; `name` is decoded, "" for none."""

    name: str
    address: str


class PersonInfo(Model):
    """Who is invited, or invites. `answer` is `accepted`, `declined` or `tentative`, null where none is known."""

    name: str
    address: str
    answer: Literal["accepted", "declined", "tentative"] | None


class EventTimeInfo(Model):
    """When something begins or ends: `at` is a moment; where there is none, `words` are a day, or a time of no zone."""

    at: Moment | None
    words: str


class EventInfo(Model):
    """The first event of a calendar object (RFC 5545). `method` is what it was sent for: REQUEST, REPLY, CANCEL …

    `recurrence` is in words, "" for once; `occurrence` is which one of a series it is about, null for the whole.
    `note` says in a sentence what its sender wants, "" for a first invitation. `can_answer`: POST /api/mail/invitations
    takes an answer; `my_answer` is the last one, and `answered_earlier` says that it was to an earlier version.
    """

    method: str
    uid: str
    summary: str
    start: EventTimeInfo | None
    end: EventTimeInfo | None
    location: str
    organizer: PersonInfo | None
    attendees: list[PersonInfo]
    description: str
    repeats: bool
    recurrence: str
    occurrence: EventTimeInfo | None
    sequence: int
    cancelled: bool
    note: str
    comment: str
    my_answer: Literal["accepted", "declined", "tentative"] | None
    answered_earlier: bool
    can_answer: bool


class ContactInfo(Model):
    """A vCard (RFC 6350)."""

    name: str
    organisation: str
    emails: list[str]
    phones: list[str]


class DeliveryReportInfo(Model):
    """What a notification says of one recipient of sent mail: a bounce, a complaint, or a program's answer.

    `outbox_id` and `sent_id` are what was sent and its copy in sent, null where nothing is known of it. `believed` is
    false where anybody may have written it: then nothing follows from it. `action` is that of RFC 3464.
    """

    kind: Literal["bounce", "complaint", "auto-reply", "read-receipt"]
    action: Literal["failed", "delayed", "delivered", "relayed", "expanded"]
    recipient: str
    host: str
    code: int | None
    enhanced: str
    reply: str
    explanation: str
    believed: bool
    outbox_id: int | None
    sent_id: int | None


class MessageInside(Model):
    """A message that is attached to another one. `html` is sanitised and loads nothing."""

    sender: str
    sender_name: str
    to: str
    cc: str
    subject: str
    message_id: str
    date: Moment | None
    text: str | None
    html: str | None
    attachments: list[AttachmentInfo]


class AttachmentInfo(Model):
    """An attached part, or a file out of a winmail.dat. `message` is there where it is a message that was opened."""

    index: int
    filename: str
    content_type: str
    size: int
    content_id: str
    message: Annotated[MessageInside | None, IF_ANY] = None


def attachments(parsed: Parsed) -> list[AttachmentInfo]:
    """The attachments, with the messages inside, down to some depth and up to some number."""
    return _attachments(parsed, _DEPTH, [_MOST_INSIDE])


def event(found: Event | None, invitation: Invitation | None) -> EventInfo | None:
    """A calendar object's event, and the invitation that the reader has by it."""
    if found is None:
        return None
    return EventInfo(
        method=found.method,
        uid=found.uid,
        summary=found.summary,
        start=_time(found.start),
        end=_time(found.end),
        location=found.location,
        organizer=_person(found.organizer) if found.organizer else None,
        attendees=[_person(each) for each in found.attendees],
        description=found.description,
        repeats=found.repeats,
        recurrence=found.recurrence,
        occurrence=_time(found.occurrence),
        sequence=found.sequence,
        cancelled=found.cancelled,
        note=events.sentence(found),
        comment=found.comment,
        my_answer=invitation.given.answer if invitation and invitation.given else None,
        answered_earlier=invitation is not None and invitation.answered_earlier,
        can_answer=invitation is not None,
    )


def contacts(found: Sequence[Card]) -> list[ContactInfo]:
    """The cards that are attached."""
    return [
        ContactInfo(name=each.name, organisation=each.organisation, emails=list(each.emails), phones=list(each.phones))
        for each in found
    ]


def delivery_reports(found: Sequence[DeliveryReport]) -> list[DeliveryReportInfo]:
    """What a notification says, recipient by recipient."""
    return [
        DeliveryReportInfo(**{name: getattr(each, name) for name in DeliveryReportInfo.model_fields}) for each in found
    ]


def protection(parsed: Parsed) -> Protection | None:
    """What keeps the text from being read here."""
    found = parsed.protection
    return found if found in ("pgp", "smime", "smime-signed") else None  # type: ignore[return-value]


def _attachments(parsed: Parsed, depth: int, left: list[int]) -> list[AttachmentInfo]:
    return [
        AttachmentInfo(
            index=item.index,
            filename=item.filename,
            content_type=item.content_type,
            size=item.size,
            content_id=item.content_id,
            message=_inside(item, depth, left),
        )
        for item in parsed.attachments
    ]


def _inside(item: Attachment, depth: int, left: list[int]) -> MessageInside | None:
    if not depth or not left[0] or not item.is_message or item.message is None:
        return None
    left[0] -= 1
    parsed = item.message
    return MessageInside(
        sender=str(parsed.sender or ""),
        sender_name=parsed.sender_name,
        to=parsed.to,
        cc=parsed.cc,
        subject=parsed.subject,
        message_id=parsed.message_id,
        date=times.rfc3339(parsed.date.timestamp()) if parsed.date else None,
        text=parsed.text,
        html=bodies.fragment(parsed),
        attachments=_attachments(parsed, depth - 1, left),
    )


def _person(found: Attendee) -> PersonInfo:
    answer = found.answer if found.answer in calendar.ANSWERS else None
    return PersonInfo(name=found.name, address=found.address, answer=answer)  # type: ignore[arg-type]


def _time(found: EventTime | None) -> EventTimeInfo | None:
    if found is None:
        return None
    at = times.rfc3339(found.moment.timestamp()) if found.moment else None
    return EventTimeInfo(at=at, words=found.words)
