"""A message as the API shows it: in lists, and whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue.returns import DeliveryReport
from onifast_shared.values import times

from onifast_web.actions.invitations import Invitation
from onifast_web.api import content
from onifast_web.api.content import (
    AttachmentInfo,
    ContactInfo,
    DeliveryReportInfo,
    EventInfo,
    NamedAddress,
    Protection,
)
from onifast_web.api.endpoint import IF_ANY, Moment
from onifast_web.api.highlights import Highlights
from onifast_web.api.labels import LabelMark, mark_of
from onifast_web.http.models import Model
from onifast_web.reading import bodies, impostors
from onifast_web.reading.impostors import Reader


class ConversationCounts(Model):
    """How many messages a conversation has that lie neither in trash nor in junk, or in that folder's list there."""

    total: int
    unread: int


class Email(Model):
    """A message as lists show it. `release_at` is there in a message in sent that waits: when it will leave.

    `highlights` is there in what `q` found.

    `warnings` says in sentences why it may not be from whom it seems to be; plain text, which quotes strangers.

    `correspondent` is what the owner had to do with the sender when it came: they had `written` to them, or had mail
    from them that was proven to be (`known`); they had `seen` the address; or it was the `first` from there. A message
    is of an unknown correspondent where it is neither `written` nor `known`.

    `snoozed_until` is there in a message that is put off. One that came back stands in lists by when that was.

    `conversation_id` is there moments after a message came. `conversation` is there in a list by conversation.
    """

    id: int
    sender: str
    recipient: str
    subject: str
    snippet: str
    received_at: Moment
    is_read: bool
    folder: str
    size: int
    has_attachments: bool
    is_starred: bool
    labels: list[LabelMark]
    warnings: list[str]
    release_at: Annotated[Moment | None, IF_ANY] = None
    correspondent: Annotated[Literal["written", "known", "seen", "first"] | None, IF_ANY] = None
    highlights: Annotated[Highlights | None, IF_ANY] = None
    conversation_id: Annotated[int | None, IF_ANY] = None
    is_answered: Annotated[bool, IF_ANY] = False
    is_forwarded: Annotated[bool, IF_ANY] = False
    conversation: Annotated[ConversationCounts | None, IF_ANY] = None
    snoozed_until: Annotated[Moment | None, IF_ANY] = None


class AuthenticationInfo(Model):
    """Verdicts about the sender (RFC 8601), null where nothing was checked; `why` says them in sentences."""

    spf: str | None
    dkim: str | None
    dmarc: str | None
    arc: str | None
    why: list[str]


class JunkInfo(Model):
    """What its owner's own filter said: a score from 0 to 1, null for none, and why the message lies where it lies."""

    score: float | None
    reason: str


class FullEmail(Email):
    """A message whole. `html` is sanitised and loads nothing; its style sheets match within it alone.

    `to`, `cc` and `reply_to` are text, the names decoded and in quotes where they need them; `to_addresses` and the
    others are what stands in the fields, taken apart before it was decoded: only that says who is to get an answer.
    `list_post` is where answers to a mailing list go, null for what came through none. `event` is the first one of a
    calendar object, `contacts` are vCards. `protection` is what keeps the text from being read here, null for nothing:
    PGP, S/MIME, or an S/MIME signature that holds the text. `delivery_reports` is what it tells of sent mail.
    """

    to: str
    to_addresses: list[NamedAddress]
    cc: str
    cc_addresses: list[NamedAddress]
    reply_to: str
    reply_to_addresses: list[NamedAddress]
    list_post: str | None
    message_id: str
    in_reply_to: str
    date: Moment | None
    text: str | None
    html: str | None
    headers: list[tuple[str, str]]
    attachments: list[AttachmentInfo]
    event: EventInfo | None
    contacts: list[ContactInfo]
    protection: Protection | None
    delivery_reports: list[DeliveryReportInfo]
    authentication: AuthenticationInfo
    junk: Annotated[JunkInfo | None, IF_ANY] = None


class StoredEmail(NamedTuple):
    """What the database has of one message, and of its reader."""

    row: EmailRow
    raw: bytes
    release: int | None
    who: Reader
    reports: list[DeliveryReport]
    labels: Sequence[Label]


def fields_of(row: EmailRow, release: int | None, marks: Iterable[Label]) -> dict[str, Any]:
    """The fields of an `Email`, but for its warnings."""
    return {
        "id": row.id,
        "sender": row.sender,
        "recipient": row.recipient,
        "subject": row.subject,
        "snippet": row.snippet,
        "received_at": times.rfc3339(row.arrived_ts),
        "is_read": row.is_read,
        "folder": row.folder,
        "size": row.size,
        "has_attachments": row.has_attachments,
        "is_starred": row.is_starred,
        "labels": [mark_of(label) for label in marks],
        "release_at": times.rfc3339(release) if release else None,
        "correspondent": row.correspondent,
        "conversation_id": row.conversation_id,
        "is_answered": row.is_answered,
        "is_forwarded": row.is_forwarded,
        "snoozed_until": times.rfc3339(row.snoozed_until) if row.snoozed_until else None,
    }


def full_email(found: StoredEmail, row: EmailRow, parsed: Parsed, invitation: Invitation | None) -> FullEmail:
    """A message whole; `row` is what was found, or that as it is after it was read."""
    return FullEmail(
        **fields_of(row, found.release, found.labels),
        warnings=impostors.warnings(found.who, row, parsed.authors),
        to=parsed.to,
        to_addresses=_addresses(parsed, "to"),
        cc=parsed.cc,
        cc_addresses=_addresses(parsed, "cc"),
        reply_to=parsed.reply_to,
        reply_to_addresses=_addresses(parsed, "reply-to"),
        list_post=str(parsed.list_post) if parsed.list_post else None,
        message_id=parsed.message_id,
        in_reply_to=parsed.in_reply_to,
        date=times.rfc3339(parsed.date.timestamp()) if parsed.date else None,
        text=parsed.text,
        html=bodies.fragment(parsed),
        headers=parsed.headers,
        attachments=content.attachments(parsed),
        event=content.event(parsed.event, invitation),
        contacts=content.contacts(parsed.cards),
        protection=content.protection(parsed),
        delivery_reports=content.delivery_reports(found.reports),
        authentication=AuthenticationInfo(
            **bodies.verdicts(row.authentication), why=bodies.reasons(row.authentication)
        ),
        junk=_junk(row),
    )


def _junk(row: EmailRow) -> JunkInfo | None:
    if row.junk_score is None and not row.junk_reason:
        return None
    return JunkInfo(score=None if row.junk_score is None else round(row.junk_score, 4), reason=row.junk_reason)


def _addresses(parsed: Parsed, field: str) -> list[NamedAddress]:
    return [NamedAddress(name=each.name, address=str(each.address)) for each in parsed.mailboxes(field) if each.address]
