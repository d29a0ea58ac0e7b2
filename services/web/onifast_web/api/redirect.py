"""Redirecting a message as it is."""

from __future__ import annotations

from typing import Annotated

from flask import request
from onifast_shared.accounts.api_tokens import TokenScope
from pydantic import ConfigDict, Field

from onifast_web.access.caller import Who
from onifast_web.actions import redirecting, sending_once
from onifast_web.actions.sending import Sent
from onifast_web.actions.sending_once import After, Before
from onifast_web.api.chosen import any_of
from onifast_web.api.endpoint import Call, Endpoint, Id
from onifast_web.api.send import Recipients, SendAnswer, text_of
from onifast_web.http.models import Model


class RedirectBody(Model):
    """`id` is the message that goes on as it is; `from` an address of the user's, which stands in Resent-From."""

    model_config = ConfigDict(json_schema_extra=any_of("to", more={"minItems": 1, "minLength": 1}))

    id: Id
    from_: Annotated[str, Field(alias="from", max_length=2000)]
    to: Recipients


def redirect_email(call: Call) -> SendAnswer:
    """Sends a message on, unchanged but for Resent fields on top of it (RFC 5322 section 3.6.6), and keeps a copy in
    sent."""
    body: RedirectBody = call.body

    def send(before: Before, after: After) -> Sent:
        return redirecting.redirect(
            call.web,
            call.caller,
            body.id,
            sender=body.from_,
            to=body.to,
            origin="api",
            together_with=before,
            and_then=after,
        )

    key = sending_once.key_of(call.caller, request.headers.get(sending_once.HEADER), body.model_dump(mode="json"))
    return SendAnswer.model_validate_json(sending_once.answered(call.web, key, send, text_of))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/mail/redirect",
        Who.USER,
        TokenScope.SEND,
        "Redirect a message",
        redirect_email,
        body=RedirectBody,
        answer=SendAnswer,
        status=202,
        failures={
            403: "The address in `from` is not the caller's.",
            404: "There is no such message.",
            409: "The message is a draft.",
            413: "The message is too large.",
            429: "A limit on what is sent is used up: `detail` says which, Retry-After when it has room again.",
        },
        headers={sending_once.HEADER: sending_once.MEANING},
    ),
)
