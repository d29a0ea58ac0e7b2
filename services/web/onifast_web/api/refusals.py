"""Refused mail: what did not come in, and why."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import RefusalRow
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.auth import Who
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.http.models import Model
from onifast_web.reading import bodies


class RefusalsQuery(Model):
    """Which refusals."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class RefusedMail(Model):
    """A transaction that was refused. `stage` is the SMTP command; `why` is what the checks found, in sentences."""

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


class RefusalList(Model):
    """A page of refusals. `next_cursor` asks for the next one; null where there is none."""

    refusals: list[RefusedMail]
    next_cursor: str | None


def list_refusals(call: Call) -> RefusalList:
    """A page of refused mail, newest first: what was for the caller's addresses or domains; all for administrators."""
    query: RefusalsQuery = call.query
    since = call.web.clock() - call.web.settings.refusals_kept
    page = call.web.database.read(
        lambda tx: refusals.list_page(tx, call.caller.manages, since=since, limit=query.limit, cursor=query.cursor)
    )
    return RefusalList(refusals=[_refused(row) for row in page.rows], next_cursor=page.next_cursor)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/refusals",
        Who.USER,
        "Refused mail and the reasons, newest first; everybody's for administrators",
        list_refusals,
        RefusalsQuery,
        answer=RefusalList,
    ),
)


def _refused(row: RefusalRow) -> RefusedMail:
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
    )
