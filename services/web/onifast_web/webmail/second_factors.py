"""Users' second factors: who has one, and its reset for who lost authenticator and recovery codes."""

from __future__ import annotations

from flask import redirect, request, url_for
from onifast_shared.accounts import second_factor as store
from onifast_shared.values import mailbox_accounts
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import second_factor as actions
from onifast_web.languages.texts import marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.long_lists import shown
from onifast_web.webmail.pages import page, user


@allow(Who.ADMINISTRATOR)
def second_factors() -> AnyResponse:
    """Who has a second factor, each with a button that resets it."""
    caller, _username = user()
    if request.method == "POST":
        actions.reset(current(), caller, request.form.get("username", ""))
        return redirect(url_for("webmail.second_factors", did="second-factor-reset"), 303)
    found = shown(current().database.read(store.list_on), lambda row: mailbox_accounts.shown(row[0]))
    return page("second_factors.html", "second-factors", rows=found.rows, found=found)


ROUTES = (PageRoute("GET POST", "/second-factors", second_factors),)
NAV = (
    NavEntry(
        "second-factors",
        marked("Two-step users"),
        second_factors,
        icon="passkey",
        group=NavGroup.ADMINISTRATION,
        order=25,
        hint=marked("Who signs in with a code, and its reset for who lost their phone."),
    ),
)
NOTICES: Notices = {
    "second-factor-reset": marked(
        "Reset. They sign in with their password alone, until they set up another authenticator."
    ),
}
