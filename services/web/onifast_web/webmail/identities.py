"""Names and signatures: what goes with each address that the user writes from."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.mailboxes.identities import Identity
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import identities as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavTab, Notices, PageRoute
from onifast_web.webmail.looks import sent_looks
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def identities() -> AnyResponse:
    """The addresses with their forms, and what one of these sets."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        return _page(username)
    form, address = request.form, request.form.get("address", "")
    changed = Identity(
        "",
        form.get("name", ""),
        sent_looks(),
        form.get("text", ""),
        form.get("reply_to", ""),
        is_default=bool(form.get("is_default")),
    )
    try:
        actions.put(web, username, address, changed)
    except Problem as problem:
        if not problem.errors:
            raise
        errors = {str(each["field"]): sentence(str(each["message"])) for each in problem.errors}
        return _page(username, address, changed, errors)
    return redirect(url_for("webmail.identities", did="identity-saved"), 303)


ROUTES = (PageRoute("GET POST", "/identities", identities),)
NAV = (NavTab("identities", marked("Names and signatures"), identities, under="writing", order=1),)
NOTICES: Notices = {"identity-saved": marked("Saved. It counts from the next message on.")}


def _page(
    username: str, wrong: str = "", typed: Identity | None = None, errors: dict[str, str] | None = None
) -> Response:
    return page(
        "identities.html",
        "identities",
        422 if errors else 200,
        rows=actions.own(current(), username),
        wrong=wrong,
        typed=typed,
        errors=errors or {},
    )
