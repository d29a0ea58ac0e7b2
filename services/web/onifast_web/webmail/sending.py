"""How a user's mail leaves: how long it can be called back, and which of their domains are in the sandbox."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import UNDO_CHOICES
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import sandbox
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def sending() -> AnyResponse:
    """Both choices, and what their forms ask for."""
    if request.method == "GET":
        return _page()
    match request.form.get("do"):
        case "undo":
            return _choose_undo(request.form.get("undo_seconds", ""))
        case "sandbox-on" | "sandbox-off" as change:
            sandbox.switch(current(), user()[0], request.form.get("domain", ""), on=change == "sandbox-on")
            return redirect(url_for("webmail.sending", did=change, q=wanted() or None), 303)
    raise Problem(400, _("That action is not known."))


ROUTES = (PageRoute("GET POST", "/sending", sending),)
NAV = (
    NavEntry(
        "sending",
        marked("Sending"),
        sending,
        icon="timer",
        group=NavGroup.WRITING,
        order=10,
        hint=marked("How long a message can be called back, and which domains send for real."),
    ),
)
NOTICES: Notices = {
    "undo-time": marked("Saved. It counts from the next message on."),
    "sandbox-on": marked("The domain is in the sandbox: what it sends is captured from now on."),
    "sandbox-off": marked("The domain is out of the sandbox: what it sends goes out from now on."),
}


def _choose_undo(text: str) -> AnyResponse:
    _caller, username = user()
    if text not in map(str, UNDO_CHOICES):
        raise Problem(400, _("That time is none of those to choose from."))
    current().database.write(lambda tx: preferences.put_undo_seconds(tx, username, int(text)))
    return redirect(url_for("webmail.sending", did="undo-time"), 303)


def _page() -> Response:
    caller, username = user()
    web = current()
    found = shown(sandbox.states(web, caller), lambda state: f"{state.domain} {in_script(state.domain)}")
    chosen = web.database.read(lambda tx: preferences.undo_seconds(tx, username, web.settings))
    return page(
        "sending.html",
        "sending",
        # The installation's setting may be none of the usual choices.
        choices=sorted({*UNDO_CHOICES, chosen}),
        chosen=chosen,
        everything=web.settings.delivery == "sandbox",
        domains=found.rows,
        found=found,
    )
