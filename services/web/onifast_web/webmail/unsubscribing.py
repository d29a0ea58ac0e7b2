"""Leaving the mailing list that a message came by."""

from __future__ import annotations

from flask import redirect, url_for
from onifast_shared.message.compose import DraftError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import Who, allow
from onifast_web.access.context import current
from onifast_web.actions import unsubscribing
from onifast_web.http.problems import Problem
from onifast_web.reading import render
from onifast_web.webmail import beginning
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.opened import open_message
from onifast_web.webmail.pages import user


@allow(Who.USER)
def unsubscribe(email_id: int) -> AnyResponse:
    """Asks the list for no more of its mail, and shows the message again, which tells what came of it."""
    caller, username = user()
    opened = open_message(username, email_id)
    own = beginning.senders(username)
    sender = beginning.short_reply(username, opened).sender or (own[0] if own else "")
    try:
        unsubscribing.leave(current(), caller, email_id, sender=sender)
    except DraftError as error:
        raise Problem(422, render.sentence(error.text)) from None
    return redirect(url_for("webmail.message", email_id=email_id), 303)


ROUTES = (
    PageRoute("POST", "/messages/<int:email_id>/unsubscribe", unsubscribe, off_menu="a message's page leads to it"),
)
NAV = ()
NOTICES: Notices = {}
