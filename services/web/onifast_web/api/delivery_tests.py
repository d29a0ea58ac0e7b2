"""A test of how mail leaves: a real message, and what was said to servers on its way."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.message.compose import DraftError
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import delivery_tests
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found, unprocessable


class DeliveryTestBody(Model):
    """Whom the message goes to, and from which of the caller's addresses."""

    address: Annotated[str, Field(max_length=320, description="The recipient.")]
    sender: Annotated[
        str, Field(alias="from", max_length=320, description="One of the caller's addresses; their first if not given.")
    ] = ""


class DeliveryTestBegun(Model):
    """The message is in the queue."""

    outbox_id: int


class DeliveryTestQuery(Model):
    """Which test."""

    outbox_id: Annotated[int, Field(ge=1, le=2**63 - 1)]


class SaidLine(Model):
    """A line of the dialogue, with secrets masked."""

    at: Moment
    who: Annotated[
        Literal["client", "server", "note"], Field(description="Who said it; a note tells what happened besides.")
    ]
    text: str


class DeliveryTestState(Model):
    """What became of it so far; `dialogue` is empty where no other server was asked."""

    outbox_id: int
    status: str
    last_error: str
    is_over: Annotated[bool, Field(description="Whether an attempt was made, or none will be.")]
    dialogue: Annotated[list[SaidLine], Field(description="What was said to servers, in order.")]


def begin_test(call: Call) -> DeliveryTestBegun:
    """Queues a message of ours, like any that the caller sends, and has the dialogue about it written down."""
    body: DeliveryTestBody = call.body
    try:
        outbox_id = delivery_tests.begin(call.web, call.caller, body.sender, body.address)
    except DraftError as error:
        raise unprocessable("from" if error.field == "from_" else "address", error.text) from None
    return DeliveryTestBegun(outbox_id=outbox_id)


def get_test(call: Call) -> DeliveryTestState:
    """How far a test is; the dialogue is kept for an hour."""
    query: DeliveryTestQuery = call.query
    found = delivery_tests.look(call.web, query.outbox_id)
    if found is None:
        raise not_found("test")
    return DeliveryTestState(
        outbox_id=found.row.id,
        status=found.row.status,
        last_error=found.row.last_error,
        is_over=found.is_over,
        dialogue=[_line(each.at, each.who, each.text) for each in found.lines],
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/mail/delivery-tests",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Send a test message, and watch the dialogue",
        begin_test,
        body=DeliveryTestBody,
        answer=DeliveryTestBegun,
        status=202,
        failures={
            403: "The sender is not one of the caller's addresses.",
            409: "The caller has no address to send from.",
            429: "Other tests are under way, or a limit on sending is used up.",
            503: "The programs cannot be told that somebody watches.",
        },
    ),
    Endpoint(
        "GET",
        "/api/mail/delivery-tests",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "What became of a test message, and what was said to servers",
        get_test,
        query=DeliveryTestQuery,
        answer=DeliveryTestState,
        failures={404: "There is no such test."},
    ),
)


def _line(at: float, who: str, text: str) -> SaidLine:
    return SaidLine.model_validate({"at": optional_moment(int(at)), "who": who, "text": text})
