"""Mail that waits: what is to be sent later, and calling back what was just sent."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.message.compose import DraftError
from onifast_shared.queue import waiting
from onifast_shared.queue.waiting import NoCopy, NotWaiting, Recalled, TooLate
from onifast_shared.values import times
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import queue
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.composed import typed_moment
from onifast_web.webmail.declared import MenuNumber, NavEntry, NavGroup, Notice, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_LONGEST_ID = 18  # digits
_END_OF_TIME = 253_402_300_800  # the year 10000


@allow(Who.USER)
def scheduled() -> AnyResponse:
    """The user's messages that are to be sent later; and what its forms ask for."""
    if request.method == "GET":
        return _page()
    text, action = request.form.get("id", ""), _ACTIONS.get(request.form.get("do", ""))
    if action is None or not text.isdecimal() or len(text) > _LONGEST_ID:
        raise Problem(400, _("That action is not known."))
    return action(int(text))


@allow(Who.USER)
def recall(email_id: int) -> AnyResponse:
    """Makes a draft of a message that was sent and is not on its way yet, and opens it in the composer."""
    _caller, username = user()
    web, now = current(), current().clock()
    if email_id >= 2**63:
        raise not_found("message")

    def write(tx: Connection) -> tuple[waiting.WaitingMessage | None, Recalled]:
        before = waiting.of_email(tx, username, email_id, now)
        return before, waiting.recall_email(tx, username, email_id, web.settings, now)

    try:
        before, recalled = web.database.write(write)
    except (TooLate, NotWaiting, NoCopy) as error:
        did = {TooLate: "too-late", NotWaiting: "not-waiting", NoCopy: "no-copy"}[type(error)]
        if isinstance(error, NotWaiting):
            return redirect(url_for("webmail.folder", folder="sent", did=did), 303)
        return redirect(url_for("webmail.message", email_id=email_id, did=did), 303)
    return _compose(recalled.draft_id, before)


ROUTES = (
    PageRoute("GET POST", "/scheduled", scheduled),
    PageRoute("POST", "/messages/<int:email_id>/recall", recall, off_menu="posted to by a message's page, and by Undo"),
)
# Among the folders: after "sent", which has order 30.
NAV = (
    NavEntry(
        "scheduled", marked("Scheduled"), scheduled, icon="clock", group=NavGroup.MAIL, order=35, hides_at_zero=True
    ),
)
NOTICES: Notices = {
    "scheduled": lambda n: Notice(marked("Your message will be sent"), moment=n if 0 < n < _END_OF_TIME else None),
    "recalled": marked("Called back: nothing was sent. Here it is as a draft."),
    "unscheduled": marked("It will not be sent. It is a draft again."),
    "sent-now": marked("Your message is on its way."),
    "too-late": Notice(marked("Too late to call it back: it is on its way already, or has arrived."), is_failure=True),
    "not-waiting": Notice(marked("This message does not wait any more."), is_failure=True),
    "no-copy": Notice(marked("This message has no copy in Sent that could become a draft."), is_failure=True),
}


def _numbers(tx: Connection, username: str, now: float) -> dict[str, MenuNumber]:
    """How many messages wait for their time."""
    return {"scheduled": MenuNumber(waiting.count_scheduled(tx, username, now))}


NUMBERS = _numbers


def _page(outbox_id: int | None = None, error: str = "") -> Response:
    _caller, username = user()
    web = current()
    found = web.database.read(lambda tx: waiting.scheduled(tx, username, web.clock()))
    errors = {outbox_id: {"send_at": error}} if error else {}
    return page("scheduled.html", "scheduled", 422 if error else 200, messages=found, errors=errors)


def _edit(outbox_id: int) -> AnyResponse:
    """Back to a draft, in the composer."""
    caller, username = user()
    web = current()
    messages = web.database.read(lambda tx: waiting.scheduled(tx, username, web.clock()))
    before = next((each for each in messages if each.outbox_id == outbox_id), None)
    try:
        done = queue.recall(web, caller, [outbox_id])
    except Problem:
        return _too_late()
    return _compose(done.drafts[0], before)


def _unschedule(outbox_id: int) -> AnyResponse:
    """Back to a draft, that nothing is lost; what has no copy is cancelled."""
    caller, _username = user()
    web = current()
    try:
        queue.recall(web, caller, [outbox_id])
    except Problem:
        if not queue.act(web, caller, [outbox_id], "cancel").changed:
            return _too_late()
        return redirect(url_for("webmail.scheduled", did="outbox", n=1), 303)
    return redirect(url_for("webmail.scheduled", did="unscheduled"), 303)


def _send_now(outbox_id: int) -> AnyResponse:
    caller, _username = user()
    try:
        queue.send_now(current(), caller, [outbox_id])
    except Problem:
        return _too_late()
    return redirect(url_for("webmail.scheduled", did="sent-now"), 303)


def _change_time(outbox_id: int) -> AnyResponse:
    caller, _username = user()
    try:
        moment = times.parse_rfc3339(typed_moment())
    except ValueError:
        return _page(outbox_id, _("Choose a date and a time."))
    try:
        queue.reschedule(current(), caller, [outbox_id], moment)
    except DraftError as error:
        return _page(outbox_id, sentence(error.text))
    except Problem:
        return _too_late()
    return redirect(url_for("webmail.scheduled", did="scheduled", n=moment), 303)


def _too_late() -> AnyResponse:
    return redirect(url_for("webmail.scheduled", did="too-late"), 303)


def _compose(draft: int, before: waiting.WaitingMessage | None) -> AnyResponse:
    """The draft in the composer, with the time that it was to be sent at."""
    moment = before.release_ts if before and not before.undo else None
    return redirect(url_for("webmail.compose", draft=draft, send_at=moment, did="recalled"), 303)


_ACTIONS = {"edit": _edit, "cancel": _unschedule, "now": _send_now, "time": _change_time}
