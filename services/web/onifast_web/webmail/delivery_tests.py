"""Send a test: a real message by the relay, a route or MX, and what was said on the way."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.message.compose import DraftError
from onifast_shared.recipients import addresses
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import delivery_tests as actions
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavTab, Notices, PageRoute
from onifast_web.webmail.pages import page, user


@allow(Who.ADMINISTRATOR)
def test_mail() -> AnyResponse:
    """The form; a POST sends the message."""
    caller, _username = user()
    if request.method == "GET":
        return _form({"recipient": request.args.get("recipient", "")}, {})
    form = {"recipient": request.form.get("recipient", "").strip(), "sender": request.form.get("sender", "")}
    try:
        outbox_id = actions.begin(current(), caller, form["sender"], form["recipient"])
    except DraftError as error:
        return _form(form, {"sender" if error.field == "from_" else "recipient": sentence(error.text)}, 422)
    except Problem as problem:
        return _form(form, {"recipient": problem.detail}, problem.status)
    return redirect(url_for("webmail.tested_mail", outbox_id=outbox_id), 303)


@allow(Who.ADMINISTRATOR)
def tested_mail(outbox_id: int) -> AnyResponse:
    """What became of a test, and the dialogue; it shows more as that goes on."""
    user()
    found = actions.look(current(), outbox_id)
    if found is None:
        raise not_found("test")
    return page("tested_mail.html", "test-mail", row=found.row, lines=found.lines, is_over=found.is_over)


ROUTES = (
    PageRoute("GET POST", "/test-mail", test_mail),
    PageRoute("GET", "/test-mail/<int:outbox_id>", tested_mail, off_menu="what became of a test"),
)
NAV = (NavTab("test-mail", marked("Send a test"), test_mail, under="relay", order=30),)
NOTICES: Notices = {}


def _form(form: dict[str, str], errors: dict[str, str], status: int = 200) -> Response:
    _caller, username = user()
    own = current().database.read(lambda tx: addresses.list_for(tx, username))
    return page("test_mail.html", "test-mail", status, form=form, errors=errors, own=[row.address for row in own])
