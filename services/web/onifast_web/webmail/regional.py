"""In which language a user has the webmail, and for which time zone it shows times."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import available_timezones

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import RegionalChoice
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.languages import current as languages
from onifast_web.languages.catalogue import load
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_AREAS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)


@allow(Who.PERSON)
def regional() -> AnyResponse:
    """The choices, and what their form asks for."""
    _caller, username = user()
    if request.method == "GET":
        return _page(username)
    choice = RegionalChoice(request.form.get("language", ""), request.form.get("time_zone", ""))
    if choice.language and choice.language not in languages.offered():
        raise Problem(400, _("That is none of the choices."))
    if choice.time_zone and languages.zone_named(choice.time_zone) is None:
        raise Problem(400, _("That is none of the choices."))
    current().database.write(lambda tx: preferences.put_regional(tx, username, choice))
    return redirect(url_for("webmail.regional", did="regional-saved"), 303)


ROUTES = (PageRoute("GET POST", "/regional", regional),)
NAV = (
    NavEntry(
        "regional",
        marked("Language and time"),
        regional,
        icon="languages",
        group=NavGroup.READING,
        order=5,
        hint=marked("The language of these pages and of dates, and your time zone."),
    ),
)
NOTICES: Notices = {"regional-saved": marked("Saved.")}


@lru_cache(maxsize=1)
def _zones() -> dict[str, list[str]]:
    """The time zones of the IANA database by their areas, without names that are there for old programs alone."""
    names = sorted(available_timezones())
    return {area: [name for name in names if name.startswith(f"{area}/")] for area in _AREAS}


def _page(username: str) -> Response:
    chosen = current().database.read(lambda tx: preferences.regional(tx, username))
    offered = [load(tag) for tag in languages.offered()]
    return page("regional.html", "regional", chosen=chosen, offered=offered, zones=_zones())
