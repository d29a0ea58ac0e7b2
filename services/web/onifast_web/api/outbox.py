"""The queue: where sent mail is, and what may be done about it."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared import queue_view, times
from onifast_shared.db import Connection
from onifast_shared.queue_view import OutboxRow
from pydantic import Field

from onifast_web.api.endpoint import Call, Endpoint, Id, Model, Moment
from onifast_web.auth import Who
from onifast_web.problems import Problem, not_found

Status = Literal["pending", "sending", "sent", "deferred", "failed", "held", "cancelled", "sandboxed"]


class OutboxQuery(Model):
    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class AttemptInfo(Model):
    """One server that an attempt at delivery came to. `code` and `enhanced` are of the remote site's reply.

    `outcome` is `delivered`, `deferred`, `failed`, `sandboxed`, or `passed_over` where the same attempt went on to the
    next server. `stages` has the milliseconds of each stage (`dns`, `connect`, `greeting`, `ehlo`, `tls`, `login`,
    `mail`, `rcpt`, `data`, `body`, `end`): the last one that is there is where the attempt ended, and a connection that
    was open already begins with `mail`. `tls_level` says how the connection was protected: `none`, `encrypted`,
    `verified`, `mta-sts`, `dane`, `requiretls`, or empty where none came about.
    """

    at: Moment
    duration_ms: int
    outcome: str
    host: str
    address: str
    tls: str
    tls_level: str
    stages: dict[str, int]
    code: int | None
    enhanced: str
    reply: str
    explanation: str


class OutboxEntry(Model):
    """One recipient of one message. `next_attempt_at` is null where none will be made."""

    id: int
    sender: str
    recipient: str
    subject: str
    status: Status
    attempts: int
    last_error: str
    created_at: Moment
    next_attempt_at: Moment | None
    history: list[AttemptInfo]


class OutboxList(Model):
    outbox: list[OutboxEntry]
    next_cursor: str | None


class ActBody(Model):
    ids: Annotated[list[Id], Field(min_length=1, max_length=500)]
    action: Literal["retry", "cancel", "hold", "release"]


class Acted(Model):
    """The entries whose state changed; the others were in a state that the action does not apply to."""

    changed: list[int]


def list_outbox(call: Call) -> OutboxList:
    """A page of the queue, newest first; everybody's for administrators."""
    query: OutboxQuery = call.query
    page = call.web.database.read(
        lambda tx: queue_view.list_page(
            tx, call.caller.manages, status=query.status, limit=query.limit, cursor=query.cursor
        )
    )
    return OutboxList(outbox=[_entry(row) for row in page.rows], next_cursor=page.next_cursor)


def act_on_outbox(call: Call) -> Acted:
    """Does something to waiting entries. An id that is not there answers 404, and nothing is done."""
    body: ActBody = call.body
    owner = call.caller.manages

    def act(tx: Connection) -> list[int]:
        if any(queue_view.get(tx, owner, row_id) is None for row_id in body.ids):
            raise not_found("outbox entry")
        return queue_view.act(tx, owner, body.ids, body.action, call.web.clock())

    changed = call.web.database.write(act)
    if not changed:
        raise Problem(409, f"{body.action} does not apply to the state that these entries are in.")
    return Acted(changed=changed)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/outbox",
        Who.USER,
        "The queue, newest first; everybody's for administrators",
        list_outbox,
        OutboxQuery,
        answer=OutboxList,
    ),
    Endpoint(
        "POST",
        "/api/mail/outbox",
        Who.USER,
        "Retry, cancel, hold or release entries",
        act_on_outbox,
        body=ActBody,
        answer=Acted,
        failures={404: "One of the entries does not exist.", 409: "The action applies to none of the entries."},
    ),
)


def _entry(row: OutboxRow) -> OutboxEntry:
    return OutboxEntry(
        id=row.id,
        sender=row.sender,
        recipient=row.recipient,
        subject=row.subject,
        status=row.status,  # type: ignore[arg-type]  # the store's states are these
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=times.rfc3339(row.created_ts),
        next_attempt_at=None if row.next_attempt_ts is None else times.rfc3339(row.next_attempt_ts),
        history=[
            AttemptInfo(
                at=times.rfc3339(step.started_ts),
                duration_ms=step.duration_ms,
                outcome=step.outcome,
                host=step.host,
                address=step.address,
                tls=step.tls,
                tls_level=step.tls_level,
                stages=dict(step.stages),
                code=step.code,
                enhanced=step.enhanced,
                reply=step.reply,
                explanation=step.explanation,
            )
            for step in row.history
        ],
    )
