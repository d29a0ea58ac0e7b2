"""Answers to invitations."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.mailboxes.invitations import InvitationReply
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import invitations as actions
from onifast_web.api.endpoint import Call, Endpoint, Id
from onifast_web.http.models import Model


class AnswerBody(Model):
    """`id` is the message that invites; `comment` goes to the organizer with the answer."""

    id: Id
    answer: InvitationReply
    comment: Annotated[str, Field(max_length=1000)] = ""


class AnswerSent(Model):
    """The answer on its way: from which of the user's addresses, the one that was invited, and to whom."""

    from_: Annotated[str, Field(alias="from")]
    to: str
    message_id: str
    email_id: int | None
    outbox_ids: list[int]


def answer_invitation(call: Call) -> AnswerSent:
    """Sends the organizer an answer (RFC 5546), and keeps a copy in sent."""
    body: AnswerBody = call.body
    comment = body.comment.strip()
    sent, invitation = actions.answer(call.web, call.caller, body.id, body.answer, comment=comment, origin="api")
    return AnswerSent(
        from_=str(invitation.sender),
        to=str(invitation.organizer),
        message_id=sent.message_id,
        email_id=sent.email_id,
        outbox_ids=sent.outbox_ids,
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/mail/invitations",
        Who.USER,
        TokenScope.SEND,
        "Answer an invitation",
        answer_invitation,
        body=AnswerBody,
        answer=AnswerSent,
        status=202,
        failures={
            404: "There is no such message.",
            409: "The message holds no invitation that could be answered.",
            429: "A limit on what is sent is used up: `detail` says which, Retry-After when it has room again.",
        },
    ),
)
