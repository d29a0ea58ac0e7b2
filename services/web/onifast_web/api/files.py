"""Messages and their attachments as files."""

from __future__ import annotations

from typing import Annotated, cast

from flask import Response
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import parsing
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import audited, downloads, stored_files
from onifast_web.api.endpoint import Call, Endpoint, Id
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found

_HEADERS = {
    "Range": "A part of the file: bytes=0-1023 (RFC 9110 section 14.2).",
    "If-Range": "The ETag of the file that the caller has a part of: all of it comes where it is another one by now.",
    "If-None-Match": "The ETag of the file that the caller has.",
}


class RawQuery(Model):
    """Which message."""

    id: Id


class AttachmentQuery(Model):
    """`index` is the attachment's in the answer of `GET /api/mail/read`."""

    id: Id
    index: Annotated[int, Field(ge=0, le=10**9)]


def raw_email(call: Call) -> Response:
    """A message as it came, with all its headers (message/rfc822). It is not marked as read."""
    query = cast(RawQuery, call.query)
    if (found := stored_files.message(call.web, call.caller, query.id, "mail.raw")) is not None:
        return found
    row, raw = _opened(call, query.id, "mail.raw")
    return downloads.file(raw, downloads.message_name(row.subject), "message/rfc822")


def attachment(call: Call) -> Response:
    """An attachment, decoded, to be saved. What a browser might run comes as application/octet-stream."""
    query = cast(AttachmentQuery, call.query)
    found = stored_files.attachment(call.web, call.caller, query.id, query.index, "mail.attachment")
    if found is not None:
        return found
    parsed = parsing.parse(_opened(call, query.id, "mail.attachment")[1])
    stored_files.remember(call.web, query.id, parsed)
    return downloads.attachment(parsed, query.index)


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/raw", Who.USER, TokenScope.READ, "A message as a file", raw_email, RawQuery,
        failures={404: "There is no such message."}, headers=_HEADERS, gives_file=True, visitors=True,
    ),
    Endpoint(
        "GET", "/api/mail/attachment", Who.USER, TokenScope.READ, "An attachment", attachment, AttachmentQuery,
        failures={404: "There is no such message, or no such attachment."}, headers=_HEADERS, gives_file=True,
        visitors=True,
    ),
)  # fmt: skip


def _opened(call: Call, email_id: int, action: str) -> tuple[EmailRow, bytes]:
    def read(tx: Connection) -> tuple[EmailRow, bytes]:
        row = mailbox.get(tx, call.caller.mail_of, email_id)
        if row is None:
            raise not_found()
        return row, mailbox.raw(tx, email_id)

    call.web.before_reading(call.caller.mail_of, email_id)
    row, raw = call.web.database.read(read)
    audited.note_reading(call.web, call.caller, action, row)
    return row, raw
