"""Live log: SMTP sessions as they go on, in and out, and what was said in each."""

from __future__ import annotations

import time
from typing import Any

from flask import redirect, request, url_for
from onifast_shared.tracing import store, watching
from onifast_shared.tracing.store import DIRECTIONS, TooManyWatches, Watched
from onifast_shared.tracing.watching import CannotWatch
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

WATCH_SECONDS = 600
"""How long sessions are written down after somebody asked for it."""

_FILTERS = ("address", "client", "direction")


@allow(Who.ADMINISTRATOR)
def live_log() -> AnyResponse:
    """The sessions of the last hour that were watched; a POST has them written down for some minutes."""
    _caller, username = user()
    if request.method == "POST":
        _watch(username)
        kept: dict[str, Any] = {name: request.form.get(name, "")[:200] or None for name in _FILTERS}
        return redirect(url_for("webmail.live_log", did="watching", **kept), 303)
    wanted = {name: request.args.get(name, "").strip()[:200] for name in _FILTERS}
    if wanted["direction"] not in DIRECTIONS:
        wanted["direction"] = ""
    now = time.time()
    sessions, watches = current().database.read(
        lambda tx: (store.sessions(tx, Watched(**wanted), now), store.watches(tx, now))
    )
    return page("live_log.html", "live-log", sessions=sessions, wanted=wanted, is_watched=bool(watches))


@allow(Who.ADMINISTRATOR)
def live_log_session(session_id: int) -> AnyResponse:
    """What was said in one session."""
    user()
    if not 0 < session_id < 2**63:
        raise not_found("session")
    found, lines = current().database.read(lambda tx: (store.session(tx, session_id), store.lines(tx, session_id)))
    if found is None:
        raise not_found("session")
    return page("live_log_session.html", "live-log", session=found, lines=lines)


ROUTES = (
    PageRoute("GET POST", "/live-log", live_log),
    PageRoute("GET", "/live-log/<int:session_id>", live_log_session, off_menu="a session of the list"),
)
NAV = (
    NavEntry(
        "live-log",
        marked("Live log"),
        live_log,
        icon="activity",
        group=NavGroup.ADMINISTRATION,
        order=7,
        hint=marked("SMTP sessions as they go on, and what is said in them."),
    ),
)
NOTICES: Notices = {"watching": marked("Sessions are written down for ten minutes.")}


def _watch(username: str) -> None:
    try:
        watching.begin(current().database, Watched(), f"user:{username}", WATCH_SECONDS, instead=True)
    except CannotWatch:
        raise Problem(503, _("The programs cannot be told that somebody watches.")) from None
    except TooManyWatches:
        raise Problem(429, _("Too many watch already.")) from None
