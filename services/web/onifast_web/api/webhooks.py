"""Webhooks: who is told by HTTPS what became of mail."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import times
from onifast_shared.webhooks import store, targets
from onifast_shared.webhooks.store import Webhook
from onifast_shared.webhooks.targets import TargetError
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import webhooks as actions
from onifast_web.actions.webhooks import Event
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable


class WebhookInfo(Model):
    """A webhook without its secret. `everybody`: it is the administrators', and told of everybody's mail.

    `problem` is the last failure, "" after a success; with `disabled_at`, why it was disabled. `dropped` counts the
    events that it was never told of.
    """

    id: int
    url: str
    events: list[Event]
    everybody: bool
    created_at: Moment
    disabled_at: Moment | None
    problem: str
    failing_since: Moment | None
    told_at: Moment | None
    waiting: int
    dropped: int


class WebhookList(Model):
    """A list of webhooks."""

    webhooks: list[WebhookInfo]


class WebhookBody(Model):
    """`everybody` is for administrators, whose webhooks may also lead into their own network."""

    url: Annotated[str, Field(max_length=targets.MAX_URL)]
    events: Annotated[
        list[Event],
        Field(
            default_factory=lambda: list(cast(tuple[Event, ...], store.ABOUT_SENT)),
            min_length=1,
            max_length=len(store.EVENTS),
        ),
    ]
    everybody: bool = False


class NewWebhook(Model):
    """`secret` is shown here and never again: what its calls are signed with (Standard Webhooks)."""

    id: int
    url: str
    events: list[Event]
    everybody: bool
    secret: str


class ChangeWebhookBody(Model):
    """What a webhook is to be told of from now on, in the place of what it was."""

    id: Id
    events: Annotated[list[Event], Field(min_length=1, max_length=len(store.EVENTS))]


class WebhookActionBody(Model):
    """`enable` ends a webhook's being disabled; `test` has it told a `mail.test` now."""

    id: Id
    action: Literal["enable", "test"]


class RemoveWebhookQuery(Model):
    """Which webhook."""

    id: Id


def list_webhooks(call: Call) -> WebhookList:
    """The caller's webhooks; for administrators those of everybody's mail too."""
    return WebhookList(
        webhooks=[_info(row) for row in call.web.database.read(lambda tx: actions.visible(tx, call.caller))]
    )


def create_webhook(call: Call) -> NewWebhook:
    """A new webhook; it is told of what happens from now on."""
    body: WebhookBody = call.body
    try:
        made = actions.create(call.web, call.caller, body.url, body.events, everybody=body.everybody)
    except TargetError as error:
        raise unprocessable("url", str(error)) from None
    shown = _info(made)
    return NewWebhook(
        id=made.id, url=made.url, events=shown.events, everybody=shown.everybody, secret=made.secret.reveal()
    )


def change_webhook(call: Call) -> WebhookInfo:
    """Has a webhook told of other events. What waits already is told all the same."""
    body: ChangeWebhookBody = call.body
    actions.choose(call.web, call.caller, body.id, body.events)
    return _info(actions.find(call.web, call.caller, body.id))


def act_on_webhook(call: Call) -> WebhookInfo:
    """Enables a webhook, or tries it out."""
    body: WebhookActionBody = call.body
    actions.act(call.web, call.caller, body.id, body.action)
    return _info(actions.find(call.web, call.caller, body.id))


def remove_webhook(call: Call) -> None:
    """Ends a webhook at once, with what waits for it."""
    actions.remove(call.web, call.caller, call.query.id)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/webhooks",
        Who.PANEL_USER,
        TokenScope.READ,
        "The caller's webhooks",
        list_webhooks,
        answer=WebhookList,
    ),
    Endpoint(
        "POST",
        "/api/mail/webhooks",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Make a webhook",
        create_webhook,
        body=WebhookBody,
        answer=NewWebhook,
        status=201,
        failures={403: "`everybody` is for administrators.", 409: "There are as many as there may be."},
    ),
    Endpoint(
        "PATCH",
        "/api/mail/webhooks",
        Who.USER,
        TokenScope.MANAGE,
        "Change what a webhook is told of",
        change_webhook,
        body=ChangeWebhookBody,
        answer=WebhookInfo,
        failures={404: "The caller has no such webhook."},
    ),
    Endpoint(
        "POST",
        "/api/mail/webhooks/act",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Enable or try a webhook",
        act_on_webhook,
        body=WebhookActionBody,
        answer=WebhookInfo,
        failures={404: "The caller has no such webhook.", 409: "It is disabled (test)."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/webhooks",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Remove a webhook",
        remove_webhook,
        RemoveWebhookQuery,
        status=204,
        failures={404: "The caller has no such webhook."},
    ),
)


def _info(row: Webhook) -> WebhookInfo:
    return WebhookInfo.model_validate(
        {
            "id": row.id,
            "url": row.url,
            "events": list(row.events),
            "everybody": row.owner is None,
            "created_at": times.rfc3339(row.created_ts),
            "disabled_at": optional_moment(row.disabled_ts),
            "problem": row.problem,
            "failing_since": optional_moment(row.failing_since_ts),
            "told_at": optional_moment(row.told_ts),
            "waiting": row.waiting,
            "dropped": row.dropped,
        }
    )
