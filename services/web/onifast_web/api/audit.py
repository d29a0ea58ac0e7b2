"""The audit trail: who logged in, read or changed what, and from where."""

from __future__ import annotations

from typing import Annotated, Any

from onifast_shared.accounts import audit
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.audit import AuditEvent, AuditFilter
from onifast_shared.values import mailbox_accounts, times
from pydantic import Field, field_validator

from onifast_web.access.caller import Who
from onifast_web.actions import audited
from onifast_web.api.endpoint import Call, Endpoint, Moment, checked_moment
from onifast_web.http.models import Model

_OWNER = "For administrators: only what was done to this user's things."
_ACTION = "One action, such as mail.read; or all of a kind, such as mail. with the dot at its end."


class AuditQuery(Model):
    """Which lines."""

    owner: Annotated[str | None, Field(max_length=128, description=_OWNER)] = None
    action: Annotated[str, Field(max_length=64, description=_ACTION)] = ""
    actor: Annotated[
        str, Field(max_length=160, description="Only what this one did: user:NAME, panel or unix:NAME.")
    ] = ""
    q: Annotated[str, Field(max_length=200, description="Only lines that hold this text anywhere.")] = ""
    since: Annotated[Moment | None, Field(description="Only from this time on.")] = None
    until: Annotated[Moment | None, Field(description="Only before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None

    _moments = field_validator("since", "until")(checked_moment)


class AuditLine(Model):
    """`owner` is whose the `object` (`KIND:ID`) is, null for nobody's. `actor` acted with `token`."""

    id: int
    at: Annotated[Moment, Field(description="When it was.")]
    actor: Annotated[str, Field(description="Who acted: user:NAME, panel (the service token) or unix:NAME.")]
    token: Annotated[
        str, Field(description="What they acted with: service, token:ID, session, password, sso; or none.")
    ]
    ip: Annotated[str, Field(description="The address that they came from; empty for none.")]
    action: Annotated[str, Field(description="What was done.")]
    owner: str | None
    object: Annotated[str, Field(description="What it was done to, as KIND:ID; empty for the user as a whole.")]
    details: Annotated[dict[str, Any], Field(description="What else is known of it.")]


class AuditList(Model):
    """A page of the trail. `next_cursor` asks for the next one; null where there is none."""

    events: Annotated[list[AuditLine], Field(description="The lines, newest first.")]
    next_cursor: str | None


def list_events(call: Call) -> AuditList:
    """A page of the audit trail, newest first: of the caller's own things; of everybody's for administrators."""
    query: AuditQuery = call.query
    owner = audited.visible_to(call.caller, query.owner)
    since, until = (None if text is None else times.parse_rfc3339(text) for text in (query.since, query.until))
    wanted = AuditFilter(query.actor, query.q, since, until)
    page = call.web.database.read(
        lambda tx: audit.list_page(
            tx, owner, action=query.action, wanted=wanted, limit=query.limit, cursor=query.cursor
        )
    )
    return AuditList(events=[_line(event) for event in page.rows], next_cursor=page.next_cursor)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/audit",
        Who.USER,
        TokenScope.READ,
        "The audit trail, newest first; everybody's for administrators",
        list_events,
        AuditQuery,
        answer=AuditList,
    ),
)


def _line(event: AuditEvent) -> AuditLine:
    return AuditLine(
        id=event.id,
        at=times.rfc3339(event.ts),
        actor=event.actor.name,
        token=event.actor.token,
        ip=event.actor.ip,
        action=event.action,
        owner=mailbox_accounts.shown(event.owner) if event.owner else event.owner,
        object=event.object,
        details=dict(event.details),
    )
