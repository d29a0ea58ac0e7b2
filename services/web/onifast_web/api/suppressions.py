"""Suppressed recipients: whom a user's mail is not sent to, because it bounced, they complained, or by hand."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.queue import suppressions
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import suppressions as actions
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.api.forwards import parsed
from onifast_web.http.models import Model

Text = Annotated[str, Field(max_length=320)]


class SuppressionInfo(Model):
    """Mail of `owner` to `recipient` is returned at once. `expires_at` is null where only lifting ends it."""

    owner: str
    recipient: str
    origin: Literal["bounce", "complaint", "manual"]
    reason: str
    created_at: Moment
    expires_at: Moment | None


class SuppressionQuery(Model):
    """`q` is a part of the address, of the reason or of the owner's name; `recipient` a whole address."""

    recipient: Text | None = None
    q: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class SuppressionList(Model):
    """A page of suppressions. `next_cursor` asks for the next one; null where there is none."""

    suppressions: list[SuppressionInfo]
    next_cursor: str | None


class SuppressBody(Model):
    """Until it is lifted. `reason` stands in the bounces; administrators alone may name another user as `owner`."""

    recipient: Text
    reason: Annotated[str, Field(max_length=500)] = ""
    owner: Text | None = None


class LiftQuery(Model):
    """Which suppression."""

    recipient: Text
    owner: Text | None = None


def list_suppressions(call: Call) -> SuppressionList:
    """A page of suppressed recipients, newest first; everybody's for administrators."""
    query: SuppressionQuery = call.query
    recipient = parsed("recipient", query.recipient) if query.recipient else None
    page = call.web.database.read(
        lambda tx: suppressions.list_page(
            tx,
            call.caller.manages,
            call.web.clock(),
            recipient=recipient,
            q=query.q,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    return SuppressionList(suppressions=[_info(row) for row in page.rows], next_cursor=page.next_cursor)


def suppress(call: Call) -> SuppressionInfo:
    """Sends no more mail to a recipient, until that is lifted."""
    body: SuppressBody = call.body
    recipient = parsed("recipient", body.recipient)
    return _info(actions.suppress(call.web, call.caller, recipient, body.reason, body.owner))


def lift(call: Call) -> None:
    """Lets mail to a recipient out again."""
    query: LiftQuery = call.query
    actions.lift(call.web, call.caller, parsed("recipient", query.recipient), query.owner)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/suppressions",
        Who.USER,
        TokenScope.READ,
        "Recipients that the caller's mail is not sent to, newest first; everybody's for administrators",
        list_suppressions,
        SuppressionQuery,
        answer=SuppressionList,
    ),
    Endpoint(
        "POST",
        "/api/mail/suppressions",
        Who.USER,
        TokenScope.MANAGE,
        "Send no more mail to a recipient, until that is lifted",
        suppress,
        body=SuppressBody,
        answer=SuppressionInfo,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/suppressions",
        Who.USER,
        TokenScope.MANAGE,
        "Let mail to a recipient out again",
        lift,
        LiftQuery,
        status=204,
        failures={404: "The recipient is not suppressed."},
    ),
)


def _info(item: Suppression) -> SuppressionInfo:
    return SuppressionInfo(
        owner=item.owner,
        recipient=item.recipient,
        origin=item.origin,
        reason=item.reason,
        created_at=times.rfc3339(item.created_ts),
        expires_at=optional_moment(item.expires_ts),
    )
