"""Departed users: who is missing and waits for confirmation, and what is kept of departed users."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.departed import changes, store, watching
from onifast_shared.departed.changes import UserChangeRequest
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import departed as actions
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked, ngettext
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_MOST = 200
_CHANGES = {"restore": changes.RESTORE, "purge": changes.PURGE}


@allow(Who.ADMINISTRATOR)
def departed() -> AnyResponse:
    """The lists with their buttons."""
    caller, _username = user()
    if request.method == "GET":
        return _page()
    if request.form.get("do") == "confirm":
        return _confirm(caller, request.form.getlist("users"))
    departure_id = request.form.get("id", 0, type=int)
    action = _CHANGES.get(request.form.get("do", ""))
    if action is None or not 0 < departure_id < 2**63:
        raise not_found("departed user")
    try:
        actions.change(current(), UserChangeRequest(action, "", caller.on_record, departure_id=departure_id))
    except Problem as problem:
        return _page(problem)
    did = "user-restored" if action == changes.RESTORE else "user-purged"
    return redirect(url_for("webmail.departed", did=did), 303)


ROUTES = (PageRoute("GET POST", "/departed", departed),)
NAV = (
    NavEntry(
        "departed",
        marked("Departed users"),
        departed,
        icon="logout",
        group=NavGroup.ADMINISTRATION,
        order=20,
        hint=marked("What users left behind, and how it comes back."),
    ),
)
NOTICES: Notices = {
    "user-restored": marked("Restored. What was kept is the user's again."),
    "user-purged": marked("What was kept is being deleted."),
    "users-gone": marked("Confirmed. They depart within minutes, unless their files come back."),
}


def _confirm(caller: Caller, usernames: list[str]) -> AnyResponse:
    confirmed = current().database.write(lambda tx: watching.confirm(tx, usernames, caller.on_record))
    return redirect(url_for("webmail.departed", did="users-gone" if confirmed else "none"), 303)


def _page(problem: Problem | None = None) -> Response:
    web = current()
    rows, missing = web.database.read(lambda tx: (store.list_all(tx), watching.list_missing(tx)))
    return page(
        "departed.html",
        "departed",
        int(problem.status) if problem else 200,
        rows=rows,
        most=_MOST,
        kept=_duration(web.settings.departed_mail_kept),
        kept_seconds=int(web.settings.departed_mail_kept),
        waiting=[each for each in missing if each.waits],
        missing=[each for each in missing if not each.waits],
        problem=problem.detail if problem else "",
    )


def _duration(seconds: float) -> str:
    """How long something is kept, in the largest unit that fits."""
    days, hours, minutes = (round(seconds / size) for size in (86400, 3600, 60))
    if seconds >= 86400:
        return ngettext("one day", "%(n)s days", days)
    if seconds >= 3600:
        return ngettext("one hour", "%(n)s hours", hours)
    return ngettext("one minute", "%(n)s minutes", minutes) if seconds >= 60 else _("a moment")
