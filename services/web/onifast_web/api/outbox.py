"""The queue: where sent mail is, and what may be done about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import ACTIONS, OutboxRow, Search
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from pydantic import ConfigDict, Field, JsonValue, field_validator, model_validator

from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import Web
from onifast_web.actions import queue
from onifast_web.actions.queue import Done
from onifast_web.api.endpoint import IF_ANY, Call, Endpoint, Id, Moment, checked_moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable

Status = Literal["pending", "sending", "sent", "deferred", "failed", "held", "cancelled", "sandboxed"]


class OutboxQuery(Model):
    """`q` is looked for in sender, recipient, subject and submitter."""

    status: Status | None = None
    q: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class AttemptInfo(Model):
    """One server that an attempt at delivery came to. `code` and `enhanced` are of the remote site's reply.

    `outcome` is `delivered`, `deferred`, `failed`, `sandboxed`, or `passed_over` where the same attempt went on to the
    next server; and what notifications tell afterwards: `returned`, `delayed`, `confirmed`, `complained`, `answered`
    (by a program), or `unproven` for one that is not believed.

    `stages` has the milliseconds of each stage (`dns`, `connect`, `greeting`, `ehlo`, `tls`, `login`, `mail`, `rcpt`,
    `data`, `body`, `end`): the last one that is there is where the attempt ended, and a connection that was open
    already begins with `mail`. `tls_level` says how the connection was protected: `none`, `encrypted`, `verified`,
    `mta-sts`, `dane`, `requiretls`, or empty where none came about.
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
    """One recipient of one message. `next_attempt_at` is null where none will be made.

    What is there only where it says something: `queue_id`, the message's name in replies and logs; `release_at`,
    the time that its sender chose for it; `original_recipient`, who it was for before it was redirected;
    `sandbox_domain`, whose sandbox captured it, if it was not the whole server's.
    """

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
    queue_id: Annotated[str, IF_ANY] = ""
    release_at: Annotated[Moment | None, IF_ANY] = None
    original_recipient: Annotated[str, IF_ANY] = ""
    sandbox_domain: Annotated[str, IF_ANY] = ""


class OutboxList(Model):
    """A page of the queue. `next_cursor` asks for the next one; null where there is none."""

    outbox: list[OutboxEntry]
    next_cursor: str | None


class Matching(Model):
    """The entries that a list with the same `status` and `q` would show, on all its pages."""

    status: Status | None = None
    q: Annotated[str, Field(max_length=200)] = ""


def _action(*actions: str, by: str = "ids", needs: str = "") -> dict[str, Any]:
    """The schema of requests for these actions: what they need, and what else they do not take."""
    others = {name: {"type": "null"} for name in ("ids", "matching", "send_at", "to") if name not in (by, needs)}
    given = {name: {"not": {"type": "null"}} for name in (by, needs) if name}
    return {"required": ["action", *given], "properties": {"action": {"enum": list(actions)}, **given, **others}}


_ACTION_SCHEMAS: JsonValue = [
    _action(*ACTIONS, "send_now", "recall"),
    _action(*ACTIONS, by="matching"),
    _action("reschedule", needs="send_at"),
    _action("redirect", needs="to"),
]


class QueueActionBody(Model):
    """What is to be done, and to which entries: either `ids`, or for retry, cancel, hold and release all `matching`.

    `reschedule` needs `send_at`, `redirect` needs `to`; no other action takes either.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": _ACTION_SCHEMAS})

    ids: Annotated[list[Id], Field(min_length=1, max_length=500)] | None = None
    matching: Matching | None = None
    action: Literal["retry", "cancel", "hold", "release", "send_now", "reschedule", "recall", "redirect"]
    send_at: Moment | None = None
    to: Annotated[str, Field(max_length=320)] | None = None

    @field_validator("send_at")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        return checked_moment(value)

    @model_validator(mode="after")
    def _goes_with_its_action(self) -> QueueActionBody:
        for name, action in (("send_at", "reschedule"), ("to", "redirect")):
            if (getattr(self, name) is not None) != (self.action == action):
                raise ValueError(f"{name} goes with {action}, and with nothing else")
        if (self.ids is None) == (self.matching is None):
            raise ValueError("either ids or matching says which entries are meant")
        if self.matching is not None and self.action not in ACTIONS:
            raise ValueError(f"matching goes with {', '.join(ACTIONS)}; {self.action} needs ids")
        return self


class Acted(Model):
    """The entries whose state changed; the others were in a state that the action does not apply to.

    `drafts` are the messages that `recall` made drafts of; it is there with that action alone.
    """

    changed: list[int]
    drafts: Annotated[list[int], IF_ANY] = Field(default_factory=list)


def list_outbox(call: Call) -> OutboxList:
    """A page of the queue, newest first; everybody's for administrators."""
    query: OutboxQuery = call.query
    page = call.web.database.read(
        lambda tx: queue_view.list_page(
            tx, call.caller.manages, Search(query.status, query.q), limit=query.limit, cursor=query.cursor
        )
    )
    return OutboxList(outbox=[_entry(row) for row in page.rows], next_cursor=page.next_cursor)


def act_on_outbox(call: Call) -> Acted:
    """Does something to waiting entries. An id that is not there answers 404, and nothing is done.

    Entries `matching` are changed in batches; `changed` is empty where the action applies to none.

    `release` lets go what is held, and has captured entries sent after all; `redirect` has them sent to `to` instead.
    `recall`, `send_now` and `reschedule` take the whole message that an entry belongs to, every recipient: `recall`
    makes a draft of it, unless it is on its way to one of them.
    """
    body: QueueActionBody = call.body
    owner, ids = call.caller.manages, body.ids or []
    if body.matching is not None:
        search = Search(body.matching.status, body.matching.q)
        return Acted(changed=queue.act_on_all(call.web, call.caller, search, body.action).changed)
    if None in call.web.database.read(lambda tx: [queue_view.get(tx, owner, row_id) for row_id in ids]):
        raise not_found("outbox entry")
    done = _act(call.web, call.caller, body, ids)
    if not done.changed:
        raise Problem(409, f"{body.action} does not apply to the state that these entries are in.")
    return Acted(changed=done.changed, drafts=done.drafts)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/outbox",
        Who.USER,
        TokenScope.READ,
        "The queue, newest first; everybody's for administrators",
        list_outbox,
        OutboxQuery,
        answer=OutboxList,
    ),
    Endpoint(
        "POST",
        "/api/mail/outbox",
        Who.USER,
        TokenScope.MANAGE,
        "Retry, cancel, hold, release, redirect, call back or reschedule entries",
        act_on_outbox,
        body=QueueActionBody,
        answer=Acted,
        failures={
            403: "Only administrators, or the domain's owner, may have sent what was captured.",
            404: "One of the entries does not exist.",
            409: "The action applies to none of the entries, or it is too late for it.",
        },
    ),
)


def _act(web: Web, caller: Caller, body: QueueActionBody, ids: list[int]) -> Done:
    match body.action:
        case "recall":
            return queue.recall(web, caller, ids)
        case "send_now":
            return queue.send_now(web, caller, ids)
        case "reschedule":
            return queue.reschedule(web, caller, ids, times.parse_rfc3339(body.send_at or ""))
        case "redirect":
            return queue.redirect(web, caller, ids, _address(body.to or ""))
    return queue.act(web, caller, ids, body.action)


def _address(text: str) -> Address:
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise unprocessable("to", str(error)) from None


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
        next_attempt_at=optional_moment(row.next_attempt_ts),
        release_at=times.rfc3339(row.release_ts) if row.release_ts else None,
        queue_id=row.queue_id,
        original_recipient=row.original_recipient,
        sandbox_domain=row.sandbox_domain,
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
