"""How a user wants lists of messages: of what, how dense, with a reading pane, and what a swipe does."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import DENSITIES, PANES, SWIPES, ListChoice
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_DENSITY_WORDS = {"comfortable": marked("Comfortable"), "normal": marked("Normal"), "compact": marked("Compact")}
_PANE_WORDS = {"none": marked("None"), "right": marked("To the right of the list"), "below": marked("Below the list")}
_SWIPE_WORDS = {
    "archive": marked("Archive"),
    "trash": marked("Delete"),
    "read": marked("Mark as read, or unread"),
    "snooze": marked("Snooze"),
    "none": marked("Nothing"),
}


@allow(Who.USER)
def lists() -> AnyResponse:
    """The choices, and what their form asks for."""
    _caller, username = user()
    if request.method == "GET":
        return _page()
    choice = ListChoice(
        request.form.get("rows") == "messages",
        _chosen("density", DENSITIES),
        _chosen("pane", PANES),
        _chosen("swipe_left", SWIPES),
        _chosen("swipe_right", SWIPES),
    )
    current().database.write(lambda tx: preferences.put_lists(tx, username, choice))
    return redirect(url_for("webmail.lists", did="lists-saved"), 303)


ROUTES = (PageRoute("GET POST", "/lists", lists),)
NAV = (
    NavEntry(
        "lists",
        marked("Mail lists"),
        lists,
        icon="rows",
        group=NavGroup.READING,
        order=10,
        hint=marked("Conversations or single lines, and how close they stand."),
    ),
)
NOTICES: Notices = {"lists-saved": marked("Saved.")}


def _chosen(name: str, known: tuple[str, ...]) -> str:
    value = request.form.get(name, known[0])
    if value not in known:
        raise Problem(400, _("That is none of the choices."))
    return value


def _page() -> Response:
    return page("lists.html", "lists", densities=_DENSITY_WORDS, panes=_PANE_WORDS, swipes=_SWIPE_WORDS)
