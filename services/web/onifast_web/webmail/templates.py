"""Templates: texts that the user writes with again; the composer fetches them one by one."""

from __future__ import annotations

from flask import Response, jsonify, redirect, request, url_for
from onifast_shared.mailboxes import templates as store
from onifast_shared.mailboxes.templates import TextTemplate
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import templates as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavTab, Notices, PageRoute
from onifast_web.webmail.looks import sent_looks
from onifast_web.webmail.pages import page, user

_NEW = TextTemplate(0, "", "", "", "")


@allow(Who.USER)
def templates() -> AnyResponse:
    """The templates, each with its form, and an empty one; what these ask for."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        return _page(username)
    form = request.form
    template_id = form.get("id", 0, type=int)
    if form.get("do") == "delete":
        actions.remove(web, username, template_id)
        return redirect(url_for("webmail.templates", did="template-deleted"), 303)
    changed = TextTemplate(
        template_id, form.get("name", ""), form.get("subject", ""), sent_looks(), form.get("text", "")
    )
    try:
        actions.put(web, username, changed)
    except Problem as problem:
        if not problem.errors:
            raise
        errors = {str(each["field"]): sentence(str(each["message"])) for each in problem.errors}
        return _page(username, changed, errors)
    return redirect(url_for("webmail.templates", did="template-saved"), 303)


@allow(Who.USER)
def template_text(template_id: int) -> Response:
    """What a composer puts into its text."""
    found = actions.get(current(), user()[1], template_id)
    return jsonify(subject=found.subject, html=found.html, text=found.text)


ROUTES = (
    PageRoute("GET POST", "/templates", templates),
    PageRoute("GET", "/templates/<int:template_id>", template_text, off_menu="a composer asks for it"),
)
NAV = (NavTab("templates", marked("Templates"), templates, under="writing", order=2),)
NOTICES: Notices = {
    "template-saved": marked("Saved. “Templates” in a message inserts it."),
    "template-deleted": marked("Deleted."),
}


def _page(username: str, typed: TextTemplate = _NEW, errors: dict[str, str] | None = None) -> Response:
    rows = current().database.read(lambda tx: store.list_all(tx, username))
    return page("templates.html", "templates", 422 if errors else 200, rows=rows, typed=typed, errors=errors or {})
