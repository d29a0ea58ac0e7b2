"""Redirecting a message as it is: who is to get it, and from which address it goes on."""

from __future__ import annotations

import json
import secrets

from flask import Response, redirect, request, url_for
from onifast_shared.message.compose import DraftError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import redirecting, sending_once
from onifast_web.actions.sending import Sent
from onifast_web.actions.sending_once import After, Before, SendKey
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.reading import render
from onifast_web.webmail import beginning, composed
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.opened import OpenedMessage, open_message
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def redirect_message(email_id: int) -> AnyResponse:
    """Asks to whom the message goes on, and sends it there, once."""
    caller, username = user()
    opened = open_message(username, email_id)
    if opened.row.folder == "drafts":
        raise Problem(409, _("A draft cannot be redirected. Send it."))
    if request.method == "GET":
        return _page(username, opened, {"from": beginning.short_reply(username, opened).sender, "to": ""})
    form = {name: request.form.get(name, "").strip() for name in ("from", "to")}
    key = composed.key_of(request.form.get("key", ""))

    def send(before: Before, after: After) -> Sent:
        return redirecting.redirect(
            current(),
            caller,
            email_id,
            sender=form["from"],
            to=[form["to"]] if form["to"] else [],
            origin="web",
            together_with=before,
            and_then=after,
        )

    once = SendKey(username, f"redirect {key}", b"") if key else None
    try:
        sending_once.answered(current(), once, send, lambda sent: json.dumps({"email": sent.email_id}))
    except DraftError as error:
        return _page(username, opened, form, {error.field: render.sentence(error.text)}, 422)
    except Problem as problem:
        errors = {item["field"]: problem.detail for item in problem.errors} or {"to": problem.detail}
        return _page(username, opened, form, errors, int(problem.status))
    return redirect(url_for("webmail.message", email_id=email_id, did="message-redirected"), 303)


ROUTES = (
    PageRoute(
        "GET POST", "/messages/<int:email_id>/redirect", redirect_message, off_menu="a message's page leads to it"
    ),
)
NAV = ()
NOTICES: Notices = {"message-redirected": marked("Redirected. The copy in Sent tells what becomes of it.")}


def _page(
    username: str, opened: OpenedMessage, form: dict[str, str], errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    return page(
        "redirect.html",
        opened.row.folder,
        status,
        row=opened.row,
        form=form,
        errors=errors or {},
        key=request.form.get("key") or secrets.token_urlsafe(12),
        senders=[each.address for each in beginning.senders(username, form["from"])],
        is_signed="dkim-signature" in opened.parsed.names,
    )
