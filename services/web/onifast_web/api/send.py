"""Sending a message: at once, after some seconds in which it can be called back, or at a time."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import IO, Annotated, Any, cast

from flask import request
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.message.compose import Draft, OutgoingAttachment
from onifast_shared.values import times
from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from werkzeug.datastructures import FileStorage

from onifast_web.access.caller import Who
from onifast_web.access.context import Web
from onifast_web.actions import sending, sending_once
from onifast_web.actions.sending import Sent, Wait
from onifast_web.actions.sending_once import After, Before
from onifast_web.api import forms
from onifast_web.api.chosen import any_of
from onifast_web.api.endpoint import IF_ANY, Call, Endpoint, Moment, checked_moment
from onifast_web.api.formats import LINE
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

_LONGEST_NAME = 255


class SendAttachment(Model):
    """A file; `content` is base64."""

    filename: Annotated[str, Field(max_length=_LONGEST_NAME, json_schema_extra={"format": LINE})]
    content_type: Annotated[str, Field(max_length=_LONGEST_NAME, json_schema_extra={"format": "media-type"})] = (
        "application/octet-stream"
    )
    content: str = Field(json_schema_extra={"contentEncoding": "base64", "format": "byte"})
    _uploaded: IO[bytes] | None = PrivateAttr(None)

    def outgoing(self) -> OutgoingAttachment:
        """The file as it is sent."""
        if self._uploaded is not None:
            return OutgoingAttachment(self.filename, self.content_type, file=self._uploaded)
        return OutgoingAttachment(self.filename, self.content_type, base64.b64decode(self.content))

    @field_validator("content")
    @classmethod
    def _is_base64(cls, value: str) -> str:
        try:
            binascii.a2b_base64(value, strict_mode=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        return value


def _as_list(value: object) -> object:
    return ([value] if value.strip() else []) if isinstance(value, str) else value


Recipients = Annotated[
    list[Annotated[str, Field(max_length=2000)]],
    Field(max_length=5000, examples=[["Ann <ann@example.org>"]]),
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
]
"""Addresses, each an entry of its own, or all in one text as they stand in a header field."""


class DraftFields(Model):
    """What a message is made of."""

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


AT_ONE_TIME: dict[str, Any] = {
    "oneOf": [
        {"properties": {"send_at": {"type": "null"}}},
        {"required": ["send_at"], "properties": {"send_at": {"not": {"type": "null"}}, "undo_seconds": {"const": 0}}},
    ]
}
"""What a schema says of `send_at` and `undo_seconds`, of which one alone is to be given."""


SOMEBODY = any_of("to", "cc", "bcc", more={"minItems": 1, "minLength": 1})
"""What it says of the recipients: there is one at least."""


class LeavingTime(Model):
    """When a message leaves: at once, at `send_at`, or after `undo_seconds` in which it can be called back."""

    model_config = ConfigDict(json_schema_extra=AT_ONE_TIME)

    send_at: Moment | None = None
    undo_seconds: Annotated[int, Field(ge=0, le=600)] = 0

    @field_validator("send_at")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        return checked_moment(value)

    @model_validator(mode="after")
    def _one_of_both(self) -> LeavingTime:
        if self.send_at and self.undo_seconds:
            raise ValueError("give either send_at or undo_seconds: until send_at a message can be called back anyway")
        return self


class SendBody(DraftFields, LeavingTime):
    """A message to be sent; `text`, `html` or both."""

    model_config = ConfigDict(json_schema_extra=AT_ONE_TIME | {"allOf": [any_of("text", "html"), SOMEBODY]})

    @model_validator(mode="after")
    def _has_a_body(self) -> SendBody:
        if self.text is None and self.html is None:
            raise ValueError("text or html is required")
        return self


class SendAnswer(Model):
    """`email_id` is the copy in sent; null where the sender has no mailbox here.

    `release_at` is when the message leaves that does not leave at once.
    """

    message_id: str
    email_id: int | None
    outbox_ids: list[int]
    release_at: Annotated[Moment | None, IF_ANY] = None


def send_email(call: Call) -> SendAnswer:
    """Queues a message and keeps a copy in sent; it is on disk when the answer comes."""
    body = cast(SendBody, call.body)
    key = sending_once.key_of(call.caller, request.headers.get(sending_once.HEADER), body.model_dump(mode="json"))

    def submit(before: Before, after: After) -> Sent:
        wait = wait_of(call.web, body)
        draft = draft_of(body)
        return sending.send(call.web, call.caller, draft, origin="api", wait=wait, together_with=before, and_then=after)

    return SendAnswer.model_validate_json(sending_once.answered(call.web, key, submit, text_of))


def draft_of(body: DraftFields) -> Draft:
    """The message that a body describes."""
    return Draft(
        from_=body.from_,
        to=body.to,
        cc=body.cc,
        bcc=body.bcc,
        subject=body.subject,
        text=body.text,
        html=body.html,
        in_reply_to=body.in_reply_to,
        references=body.references,
        attachments=[item.outgoing() for item in body.attachments],
    )


def text_of(sent: Sent) -> str:
    """The answer to who sent a message, as JSON."""
    return SendAnswer(
        message_id=sent.message_id,
        email_id=sent.email_id,
        outbox_ids=sent.outbox_ids,
        release_at=times.rfc3339(sent.release_ts) if sent.release_ts else None,
    ).model_dump_json()


def wait_of(web: Web, body: LeavingTime) -> Wait:
    """How long a message waits; raises DraftError for a time that cannot be."""
    if body.send_at:
        return sending.until(web, times.parse_rfc3339(body.send_at))
    return sending.for_undo(web, body.undo_seconds)


def body_of_form(model: type[DraftFields] = SendBody) -> dict[str, Any]:
    """The fields of a form as the JSON body has them; files become attachments.

    Raises Problem(422).
    """
    fields = forms.fields_of(model, request.form)
    if set(request.files) - {"attachments", "attachments[]", "file", "files"}:
        raise unprocessable("attachments", "files go into the field attachments")
    files = [item for _, group in request.files.lists() for item in group if item.filename]
    fields["attachments"] = [_uploaded(item) for item in files]
    return fields


def _uploaded(item: FileStorage) -> SendAttachment | dict[str, Any]:
    """A file that came as it is. What stands for its content tells whether another request has the same."""
    if len(item.filename or "") > _LONGEST_NAME:
        return {"filename": item.filename, "content": ""}  # which the model refuses
    digest = hashlib.file_digest(item.stream, "sha256").digest()  # type: ignore[arg-type]
    made = SendAttachment(
        filename=item.filename or "",
        content_type=(item.mimetype or "application/octet-stream")[:_LONGEST_NAME],
        content=base64.b64encode(digest).decode("ascii"),
    )
    made._uploaded = item.stream
    return made


SOON_OR_LATER = {
    403: "The sender's address is not the caller's.",
    413: "The message is too large.",
    429: "A limit on what is sent is used up: `detail` says which, Retry-After when it has room again.",
}
ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/mail/send",
        Who.USER,
        TokenScope.SEND,
        "Send a message",
        send_email,
        body=SendBody,
        answer=SendAnswer,
        status=202,
        form=body_of_form,
        failures=SOON_OR_LATER,
        headers={sending_once.HEADER: sending_once.MEANING},
    ),
)
