"""The colours that a user wants the webmail in, and how far apart they are."""

from __future__ import annotations

from flask import Flask, g, redirect, request, url_for
from onifast_shared.db.errors import DatabaseError
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import CONTRASTS, THEMES, AppearanceChoice
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_THEME_WORDS = {"system": marked("As this device has it"), "light": marked("Light"), "dark": marked("Dark")}
_CONTRAST_WORDS = {"system": marked("As this device has it"), "more": marked("High")}


def register(app: Flask) -> None:
    """Adds what every page asks for its root element."""
    app.jinja_env.globals["appearance"] = _wanted


@allow(Who.PERSON)
def appearance() -> AnyResponse:
    """The choices, and what their form asks for."""
    _caller, username = user()
    if request.method == "GET":
        return page("appearance.html", "appearance", themes=_THEME_WORDS, contrasts=_CONTRAST_WORDS)
    choice = AppearanceChoice(_chosen("theme", THEMES), _chosen("contrast", CONTRASTS))
    current().database.write(lambda tx: preferences.put_appearance(tx, username, choice))
    return redirect(url_for("webmail.appearance", did="appearance-saved"), 303)


ROUTES = (PageRoute("GET POST", "/appearance", appearance),)
NAV = (
    NavEntry(
        "appearance",
        marked("Appearance"),
        appearance,
        icon="contrast",
        group=NavGroup.READING,
        order=15,
        hint=marked("Light or dark, and how strong the contrast is."),
    ),
)
NOTICES: Notices = {"appearance-saved": marked("Saved.")}


def _wanted() -> AppearanceChoice:
    """What the caller wants; the usual for those whom we do not know, and while the database cannot be read."""
    found: Caller | None = g.get("caller")
    person = (found.visited_by or found.member or found.username) if found else None
    if person is None:
        return AppearanceChoice()
    try:
        return current().database.read(lambda tx: preferences.appearance(tx, person))
    except DatabaseError:
        return AppearanceChoice()


def _chosen(name: str, known: tuple[str, ...]) -> str:
    value = request.form.get(name, known[0])
    if value not in known:
        raise Problem(400, _("That is none of the choices."))
    return value
