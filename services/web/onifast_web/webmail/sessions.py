"""Sessions: where a user is signed in, and signing out elsewhere."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import sessions as actions
from onifast_web.actions import signing_in
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user


@allow(Who.PERSON)
def sessions() -> AnyResponse:
    """The list, with a button to end each, and one for all others."""
    caller, username = user()
    if request.method == "GET":
        rows = [(each, actions.browser_name(each.user_agent)) for each in actions.open_sessions(current(), username)]
        devices = [(each, actions.browser_name(each.user_agent)) for each in actions.devices(current(), username)]
        return page("sessions.html", "sessions", rows=rows, here=caller.session_id, devices=devices)
    if request.form.get("do") == "forget":
        if not actions.forget_device(current(), caller, username, request.form.get("id", "")):
            raise not_found("device")
        return redirect(url_for("webmail.sessions", did="device-forgotten"), 303)
    if request.form.get("do") == "revoke-others":
        actions.end_others(current(), caller, username, signing_in.device_cookie())
        return redirect(url_for("webmail.sessions", did="sessions-ended"), 303)
    if not actions.end(current(), caller, username, request.form.get("id", "")):
        raise not_found("session")
    return redirect(url_for("webmail.sessions", did="session-ended"), 303)


ROUTES = (PageRoute("GET POST", "/sessions", sessions),)
NAV = (
    NavEntry(
        "sessions",
        marked("Signed in"),
        sessions,
        icon="devices",
        group=NavGroup.SIGNING_IN,
        order=40,
        hint=marked("Where you are signed in, and how to end that."),
    ),
)
NOTICES: Notices = {
    "device-forgotten": marked("A code is asked for there again."),
    "session-ended": marked("Signed out there."),
    "sessions-ended": marked("Signed out everywhere else."),
}
