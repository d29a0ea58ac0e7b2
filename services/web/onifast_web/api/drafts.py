"""Drafts: what is not sent yet, kept with all that was typed."""

from __future__ import annotations

from typing import Annotated, Any, cast

from flask import request
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import drafts, sending, sending_once
from onifast_web.actions.sending_once import After, Before
from onifast_web.api import send
from onifast_web.api.chosen import the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment
from onifast_web.api.send import SOON_OR_LATER, DraftFields, LeavingTime, SendAnswer
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found


class DraftListQuery(Model):
    """Which page of the drafts."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] = ""


class DraftIdQuery(Model):
    """Which draft."""

    id: Id


class DraftLine(Model):
    """A draft as the list shows it. `recipients` is what was typed into To."""

    id: int
    recipients: str
    subject: str
    snippet: str
    saved_at: Moment
    size: int
    has_attachments: bool


class DraftList(Model):
    """A page of drafts; `next_cursor` is null at the end."""

    drafts: list[DraftLine]
    next_cursor: str | None


class DraftBody(DraftFields):
    """Half an address is no error here: it is one when the draft is sent."""


class DraftReplacement(DraftBody):
    """All of the draft, not only what is new. It gets another id."""

    id: Id


class SavedDraft(Model):
    """Which number the draft has now."""

    id: int


class DraftAttachment(Model):
    """`GET /api/mail/attachment` gives its bytes."""

    index: int
    filename: str
    content_type: str
    size: int


class FullDraft(Model):
    """A draft with its fields as they were typed; only here is its Bcc to be seen."""

    id: int
    from_: str = Field(alias="from")
    to: str
    cc: str
    bcc: str
    subject: str
    text: str | None
    html: str | None
    in_reply_to: str
    references: list[str]
    attachments: list[DraftAttachment]
    saved_at: Moment


class SendDraftBody(LeavingTime):
    """Which draft to send, and when."""

    id: Id


def list_drafts(call: Call) -> DraftList:
    """The caller's drafts, the last one that was saved first."""
    owner, query = the_user(call, "drafts"), cast(DraftListQuery, call.query)
    page = call.web.database.read(
        lambda tx: mailbox.list_page(tx, owner, "drafts", limit=query.limit, cursor=query.cursor or None)
    )
    return DraftList(drafts=[_line(row) for row in page.rows], next_cursor=page.next_cursor)


def read_draft(call: Call) -> FullDraft:
    """One draft, to go on writing."""
    row, parsed = _opened(call, the_user(call, "drafts"), call.query.id)
    form, draft = drafts.load(row.id, parsed), drafts.as_draft(parsed)
    return FullDraft(
        id=row.id,
        **{"from": form.sender},
        to=form.to,
        cc=form.cc,
        bcc=form.bcc,
        subject=form.subject,
        text=draft.text,
        html=draft.html,
        in_reply_to=form.in_reply_to,
        references=form.references.split(),
        attachments=[
            DraftAttachment(index=each.index, filename=each.filename, content_type=each.content_type, size=each.size)
            for each in parsed.attachments
        ],
        saved_at=times.rfc3339(row.received_ts),
    )


def create_draft(call: Call) -> SavedDraft:
    """Keeps a draft; it is on disk when the answer comes."""
    owner, body = the_user(call, "drafts"), cast(DraftBody, call.body)
    return SavedDraft(id=_keep(call, owner, body, lambda _: None))


def replace_draft(call: Call) -> SavedDraft:
    """Puts a draft in the place of an earlier one, whose id ends."""
    owner, body = the_user(call, "drafts"), cast(DraftReplacement, call.body)

    def make_way(tx: Connection) -> None:
        _get(tx, owner, body.id)
        drafts.remove(tx, owner, body.id)

    return SavedDraft(id=_keep(call, owner, body, make_way))


def delete_draft(call: Call) -> None:
    """Ends a draft for good."""
    owner, draft_id = the_user(call, "drafts"), call.query.id

    def delete(tx: Connection) -> None:
        _get(tx, owner, draft_id)
        drafts.remove(tx, owner, draft_id)

    call.web.database.write(delete)


def send_draft(call: Call) -> SendAnswer:
    """Sends a draft as it stands; it is a message in sent then, and a draft no more."""
    owner, body = the_user(call, "drafts"), cast(SendDraftBody, call.body)
    key = sending_once.key_of(
        call.caller, request.headers.get(sending_once.HEADER), {"draft": body.model_dump(mode="json")}
    )

    def submit(before: Before, after: After) -> sending.Sent:
        _, parsed = _opened(call, owner, body.id)

        def make_way(tx: Connection) -> None:
            before(tx)
            _get(tx, owner, body.id)
            drafts.remove(tx, owner, body.id)

        return sending.send(
            call.web,
            call.caller,
            drafts.as_draft(parsed),
            origin="api",
            wait=send.wait_of(call.web, body),
            together_with=make_way,
            and_then=after,
        )

    return SendAnswer.model_validate_json(sending_once.answered(call.web, key, submit, send.text_of))


_NONE = {404: "The caller has no such draft."}
ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/drafts", Who.USER, TokenScope.READ,
        "Drafts, newest first", list_drafts, DraftListQuery, answer=DraftList,
    ),
    Endpoint(
        "GET", "/api/mail/draft", Who.USER, TokenScope.READ,
        "One draft", read_draft, DraftIdQuery, answer=FullDraft, failures=_NONE,
    ),
    Endpoint(
        "POST", "/api/mail/drafts", Who.USER, TokenScope.SEND, "Keep a draft", create_draft,
        body=DraftBody, answer=SavedDraft, status=201, form=lambda: send.body_of_form(DraftBody),
        failures={413: "The message is too large."},
    ),
    Endpoint(
        "PUT", "/api/mail/drafts", Who.USER, TokenScope.SEND, "Replace a draft", replace_draft,
        body=DraftReplacement, answer=SavedDraft, form=lambda: send.body_of_form(DraftReplacement),
        failures=_NONE | {413: "The message is too large."},
    ),
    Endpoint(
        "DELETE", "/api/mail/drafts", Who.USER, TokenScope.SEND, "Delete a draft", delete_draft, DraftIdQuery,
        status=204, failures=_NONE,
    ),
    Endpoint(
        "POST", "/api/mail/drafts/send", Who.USER, TokenScope.SEND, "Send a draft", send_draft,
        body=SendDraftBody, answer=SendAnswer, status=202, failures=_NONE | SOON_OR_LATER,
        headers={sending_once.HEADER: sending_once.MEANING},
    ),
)  # fmt: skip


def _keep(call: Call, owner: str, body: DraftBody, make_way: Any) -> int:
    typed = {
        "to": ", ".join(body.to),
        "cc": ", ".join(body.cc),
        "bcc": ", ".join(body.bcc),
        "in_reply_to": body.in_reply_to or "",
        "references": " ".join(body.references),
    }
    return drafts.keep(call.web, owner, send.draft_of(body), typed, make_way)


def _get(tx: Connection, owner: str, draft_id: int) -> EmailRow:
    row = mailbox.get(tx, owner, draft_id)
    if row is None or row.folder != "drafts":
        raise not_found("draft")
    return row


def _opened(call: Call, owner: str, draft_id: int) -> tuple[EmailRow, Parsed]:
    call.web.before_reading(owner, draft_id)
    row, raw = call.web.database.read(lambda tx: (_get(tx, owner, draft_id), mailbox.raw(tx, draft_id)))
    return row, parsing.parse(raw)


def _line(row: EmailRow) -> DraftLine:
    return DraftLine(
        id=row.id,
        recipients=row.recipient,
        subject=row.subject,
        snippet=row.snippet,
        saved_at=times.rfc3339(row.received_ts),
        size=row.size,
        has_attachments=row.has_attachments,
    )
