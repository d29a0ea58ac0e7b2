"""Destinations: where mail is going, what cannot be reached, and limits for single ones."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, redirect, request, url_for
from onifast_shared.queue import destinations as store
from onifast_shared.queue.destinations import MOST_A_MINUTE, MOST_CONCURRENCY, OwnLimits
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import not_found
from onifast_web.languages import dates
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.long_lists import shown
from onifast_web.webmail.pages import page, user


@allow(Who.ADMINISTRATOR)
def destinations() -> AnyResponse:
    """What the deliverers know, what cannot be reached first, and the limits with their form."""
    user()
    if request.method == "GET":
        return _page()
    if request.form.get("do") == "remove":
        name = request.form.get("destination", "")
        if not current().database.write(lambda tx: store.clear_limits(tx, name)):
            raise not_found("destination")
        return redirect(url_for("webmail.destinations", did="destination-freed"), 303)
    errors: dict[str, str] = {}
    limits = _limits(request.form, errors)
    if errors:
        return _page(errors)
    current().database.write(lambda tx: store.set_limits(tx, limits))
    return redirect(url_for("webmail.destinations", did="destination-limited"), 303)


ROUTES = (PageRoute("GET POST", "/destinations", destinations),)
NAV = (
    NavEntry(
        "destinations",
        marked("Destinations"),
        destinations,
        icon="destinations",
        group=NavGroup.ADMINISTRATION,
        order=40,
        hint=marked("How fast other servers take our mail, and which are down."),
    ),
)
NOTICES: Notices = {
    "destination-limited": marked("Limits saved. They count within seconds."),
    "destination-freed": marked("Limits removed. The settings count again."),
}


def _limits(form: Mapping[str, str], errors: dict[str, str]) -> OwnLimits:
    """What the form says; what is wrong with it goes into `errors`."""
    name = ""
    try:
        name = store.checked_name(form.get("destination", ""))
    except ValueError as error:
        errors["destination"] = sentence(error)
    limits = OwnLimits(
        name,
        _number(form, "concurrency", 1, MOST_CONCURRENCY, errors),
        _number(form, "per_minute", 0, MOST_A_MINUTE, errors),
    )
    if not errors and limits == OwnLimits(name):
        errors["concurrency"] = _("Give at least one limit.")
    return limits


def _number(form: Mapping[str, str], field: str, low: int, high: int, errors: dict[str, str]) -> int | None:
    text = form.get(field, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high):
        errors[field] = _("A number from %(low)s to %(high)s.", low=dates.number(low), high=dates.number(high))
        return None
    return int(text)


def _page(errors: dict[str, str] | None = None) -> Response:
    now = current().clock()
    states, limits = current().database.read(lambda tx: (store.list_states(tx, now), store.list_limits(tx)))
    found = shown(states, lambda state: f"{state.destination} {state.last_error}")
    return page(
        "destinations.html",
        "destinations",
        422 if errors else 200,
        states=found.rows,
        found=found,
        limits=limits,
        errors=errors or {},
        form=request.form if errors else {},
    )
