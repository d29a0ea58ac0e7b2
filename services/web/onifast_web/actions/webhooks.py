"""Webhooks, as users and administrators make, try, enable and remove them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.machine import log
from onifast_shared.values.paging import Page
from onifast_shared.webhooks import calls, store, targets, telling
from onifast_shared.webhooks.calls import PastCall
from onifast_shared.webhooks.store import Webhook

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _
from onifast_web.reading.render import sentence

_logger = log.get("web")

Event = Literal[
    "delivered", "deferred", "bounced", "complained", "held", "received", "limit_hit", "login", "dkim_record"
]


def visible(tx: Connection, caller: Caller) -> list[Webhook]:
    """The webhooks that a caller may see and change."""
    found = [] if caller.username is None else store.list_for(tx, caller.username)
    return [*found, *(store.list_for(tx, None) if caller.is_admin else [])]


def create(web: Web, caller: Caller, url: str, events: list[Event], *, everybody: bool) -> Webhook:
    """A new webhook.

    Raises TargetError, Problem(403) for one that is not the caller's to make, Problem(409) where there are enough.
    """
    owner = None if everybody else caller.username
    if owner is None and not caller.is_admin:
        raise Problem(403, _("Only administrators may be told of everybody's mail."))
    target = targets.check_url(url.strip(), by_administrator=owner is None)
    try:
        made = web.database.write(lambda tx: store.create(tx, owner, target, events, web.clock()))
    except store.TooMany as error:
        raise Problem(409, sentence(error)) from None
    log.event(_logger, "webhook-created", id=made.id, owner=owner)
    return made


def act(web: Web, caller: Caller, webhook_id: int, action: Literal["enable", "test"]) -> None:
    """Enables or tries a webhook; raises Problem(404), and Problem(409) for trying one that is disabled."""
    found = find(web, caller, webhook_id)
    if action == "enable":
        web.database.write(lambda tx: store.enable(tx, found.owner, found.id))
        return
    if found.disabled_ts is not None:
        raise Problem(409, _("The webhook is disabled; enable it first."))
    now = web.clock()
    web.database.write(lambda tx: telling.tell_listeners(tx, [found.id], "test", {"webhook_id": found.id}, now))


def choose(web: Web, caller: Caller, webhook_id: int, events: list[Event]) -> None:
    """Has a webhook told of these events from now on, and of no others; raises Problem(404)."""
    found = find(web, caller, webhook_id)
    web.database.write(lambda tx: store.set_events(tx, found.owner, found.id, events))
    log.event(_logger, "webhook-changed", id=found.id, owner=found.owner)


def past_calls(
    web: Web, caller: Caller, webhook_id: int, *, state: str, limit: int, cursor: str | None
) -> Page[PastCall]:
    """A page of what a webhook was told, newest first; raises Problem(404), CursorError."""
    found = find(web, caller, webhook_id)
    return web.database.read(lambda tx: calls.list_page(tx, found.id, state=state, limit=limit, cursor=cursor))


def replay(web: Web, caller: Caller, webhook_id: int, call_ids: Sequence[int]) -> list[int]:
    """Has past calls made again; gives those that there are.

    Raises Problem(404) where there is none of them, Problem(409) where the webhook is disabled or too much waits.
    """
    found = find(web, caller, webhook_id)
    if found.disabled_ts is not None:
        raise Problem(409, _("The webhook is disabled; enable it first."))
    try:
        done = web.database.write(lambda tx: calls.replay(tx, found, call_ids, web.clock()))
    except calls.WaitsAlready as error:
        raise Problem(409, sentence(error)) from None
    if not done:
        raise not_found("call")
    log.event(_logger, "webhook-replayed", id=found.id, owner=found.owner, calls=len(done))
    return done


def remove(web: Web, caller: Caller, webhook_id: int) -> None:
    """Ends a webhook; raises Problem(404)."""
    found = find(web, caller, webhook_id)
    web.database.write(lambda tx: store.remove(tx, found.owner, found.id))
    log.event(_logger, "webhook-removed", id=found.id, owner=found.owner)


def find(web: Web, caller: Caller, webhook_id: int) -> Webhook:
    """A webhook that the caller may see; raises Problem(404)."""
    for webhook in web.database.read(lambda tx: visible(tx, caller)):
        if webhook.id == webhook_id:
            return webhook
    raise not_found("webhook")
