"""What all pages behind the login share: who sees them, and the frame with the menu, notices and troubles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request
from onifast_shared.db import troubles
from onifast_shared.db.database import Connection
from onifast_shared.departed import watching
from onifast_shared.filters import vacations
from onifast_shared.mailboxes import preferences
from onifast_shared.queue import waiting
from onifast_shared.recipients import quotas
from pydantic import ValidationError

from onifast_web.access import auth
from onifast_web.access.caller import Caller
from onifast_web.access.context import Web, current
from onifast_web.http import csrf
from onifast_web.http.forwarded import IGNORED_PROXY
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, ngettext
from onifast_web.reading.render import sentence
from onifast_web.webmail import menu


@dataclass(frozen=True)
class Undo:
    """The message that was just sent and can be called back for so many seconds more, by way of its copy in sent."""

    email_id: int
    seconds: int


def user() -> tuple[Caller, str]:
    """The caller and their name: a page belongs to a user, so the service token must name one (Problem(403))."""
    found = auth.caller()
    if found.username is None:
        raise Problem(403, _("The service token has no mailbox; name a user."))
    return found, found.username


def page(template: str, here: str, http_status: int = 200, /, **values: Any) -> Response:
    """A page in its frame. `here` is the key of the menu's entry, or of the tab, that it belongs to; "" for none."""
    caller, username = user()
    web = current()
    numbers, own, quota, undo, lists, away = web.database.read(
        lambda tx: (
            menu.numbers(tx, username, web.clock()),
            menu.own_entries(tx, username),
            quotas.of(tx, "owner", username, web.settings),
            _undo(tx, username, web.clock()),
            preferences.lists(tx, username),
            vacations.now_on(tx, username, web.clock()),
        )
    )
    notice = menu.notice()
    if undo and request.args.get("did") == "sent":
        notice = None  # the bar says so
    text = render_template(
        template,
        caller=caller,
        csrf_token=csrf.masked(caller.csrf_token),
        menu=menu.shown(caller, here, numbers, own),
        tabs=menu.tabs(caller, here),
        quota=quota,
        undo=undo,
        lists=lists,
        away=away[0] if away and caller.visited_by is None else None,
        notice=notice,
        inbox_unread=numbers["inbox"].shown if "inbox" in numbers else 0,
        troubles=_troubles(web) if caller.is_admin else [],
        **values,
    )
    return make_response(text, http_status)


def _troubles(web: Web) -> list[str]:
    """What administrators are told on every page."""
    waiting = len(web.database.read(watching.waiting))
    asked = [
        ngettext(
            "A user's file is missing from the panel."
            " Confirm under Departed users that they are gone, or put them back.",
            "%(n)s users' files are missing from the panel."
            " Confirm under Departed users that they are gone, or put them back.",
            waiting,
        )
    ]
    proxy = [request.environ[IGNORED_PROXY]] if IGNORED_PROXY in request.environ else []
    return [each.text for each in troubles.present(web.database.path)] + (asked if waiting else []) + proxy


def field_errors(error: ValidationError) -> dict[str, str]:
    """What is wrong with a form's fields, in a sentence for each."""
    return {str(item["loc"][0]): _wrong(str(item["loc"][0]), str(item["msg"])) for item in error.errors()}


def _wrong(field: str, message: str) -> str:
    if field.endswith("port"):
        return _("A port is a number from 1 to 65535.")
    return sentence(message.removeprefix("Value error, "))


def _undo(tx: Connection, username: str, now: float) -> Undo | None:
    found = waiting.undoable(tx, username, now)
    seconds = math.floor(found.release_ts - now) if found else 0
    return Undo(found.email_id, seconds) if found and found.email_id and seconds > 0 else None
