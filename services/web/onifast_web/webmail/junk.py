"""The junk filter: what it learned from what the user moved to junk, and how often they are told of junk."""

from __future__ import annotations

from typing import cast

from flask import redirect, request, url_for
from onifast_shared.mailboxes.preferences import DIGESTS, Digest
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import junk as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_CHOICES = (("off", marked("Never")), ("daily", marked("Every day")), ("weekly", marked("Every week")))


@allow(Who.USER)
def junk() -> AnyResponse:
    """What was learned, both choices, and what their forms ask for."""
    _caller, username = user()
    web = current()
    if request.method == "GET":
        found = actions.standing(web, username)
        keeps = web.settings.refused_kept_whole > 0
        return page("junk.html", "junk-filter", standing=found, digests=_CHOICES, keeps_refused=keeps)
    match request.form.get("do"):
        case "save":
            digest = request.form.get("digest", "")
            if digest not in DIGESTS:
                raise Problem(400, _("That is none of the times to choose from."))
            actions.choose(web, username, request.form.get("filters") == "1", cast(Digest, digest))
        case "forget":
            actions.forget(web, username)
        case _:
            raise Problem(400, _("That action is not known."))
    return redirect(url_for("webmail.junk", did=f"junk-{request.form['do']}"), 303)


ROUTES = (PageRoute("GET POST", "/junk", junk),)
NAV = (
    NavEntry(
        "junk-filter",
        marked("Junk filter"),
        junk,
        icon="junk-filter",
        group=NavGroup.SORTING,
        order=60,
        hint=marked("How strict it is, what it learned from you, and what it tells you of."),
    ),
)
NOTICES: Notices = {
    "junk-save": marked("Saved."),
    "junk-forget": marked("Forgotten. Your mail stays where it lies; the filter learns anew."),
}
