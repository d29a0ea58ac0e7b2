"""Refused mail: what did not come in, and why."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import RefusalRow
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import junk as actions
from onifast_web.api.endpoint import IF_ANY, Call, Endpoint, Id, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.reading import bodies


class RefusalsQuery(Model):
    """Which refusals."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class RefusedMail(Model):
    """A transaction that was refused. `stage` is the SMTP command; `why` is what the checks found, in sentences.

    Where the message itself is kept, `kept_until` says how long it can be fetched back, and `author` and `subject` what
    its header says; `rescued_at` is when that was done.
    """

    id: int
    refused_at: Moment
    client: str
    helo: str
    sender: str
    recipient: str
    stage: str
    code: int
    enhanced: str
    reason: str
    why: list[str]
    author: Annotated[str | None, IF_ANY] = None
    subject: Annotated[str | None, IF_ANY] = None
    kept_until: Annotated[Moment | None, IF_ANY] = None
    rescued_at: Annotated[Moment | None, IF_ANY] = None


class RefusalList(Model):
    """A page of refusals. `next_cursor` asks for the next one; null where there is none."""

    refusals: list[RefusedMail]
    next_cursor: str | None


class RescueBody(Model):
    """Which of the kept refusals, by its number."""

    id: Id


class Rescued(Model):
    """The message's id in its recipient's inbox."""

    email_id: int


def list_refusals(call: Call) -> RefusalList:
    """A page of refused mail, newest first: what was for the caller's addresses or domains; all for administrators."""
    query: RefusalsQuery = call.query
    since = call.web.clock() - call.web.settings.refusals_kept
    page = call.web.database.read(
        lambda tx: refusals.list_page(tx, call.caller.manages, since=since, limit=query.limit, cursor=query.cursor)
    )
    return RefusalList(refusals=[_refused(call, row) for row in page.rows], next_cursor=page.next_cursor)


def rescue_refused(call: Call) -> Rescued:
    """Fetches a refused message back that is kept. No filter, forward or vacation note acts on it."""
    email_id, _ = actions.rescue(call.web, call.caller, call.body.id)
    return Rescued(email_id=email_id)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/refusals",
        Who.USER,
        TokenScope.READ,
        "Refused mail and the reasons, newest first; everybody's for administrators",
        list_refusals,
        RefusalsQuery,
        answer=RefusalList,
    ),
    Endpoint(
        "POST",
        "/api/mail/refusals/rescue",
        Who.USER,
        TokenScope.MANAGE,
        "Fetch refused mail back that is kept",
        rescue_refused,
        body=RescueBody,
        answer=Rescued,
        failures={
            404: "There is no such record.",
            409: "The mailbox is full.",
            410: "The message is not kept, or was fetched back already.",
        },
    ),
)


def _refused(call: Call, row: RefusalRow) -> RefusedMail:
    item = row.refusal
    return RefusedMail(
        id=row.id,
        refused_at=times.rfc3339(row.refused_ts),
        client=item.client,
        helo=item.helo,
        sender=item.sender,
        recipient=item.recipient,
        stage=item.stage,
        code=item.code,
        enhanced=item.enhanced,
        reason=item.reason,
        why=bodies.reasons(item.authentication or {}),
        author=row.kept.author if row.kept else None,
        subject=row.kept.subject if row.kept else None,
        kept_until=optional_moment(actions.kept_until(call.web, row)),
        rescued_at=optional_moment(row.rescued_ts),
    )
