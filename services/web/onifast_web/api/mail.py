"""Messages: read, count and move; `listing` lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from flask import request
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import counts, labelling, labels, mailbox
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import EmailRow
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue import returns, waiting
from onifast_shared.queue.returns import DeliveryReport
from onifast_shared.values import times
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access import auth
from onifast_web.access.auth import Who
from onifast_web.actions import audited, invitations, messages
from onifast_web.actions.invitations import Invitation
from onifast_web.api import content
from onifast_web.api.chosen import ChosenMessages, Folder, all_of, one_of
from onifast_web.api.content import (
    AttachmentInfo,
    ContactInfo,
    DeliveryReportInfo,
    EventInfo,
    NamedAddress,
    Protection,
)
from onifast_web.api.endpoint import IF_ANY, Call, Endpoint, Id, Moment
from onifast_web.api.highlights import Highlights
from onifast_web.api.labels import LabelMark, mark_of
from onifast_web.http import csrf
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found
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


class ReadQuery(Model):
    """Which message, and whether it counts as read from now on."""

    id: Id
    mark_read: Annotated[
        bool | None,
        Field(description="1 where it is left out, but 0 for the service token and tokens without `manage`"),
    ] = None


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


class MoveBody(ChosenMessages):
    """Which messages, and where to: `folder` is one of the six, or `label_id` the number of an own folder."""

    model_config = ConfigDict(json_schema_extra={"allOf": [one_of("ids", "id"), one_of("folder", "label_id")]})

    folder: Folder | None = None
    label_id: Id | None = None

    @model_validator(mode="after")
    def _one_place(self) -> MoveBody:
        if (self.folder is None) == (self.label_id is None):
            raise ValueError("give either folder or label_id")
        return self


class Moved(Model):
    """How many were moved."""

    moved: int


class FolderCounts(Model):
    """How many messages a folder has, and how many of them are unread."""

    total: int
    unread: int


class LabelCounts(FolderCounts):
    """What has a label, or lies in an own folder, and is neither in trash nor in junk."""

    id: int


class Counts(Model):
    """`unread` is the inbox's; `scheduled` counts messages that are to be sent later, if there are any.

    `labels` are the user's labels and own folders, if they have any.
    """

    unread: int
    scheduled: Annotated[int, IF_ANY] = 0
    folders: dict[str, FolderCounts]
    labels: Annotated[list[LabelCounts], Field(default_factory=list, exclude_if=lambda value: not value)]


def read_email(call: Call) -> FullEmail:
    """One message. It is marked as read unless the request says otherwise, or another site made the browser ask.

    What the service token reads stays unread, and its owner sees in the audit trail that it was read.
    """
    query: ReadQuery = call.query
    call.web.before_reading(call.caller.mail_of, query.id)
    found = call.web.database.read(lambda tx: _get(tx, call, query.id))
    row = found.row
    audited.note_reading(call.web, call.caller, "mail.read", row)
    mark_read = _marks_read(call, query.mark_read)
    if mark_read and not row.is_read and _means_to_read(call):
        call.web.database.write(lambda tx: mailbox.set_read(tx, row.owner, [row.id], True))
        row = _as_read(row)
    parsed = parsing.parse(found.raw)
    return _full(found, row, parsed, _invitation(call, row, parsed))


def _marks_read(call: Call, asked: bool | None) -> bool:
    if asked is None:
        return not call.caller.is_service and call.caller.visited_by is None and TokenScope.MANAGE in call.caller.scopes
    if asked and call.caller.visited_by is not None:
        raise Problem(403, "Who looks into somebody's mailbox marks nothing as read.")
    if asked:
        auth.check_scope(call.caller, TokenScope.MANAGE)
    return asked


def move_emails(call: Call) -> Moved:
    """Moves messages, all or none: an id that is not there (or not the caller's) answers 404."""
    body: MoveBody = call.body
    ids, owner = body.chosen, call.caller.mail_of

    def move(tx: Connection) -> int:
        if body.label_id is not None:
            own = messages.label_of(tx, owner, body.label_id, is_folder=True)
            return all_of(messages.relabel(tx, ids, [own], []), ids)
        return all_of(mailbox.move(tx, owner, ids, body.folder or ""), ids)

    return Moved(moved=call.web.database.write(move))


def count_emails(call: Call) -> Counts:
    """How much there is in each folder, and of each label; everybody's labels are not told to the service token."""
    owner, now = call.caller.mail_of, call.web.clock()
    found, scheduled, own = call.web.database.read(
        lambda tx: (counts.of(tx, owner), waiting.count_scheduled(tx, owner, now), _labels_of(tx, owner))
    )
    folders = {name: FolderCounts(total=each.total, unread=each.unread) for name, each in found.items()}
    marks = [LabelCounts(id=each.id, total=each.total, unread=each.unread) for each in own]
    return Counts(unread=folders["inbox"].unread, scheduled=scheduled, folders=folders, labels=marks)


def _labels_of(tx: Connection, owner: str | None) -> list[Label]:
    return [] if owner is None else labels.list_all(tx, owner)


def _counts_version(call: Call) -> str:
    owner, now = call.caller.mail_of, call.web.clock()

    def read(tx: Connection) -> str:
        marks = " ".join(f"{each.id}:{each.total}:{each.unread}" for each in _labels_of(tx, owner))
        return f"{counts.version(tx, owner)} {waiting.version(tx, owner, now)} {marks}"

    return call.web.database.read(read)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/read",
        Who.USER,
        TokenScope.READ,
        "One message",
        read_email,
        ReadQuery,
        answer=FullEmail,
        failures={404: "There is no such message."},
        visitors=True,
    ),
    Endpoint(
        "POST",
        "/api/mail/move",
        Who.USER,
        TokenScope.MANAGE,
        "Move messages to a folder",
        move_emails,
        body=MoveBody,
        answer=Moved,
        failures={404: "One of the messages does not exist; none was moved."},
    ),
    Endpoint(
        "GET",
        "/api/mail/counts",
        Who.USER,
        TokenScope.READ,
        "Totals and unread messages",
        count_emails,
        answer=Counts,
        version=_counts_version,
        visitors=True,
    ),
)


class _Found(NamedTuple):
    """What the database has of one message, and of its reader."""

    row: EmailRow
    raw: bytes
    release: int | None
    who: Reader
    reports: list[DeliveryReport]
    labels: Sequence[Label]


def _get(tx: Connection, call: Call, email_id: int) -> _Found:
    row = mailbox.get(tx, call.caller.mail_of, email_id)
    if row is None:
        raise not_found()
    return _Found(
        row,
        mailbox.raw(tx, email_id),
        release_times(tx, [row], call).get(email_id),
        call.web.readers.of(tx, row.owner),
        returns.of_email(tx, row.owner, email_id),
        labelling.of_messages(tx, [email_id]).get(email_id, ()),
    )


def release_times(tx: Connection, rows: list[EmailRow], call: Call) -> dict[int, int]:
    """When those of the messages that wait to be sent will leave, by their ids."""
    return waiting.release_times(tx, [row.id for row in rows if row.folder == "sent"], call.web.clock())


def _means_to_read(call: Call) -> bool:
    if not call.caller.csrf_token:
        return True
    return csrf.comes_from_here(request) and not csrf.is_prefetch(request)


def _as_read(row: EmailRow) -> EmailRow:
    return EmailRow(**{**row.__dict__, "is_read": True})


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


def _invitation(call: Call, row: EmailRow, parsed: Parsed) -> Invitation | None:
    """What the message invites its reader to, if it came from somebody."""
    owner = row.owner
    if owner is None or parsed.event is None or row.folder in ("sent", "drafts"):
        return None
    return call.web.database.read(lambda tx: invitations.find(tx, call.web, owner, row, parsed))


def _full(found: _Found, row: EmailRow, parsed: Parsed, invitation: Invitation | None) -> FullEmail:
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
