"""Read receipts: the reader's answer to who asks whether their message was read."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import receipts
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.pages import user


@allow(Who.USER)
def answer_receipt(email_id: int) -> AnyResponse:
    """Sends the receipt or declines, and shows the message again."""
    web, (caller, username) = current(), user()
    match request.form.get("do"):
        case "send":
            receipts.send(web, caller, email_id)
            did = "receipt-sent"
        case "decline":
            receipts.decline(web, username, email_id)
            did = "receipt-declined"
        case _:
            raise Problem(400, _("That action is not known."))
    return redirect(url_for("webmail.message", email_id=email_id, did=did), 303)


ROUTES = (
    PageRoute("POST", "/messages/<int:email_id>/receipt", answer_receipt, off_menu="a message’s page asks for it"),
)
NAV = ()
NOTICES: Notices = {
    "receipt-sent": marked("The sender is told that you have read it."),
    "receipt-declined": marked("The sender is told nothing."),
}
