"""Help: the tour, which the inbox shows until somebody has taken it or wants none, and the same to read at any time."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import preferences
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.languages.texts import marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user


class TourStep(NamedTuple):
    """One thing that the tour shows: what it is called, what is good to know, and where it is, as a CSS selector."""

    title: str
    words: str
    shown: str = ""


STEPS = (
    TourStep(
        marked("One line, one conversation"),
        marked(
            "Answers stand together with what they answer, yours too. Point at a line for what can be done with it,"
            " swipe it on a phone, or press the right mouse button. A message can be dragged to a folder or label."
        ),
        ".rows .row, .list-form .empty",
    ),
    TourStep(
        marked("Write without fear"),
        marked(
            "What you write is saved as you type. After Send there is a moment to call it back, and a message can wait"
            " for a better time."
        ),
        ".topbar [href$='/compose'], .compose-button",
    ),
    TourStep(
        marked("Everything can be undone"),
        marked("Moved or deleted the wrong one? Undo stands at the bottom for a while, and the key Z does the same."),
    ),
    TourStep(
        marked("Find anything"),
        marked(
            "Type words, or say more: from:anna has:attachment before:2026-01-01. The suggestions below the"
            " field complete what you begin."
        ),
        ".page-head .search",
    ),
    TourStep(
        marked("Make it yours"),
        marked(
            "Filters, a vacation note, signatures, dark colours, a reading pane: all of that is under Settings. The"
            " tour is there again under Help."
        ),
        ".nav-list [href$='/settings'], [data-open-nav]",
    ),
)


def tour_for(tx: Connection, found: Caller, username: str) -> tuple[TourStep, ...]:
    """What the inbox shows of the tour: all of it to those who have not seen it and to those who ask, else nothing."""
    if found.visited_by is not None or found.member:
        return ()
    return STEPS if request.args.get("tour") or not preferences.tour_done(tx, username) else ()


@allow(Who.USER)
def help_page() -> Response:
    """What the tour says, on a page, and the way to all that helps."""
    return page("help.html", "help", steps=STEPS)


@allow(Who.USER)
def end_tour() -> AnyResponse:
    """Shows the tour no more."""
    _caller, username = user()
    current().database.write(lambda tx: preferences.put_tour_done(tx, username))
    return redirect(url_for("webmail.folder", folder="inbox"), 303)


ROUTES = (
    PageRoute("GET", "/help", help_page),
    PageRoute("POST", "/help/tour", end_tour, off_menu="the tour posts to it as it ends"),
)
NAV = (NavEntry("help", marked("Help"), help_page, icon="help", group=NavGroup.AREAS, order=90),)
NOTICES: Notices = {}
