"""Finding mail: a form for those who do not type operators, searches that are kept, and how a typed one may go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labels
from onifast_shared.search import saved
from onifast_shared.search.query import FOLDERS
from onifast_shared.search.saved import LONGEST_QUERY, SavedSearchError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import finding
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import MenuNumber, NavEntry, NavGroup, Notices, OwnEntry, PageRoute
from onifast_web.webmail.mailbox import folder
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def searches() -> AnyResponse:
    """The form, and what is kept; with `go` the search that the form makes."""
    _caller, username = user()
    if request.method == "POST":
        return _act(username)
    if "go" not in request.args:
        return _page(username)
    text = finding.query_of(request.args)
    if not text:
        return _page(username, {"words": _("Say at least one thing about what you look for.")})
    return _found(text)


ROUTES = (PageRoute("GET POST", "/searches", searches),)
NAV = (
    NavEntry(
        "searches",
        marked("Searches"),
        searches,
        icon="search",
        group=NavGroup.SORTING,
        order=30,
        hint=marked("Look for mail by a form, and keep searches under a name."),
    ),
)
NOTICES: Notices = {
    "search-saved": marked("Kept. It stands in the menu, below your labels."),
    "search-deleted": marked("Deleted."),
    "searches-forgotten": marked("What you searched for lately is forgotten."),
}


def _own_entries(tx: Connection, username: str) -> Sequence[OwnEntry]:
    """The searches that are kept, for the menu."""
    return [
        OwnEntry(
            key=f"search-{each.id}",
            title=each.name,
            full_title=each.query,
            view=folder,
            icon="search",
            heading=_("Searches"),
            values={"folder": "inbox", "q": each.query, "in": "all"},
            number=MenuNumber(0),
        )
        for each in saved.list_all(tx, username)
    ]


OWN_ENTRIES = _own_entries


def _act(username: str) -> AnyResponse:
    web, form = current(), request.form
    match form.get("do"):
        case "save":
            name, text = form.get("name", "") or form.get("query", ""), form.get("query", "")
            try:
                web.database.write(lambda tx: saved.save(tx, username, name, text, web.clock()))
            except SavedSearchError as error:
                return _page(username, {error.field: str(error)})
            return _back("search-saved")
        case "delete":
            number = form.get("id", 0, type=int)
            web.database.write(lambda tx: saved.remove(tx, username, number))
            return _back("search-deleted")
        case "forget":
            web.database.write(lambda tx: saved.forget_recent(tx, username))
            return _back("searches-forgotten")
    raise Problem(400, _("That action is not known."))


def _found(text: str) -> AnyResponse:
    where: dict[str, Any] = {"in": "all"}
    return redirect(url_for("webmail.folder", folder="inbox", q=text[:LONGEST_QUERY], **where), 303)


def _back(did: str) -> AnyResponse:
    return redirect(url_for("webmail.searches", did=did), 303)


def _page(username: str, errors: dict[str, str] | None = None) -> Response:
    kept, lately, own = current().database.read(
        lambda tx: (saved.list_all(tx, username), saved.recent(tx, username), labels.list_all(tx, username))
    )
    return page(
        "searches.html",
        "searches",
        422 if errors else 200,
        kept=kept,
        lately=lately,
        folders=[*FOLDERS, *(each.name for each in own if each.is_folder)],
        labels=[each.name for each in own if not each.is_folder],
        errors=errors or {},
        form=request.values,
    )
