"""Past calls of webhooks: what their receivers answered, and calls made again."""

from __future__ import annotations

import json
from typing import Annotated, Any

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import times
from onifast_shared.webhooks.calls import CallState, PastCall
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import webhooks as actions
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.api.paged import NextCursor
from onifast_web.http.models import Model

_MOST_AT_ONCE = 100


class WebhookCallInfo(Model):
    """An event that a webhook was told of, or was to be, and its last attempt. `message_id` stays at each attempt."""

    id: int
    message_id: Annotated[str, Field(description="Its `webhook-id`.", examples=["msg_2f0c8a1b9d3e4f5061728394"])]
    type: Annotated[str, Field(description="Which event.", examples=["mail.bounced"])]
    state: Annotated[
        CallState, Field(description="`told`; `failing`, and tried again; or `dropped`.", examples=["told"])
    ]
    attempts: Annotated[int, Field(description="How often it was tried.", examples=[1])]
    called_at: Annotated[Moment, Field(description="When it was tried last.")]
    status: Annotated[int | None, Field(description="What the receiver answered; null for nothing.", examples=[204])]
    milliseconds: Annotated[int, Field(description="How long the last attempt took.", examples=[87])]
    response: Annotated[str, Field(description="The beginning of the answer's body.", examples=["ok"])]
    problem: Annotated[str, Field(description="Why it was not taken, in a sentence; empty for success.")]
    next_attempt_at: Annotated[Moment | None, Field(description="When it is tried again; null for never.")]
    payload: Annotated[dict[str, Any], Field(description="What was told.")]


class WebhookCallList(Model):
    """Calls, the newest first."""

    calls: Annotated[list[WebhookCallInfo], Field(description="The calls.")]
    next_cursor: NextCursor


class WebhookCallsQuery(Model):
    """Of which webhook, and which of its calls."""

    id: Id
    state: Annotated[CallState, Field(description="Only those in this state.")] | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="How many at the most.", examples=[50])] = 50
    cursor: Annotated[str, Field(max_length=400, description="`next_cursor` of the page before.")] | None = None


class ReplayBody(Model):
    """Which calls of which webhook are made again."""

    id: Id
    calls: Annotated[list[Id], Field(min_length=1, max_length=_MOST_AT_ONCE, description="Their ids.", examples=[[7]])]


class Replayed(Model):
    """What is told again."""

    replayed: Annotated[list[int], Field(description="The calls that are on their way.", examples=[[7]])]


def list_calls(call: Call) -> WebhookCallList:
    """What a webhook was told, newest first, with what its receiver answered. Kept for `webhook_calls_kept`."""
    query: WebhookCallsQuery = call.query
    page = actions.past_calls(
        call.web, call.caller, query.id, state=query.state or "", limit=query.limit, cursor=query.cursor
    )
    return WebhookCallList(calls=[_info(row) for row in page.rows], next_cursor=page.next_cursor)


def replay_calls(call: Call) -> Replayed:
    """Makes calls again, with the same `webhook-id` and content; what waits for its next attempt gets it now."""
    body: ReplayBody = call.body
    return Replayed(replayed=actions.replay(call.web, call.caller, body.id, body.calls))


def _info(row: PastCall) -> WebhookCallInfo:
    payload = json.loads(row.payload)
    return WebhookCallInfo.model_validate(
        {
            "id": row.id,
            "message_id": row.message_id,
            "type": payload["type"],
            "state": row.state,
            "attempts": row.attempts,
            "called_at": times.rfc3339(row.called_ts),
            "status": row.status,
            "milliseconds": row.milliseconds,
            "response": row.response,
            "problem": row.problem,
            "next_attempt_at": optional_moment(row.next_ts),
            "payload": payload,
        }
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/webhooks/calls",
        Who.PANEL_USER,
        TokenScope.READ,
        "What a webhook was told, and answered",
        list_calls,
        WebhookCallsQuery,
        answer=WebhookCallList,
        failures={404: "The caller has no such webhook."},
    ),
    Endpoint(
        "POST",
        "/api/mail/webhooks/replay",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Make calls of a webhook again",
        replay_calls,
        body=ReplayBody,
        answer=Replayed,
        failures={404: "There is no such webhook, or call.", 409: "The webhook is disabled, or too much waits for it."},
    ),
)
