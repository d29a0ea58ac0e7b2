"""Senders: mail of unknown ones kept apart, and those whom the user has accepted or blocked."""

from __future__ import annotations

from typing import cast, get_args

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes.sender_choices import SenderChoice
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import senders as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail import places
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import page, user

_LONGEST = 400


@allow(Who.USER)
def senders() -> AnyResponse:
    """Both choices, and the list of senders."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        return _page(username)
    form, did = request.form, f"senders-{request.form.get('do', '')}"
    sender = form.get("sender", "")[:_LONGEST]
    match form.get("do"):
        case "save":
            actions.keep_apart(web, username, form.get("keeps_apart") == "1")
            actions.block_to(web, username, "trash" if form.get("blocked_to") == "trash" else "junk")
        case "remove":
            actions.forget(web, username, sender)
        case "accepted" | "blocked" as choice:
            try:
                actions.choose(web, username, sender, choice)
            except Problem as problem:
                return _page(username, sender, str(problem.errors[0]["message"]))
        case _:
            raise Problem(400, _("That action is not known."))
    return redirect(url_for("webmail.senders", did=did, q=wanted() or None), 303)


@allow(Who.USER)
def decide_sender(email_id: int) -> AnyResponse:
    """Accepts or blocks the author of a message, and goes back to where it lay."""
    web, (_caller, username) = current(), user()
    choice = request.form.get("choice", "")
    if choice not in get_args(SenderChoice):
        raise Problem(400, _("That choice is not known."))
    back = request.form.get("back", "inbox")
    done = actions.decide(web, username, [email_id], cast(SenderChoice, choice), back)
    return redirect(places.url(back, did="act", act=done.id), 303)


ROUTES = (
    PageRoute("GET POST", "/senders", senders),
    PageRoute("POST", "/messages/<int:email_id>/sender", decide_sender, off_menu="a message’s page asks it"),
)
NAV = (
    NavEntry(
        "senders",
        marked("Senders"),
        senders,
        icon="contacts",
        group=NavGroup.SORTING,
        order=50,
        hint=marked("Whom you accept or block, and where mail of people unknown to you goes."),
    ),
)
NOTICES: Notices = {
    "senders-save": marked("Saved."),
    "senders-remove": marked("Removed."),
    "senders-accepted": marked("Accepted. Their mail comes to your inbox."),
    "senders-blocked": marked("Blocked. What they send goes where blocked mail goes, from now on."),
}


def _page(username: str, sender: str = "", problem: str = "") -> Response:
    found = actions.standing(current(), username)
    rows = shown(found.chosen, lambda row: f"{row.sender} {in_script(row.sender)} {row.choice}")
    return page(
        "senders.html",
        "senders",
        standing=found,
        folder_url=places.url(f"label:{found.folder.id}") if found.folder else "",
        rows=rows.rows,
        found=rows,
        sender=sender,
        problem=problem,
    )
