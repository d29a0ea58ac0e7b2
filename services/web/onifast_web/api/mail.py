"""Messages: list, read, count, move and send."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from flask import request
from onifast_shared import mailbox, message, times
from onifast_shared.db import Connection
from onifast_shared.mailbox import EmailRow
from onifast_shared.message import Draft, OutgoingAttachment, Parsed
from pydantic import Field, field_validator, model_validator

from onifast_web import bodies, csrf, sending
from onifast_web.api.endpoint import Call, Endpoint, Id, Model, Moment, unprocessable
from onifast_web.auth import Who
from onifast_web.problems import not_found

Folder = Literal["inbox", "drafts", "sent", "junk", "archive", "trash"]
MOST_IDS = 500


class ListQuery(Model):
    folder: Folder = "inbox"
    address: Annotated[str, Field(max_length=320)] | None = None
    q: Annotated[str, Field(max_length=1000)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class Email(Model):
    """A message as lists show it."""

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


class EmailList(Model):
    emails: list[Email]
    next_cursor: str | None


class ReadQuery(Model):
    id: Id
    mark_read: bool = True


class AttachmentInfo(Model):
    index: int
    filename: str
    content_type: str
    size: int
    content_id: str


class Authentication(Model):
    """Verdicts about the sender (RFC 8601), null where nothing was checked; `why` says them in sentences."""

    spf: str | None
    dkim: str | None
    dmarc: str | None
    arc: str | None
    why: list[str]


class FullEmail(Email):
    """A message whole. `html` is sanitised and loads nothing."""

    to: str
    cc: str
    reply_to: str
    message_id: str
    in_reply_to: str
    date: Moment | None
    text: str | None
    html: str | None
    headers: list[tuple[str, str]]
    attachments: list[AttachmentInfo]
    authentication: Authentication


class MoveBody(Model):
    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)] | None = None
    id: Id | None = None
    folder: Folder

    @model_validator(mode="after")
    def _one_of_both(self) -> MoveBody:
        if (self.ids is None) == (self.id is None):
            raise ValueError("give either ids or id")
        return self


class Moved(Model):
    moved: int


class SendAttachment(Model):
    filename: Annotated[str, Field(max_length=255)]
    content_type: Annotated[str, Field(max_length=255)] = "application/octet-stream"
    content: str = Field(json_schema_extra={"contentEncoding": "base64"})

    @field_validator("content")
    @classmethod
    def _is_base64(cls, value: str) -> str:
        try:
            binascii.a2b_base64(value, strict_mode=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        return value


Recipients = Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=5000)]


class SendBody(Model):
    from_: Annotated[str, Field(alias="from", max_length=2000)]
    to: Recipients = Field(default_factory=list)
    cc: Recipients = Field(default_factory=list)
    bcc: Recipients = Field(default_factory=list)
    subject: Annotated[str, Field(max_length=2000)] = ""
    text: str | None = None
    html: str | None = None
    in_reply_to: Annotated[str, Field(max_length=1000)] | None = None
    references: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=1000, default_factory=list)]
    attachments: Annotated[list[SendAttachment], Field(max_length=1000, default_factory=list)]

    @model_validator(mode="after")
    def _has_a_body(self) -> SendBody:
        if self.text is None and self.html is None:
            raise ValueError("text or html is required")
        return self


class SendAnswer(Model):
    """`email_id` is the copy in sent; null where the sender has no mailbox here."""

    message_id: str
    email_id: int | None
    outbox_ids: list[int]


class FolderCounts(Model):
    total: int
    unread: int


class Counts(Model):
    """`unread` is the inbox's."""

    unread: int
    folders: dict[str, FolderCounts]


def list_emails(call: Call) -> EmailList:
    """A page of a folder, newest first."""
    query: ListQuery = call.query
    page = call.web.database.read(
        lambda tx: mailbox.list_page(
            tx,
            call.caller.mail_of,
            query.folder,
            address=query.address,
            q=query.q,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    return EmailList(emails=[Email(**_fields(row)) for row in page.rows], next_cursor=page.next_cursor)


def read_email(call: Call) -> FullEmail:
    """One message. It is marked as read unless the request says otherwise, or another site made the browser ask."""
    query: ReadQuery = call.query
    row, raw = call.web.database.read(lambda tx: _get(tx, call.caller.mail_of, query.id))
    if query.mark_read and not row.is_read and _means_to_read(call):
        call.web.database.write(lambda tx: mailbox.set_read(tx, row.owner, [row.id], True))
        row = _as_read(row)
    return _full(row, message.parse(raw))


def move_emails(call: Call) -> Moved:
    """Moves messages, all or none: an id that is not there (or not the caller's) answers 404."""
    body: MoveBody = call.body
    ids = set(body.ids or ([] if body.id is None else [body.id]))

    def move(tx: Connection) -> int:
        moved = mailbox.move(tx, call.caller.mail_of, ids, body.folder)
        if moved != len(ids):
            raise not_found()
        return moved

    return Moved(moved=call.web.database.write(move))


def send_email(call: Call) -> SendAnswer:
    """Queues a message and keeps a copy in sent; it is on disk when the answer comes."""
    body: SendBody = call.body
    draft = Draft(
        from_=body.from_,
        to=body.to,
        cc=body.cc,
        bcc=body.bcc,
        subject=body.subject,
        text=body.text,
        html=body.html,
        in_reply_to=body.in_reply_to,
        references=body.references,
        attachments=[
            OutgoingAttachment(item.filename, item.content_type, base64.b64decode(item.content))
            for item in body.attachments
        ],
    )
    sent = sending.send(call.web, call.caller, draft, origin="api")
    return SendAnswer(message_id=sent.message_id, email_id=sent.email_id, outbox_ids=sent.outbox_ids)


def count_emails(call: Call) -> Counts:
    """How much there is in each folder."""
    found = call.web.database.read(lambda tx: mailbox.counts(tx, call.caller.mail_of))
    folders = {name: FolderCounts(total=total, unread=unread) for name, (total, unread) in found.items()}
    return Counts(unread=folders["inbox"].unread, folders=folders)


def body_of_form() -> dict[str, Any]:
    """The fields of a multipart form as the JSON body has them; files become attachments."""
    lists = {"to", "cc", "bcc", "references"}
    fields: dict[str, Any] = {}
    for name, values in request.form.lists():
        if name == csrf.FIELD:
            continue
        if name not in lists and len(values) > 1:
            raise unprocessable(name, "given more than once")
        fields[name] = [value for value in values if value] if name in lists else values[0]
    files = [item for _, group in request.files.lists() for item in group if item.filename]
    if set(request.files) - {"attachments", "attachments[]", "file", "files"}:
        raise unprocessable("attachments", "files go into the field attachments")
    fields["attachments"] = [
        {
            "filename": item.filename,
            "content_type": item.mimetype or "application/octet-stream",
            "content": base64.b64encode(item.read()).decode("ascii"),
        }
        for item in files
    ]
    return fields


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/list", Who.USER, "A folder's messages, newest first", list_emails, ListQuery, answer=EmailList
    ),
    Endpoint(
        "GET",
        "/api/mail/read",
        Who.USER,
        "One message",
        read_email,
        ReadQuery,
        answer=FullEmail,
        failures={404: "There is no such message."},
    ),
    Endpoint(
        "POST",
        "/api/mail/move",
        Who.USER,
        "Move messages to a folder",
        move_emails,
        body=MoveBody,
        answer=Moved,
        failures={404: "One of the messages does not exist; none was moved."},
    ),
    Endpoint(
        "POST",
        "/api/mail/send",
        Who.USER,
        "Send a message",
        send_email,
        body=SendBody,
        answer=SendAnswer,
        status=202,
        form=body_of_form,
        failures={
            403: "The sender's address is not the caller's.",
            413: "The message is too large.",
            429: "A limit on what is sent is used up: `detail` says which, Retry-After when it has room again.",
        },
    ),
    Endpoint("GET", "/api/mail/counts", Who.USER, "Totals and unread messages", count_emails, answer=Counts),
)


def _get(tx: Connection, owner: str | None, email_id: int) -> tuple[EmailRow, bytes]:
    row = mailbox.get(tx, owner, email_id)
    if row is None:
        raise not_found()
    return row, mailbox.raw(tx, email_id)


def _means_to_read(call: Call) -> bool:
    if not call.caller.csrf_token:
        return True
    return csrf.comes_from_here(request) and not csrf.is_prefetch(request)


def _as_read(row: EmailRow) -> EmailRow:
    return EmailRow(**{**row.__dict__, "is_read": True})


def _fields(row: EmailRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "sender": row.sender,
        "recipient": row.recipient,
        "subject": row.subject,
        "snippet": row.snippet,
        "received_at": times.rfc3339(row.received_ts),
        "is_read": row.is_read,
        "folder": row.folder,
        "size": row.size,
        "has_attachments": row.has_attachments,
    }


def _full(row: EmailRow, parsed: Parsed) -> FullEmail:
    html = bodies.safe_html(parsed)
    return FullEmail(
        **_fields(row),
        to=parsed.to,
        cc=parsed.cc,
        reply_to=parsed.reply_to,
        message_id=parsed.message_id,
        in_reply_to=parsed.in_reply_to,
        date=times.rfc3339(parsed.date.timestamp()) if parsed.date else None,
        text=parsed.text,
        html=html.html if html else None,
        headers=parsed.headers,
        attachments=[
            AttachmentInfo(
                index=item.index,
                filename=item.filename,
                content_type=item.content_type,
                size=item.size,
                content_id=item.content_id,
            )
            for item in parsed.attachments
        ],
        authentication=Authentication(**bodies.verdicts(row.authentication), why=bodies.reasons(row.authentication)),
    )
