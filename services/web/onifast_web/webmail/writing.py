"""Writing: how a user writes unless they choose otherwise, and what becomes of requests for read receipts."""

from __future__ import annotations

from typing import cast

from flask import redirect, request, url_for
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import RECEIPTS, ReceiptChoice, WritingChoice
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.languages import LANGUAGES
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def writing() -> AnyResponse:
    """The choices, and what their form asks for."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        chosen = web.database.read(lambda tx: preferences.writing(tx, username))
        return page("writing.html", "writing", chosen=chosen, languages=LANGUAGES)
    form = request.form
    language, receipts, looks = form.get("language", ""), form.get("receipts", ""), form.get("looks", "")
    if language not in ("", *(code for code, _ in LANGUAGES)) or receipts not in RECEIPTS or looks not in _LOOKS:
        raise Problem(400, _("That is none of the choices."))
    choice = WritingChoice(looks == "plain", language, cast(ReceiptChoice, receipts))
    web.database.write(lambda tx: preferences.put_writing(tx, username, choice))
    return redirect(url_for("webmail.writing", did="writing-saved"), 303)


ROUTES = (PageRoute("GET POST", "/writing", writing),)
NAV = (
    NavEntry(
        "writing",
        marked("Writing"),
        writing,
        icon="signature",
        group=NavGroup.WRITING,
        order=5,
        tabs=marked("Writing"),
        hint=marked("Names, signatures and templates; rich or plain text; read receipts."),
    ),
)
NOTICES: Notices = {"writing-saved": marked("Saved. It counts from the next message on.")}

_LOOKS = ("rich", "plain")
