"""Webhooks: the list, a new one whose secret is shown once, trying, enabling and removing."""

from __future__ import annotations

import json
from typing import cast, get_args

from flask import Response, redirect, request, url_for
from onifast_shared.values.paging import CursorError
from onifast_shared.webhooks import store
from onifast_shared.webhooks.calls import CallState
from onifast_shared.webhooks.store import Webhook
from onifast_shared.webhooks.targets import TargetError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import webhooks as actions
from onifast_web.actions.webhooks import Event
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_EVENTS = (
    ("delivered", marked("Delivered")),
    ("deferred", marked("Delayed")),
    ("bounced", marked("Failed")),
    ("complained", marked("Complaints")),
    ("held", marked("Held")),
    ("received", marked("Received")),
    ("limit_hit", marked("Limit reached")),
    ("login", marked("Sign-in")),
    ("dkim_record", marked("DKIM record")),
)
_CALLS = 50


@allow(Who.PANEL_USER)
def webhooks() -> AnyResponse:
    """The list with its form. A new secret is in the answer to the form itself, and in no page after it."""
    if request.method == "GET":
        return _list_page()
    caller, _username = user()
    action, webhook_id = request.form.get("do", ""), request.form.get("id", 0, type=int)
    if action == "create":
        return _create()
    if action == "remove":
        actions.remove(current(), caller, webhook_id)
    elif action == "enable":
        actions.act(current(), caller, webhook_id, "enable")
    elif action == "test":
        actions.act(current(), caller, webhook_id, "test")
    elif action == "events":
        return _choose(webhook_id)
    else:
        raise Problem(400, _("That action is not known."))
    return redirect(url_for("webmail.webhooks", did=f"webhook-{action}"), 303)


@allow(Who.PANEL_USER)
def webhook_calls() -> AnyResponse:
    """What a webhook was told, newest first; each call can be made again."""
    caller, _username = user()
    web, webhook_id = current(), request.values.get("id", 0, type=int)
    state, cursor = request.values.get("state", ""), request.args.get("cursor")
    state = state if state in get_args(CallState) else ""
    if request.method == "POST":
        actions.replay(web, caller, webhook_id, [request.form.get("call", 0, type=int)])
        return redirect(url_for("webmail.webhook_calls", id=webhook_id, state=state or None, did="webhook-replay"), 303)
    try:
        found = actions.past_calls(web, caller, webhook_id, state=state, limit=_CALLS, cursor=cursor)
    except CursorError:
        raise not_found("page") from None
    return page(
        "webhook_calls.html",
        "webhooks",
        webhook=actions.find(web, caller, webhook_id),
        rows=[(row, json.loads(row.payload)) for row in found.rows],
        next_cursor=found.next_cursor,
        cursor=cursor,
        state=state,
        kept=web.settings.webhook_calls_kept,
    )


ROUTES = (
    PageRoute("GET POST", "/webhooks", webhooks),
    PageRoute("GET POST", "/webhooks/calls", webhook_calls, off_menu="a link at each webhook leads there"),
)
NAV = (
    NavEntry(
        "webhooks",
        marked("Webhooks"),
        webhooks,
        icon="hook",
        group=NavGroup.DELIVERY,
        order=60,
        hint=marked("Programs of yours that are told what became of mail."),
    ),
)
NOTICES: Notices = {
    "webhook-test": marked("A test is on its way. Look here again in a moment."),
    "webhook-enable": marked("Enabled. It is told of what happens from now on."),
    "webhook-remove": marked("Webhook removed."),
    "webhook-events": marked("It is told of these events from now on."),
    "webhook-replay": marked("The call is made again. Look here again in a moment."),
}


def _choose(webhook_id: int) -> AnyResponse:
    caller, _username = user()
    events = [event for event in request.form.getlist("events") if event in store.EVENTS]
    if not events:
        raise Problem(422, _("Choose at least one event."))
    actions.choose(current(), caller, webhook_id, cast(list[Event], events))
    return redirect(url_for("webmail.webhooks", did="webhook-events"), 303)


def _create() -> AnyResponse:
    caller, _username = user()
    events = [event for event in request.form.getlist("events") if event in store.EVENTS]
    if not events:
        return _list_page(errors={"events": _("Choose at least one.")})
    everybody = request.form.get("everybody") == "1"
    try:
        made = actions.create(
            current(), caller, request.form.get("url", ""), cast(list[Event], events), everybody=everybody
        )
    except TargetError as error:
        return _list_page(errors={"url": sentence(error)})
    except Problem as problem:
        return _list_page(errors={"url": problem.detail})
    return _list_page(made)


def _list_page(fresh: Webhook | None = None, errors: dict[str, str] | None = None) -> Response:
    caller, _username = user()
    rows = current().database.read(lambda tx: actions.visible(tx, caller))
    return page(
        "webhooks.html",
        "webhooks",
        422 if errors else 201 if fresh else 200,
        rows=rows,
        fresh=fresh,
        secret=fresh.secret.reveal() if fresh else "",
        events=_EVENTS,
        words=dict(_EVENTS),
        errors=errors or {},
        form=request.form if errors else {},
        chosen=request.form.getlist("events") if errors else store.ABOUT_SENT,
    )
