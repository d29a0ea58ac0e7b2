"""What is done to messages of a list, to all of it, or to one that is open; and how that is undone."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, jsonify, redirect, request, url_for
from onifast_shared.acts import journal, scope, steps
from onifast_shared.acts.journal import AskedAct, ListAct, SenderDecision
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes.labelling import TooManyLabels
from onifast_shared.mailboxes.sender_choices import SenderChoice
from onifast_shared.queue import waiting
from onifast_shared.search.query import QueryError
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import messages, senders
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages import dates
from onifast_web.languages.texts import _, marked, ngettext
from onifast_web.webmail import places
from onifast_web.webmail.declared import ActNotice, Notice, Notices, PageRoute
from onifast_web.webmail.filters import iso
from onifast_web.webmail.pages import user
from onifast_web.webmail.places import ListPlace
from onifast_web.webmail.wanted import list_query, wanted_of

LONGEST_SNOOZE = 5 * 366 * 24 * 3600
"""Seconds for which a message may be put off."""

FormFields = MultiDict[str, str]

_MOST = 500
_ON_ONE = ("star", "unstar", "accept", "block")  # a row has a button of its own for it
_CHOICES: Mapping[str, SenderChoice] = {"accept": "accepted", "block": "blocked"}
_PATIENCE = 0.3  # seconds of work on a long list that the one who asks waits for
_LARGEST_DIGITS = 18


@allow(Who.USER)
def act() -> AnyResponse:
    """Does something to the selected messages, or to all of the list, and shows the list again."""
    caller, username = user()
    web, back = current(), request.form.get("back", "inbox")
    web.database.read(lambda tx: places.of(tx, username, back))
    action, _sep, target = request.form.get("action", "").partition(":")
    if action in _CHOICES:
        return _decide(username, action, target, back)
    ids = [int(target)] if action in _ON_ONE and _is_number(target) else selected_ids()
    every = bool(request.form.get("every") or action == "empty") and action not in _ON_ONE
    if not ids and not every:
        return _shown_again(back, ids, did="none")
    if action == "move" and (target or request.form.get("target")) == back:
        return _shown_again(back, ids)
    now, form = web.clock(), request.form.copy()  # the database's thread knows no request
    try:
        done = web.database.write(lambda tx: _done(tx, caller, form, ids, now))
    except TooManyLabels as error:
        raise Problem(422, f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    except QueryError as error:
        raise Problem(422, str(error)) from None
    done = worked_on(done)
    return _shown_again(back, ids, did="act", act=done.id) if done.id else _shown_again(back, ids)


@allow(Who.USER)
def undo_act(act_id: int) -> AnyResponse:
    """Undoes an act, and shows the list that it was done in."""
    _caller, username = user()
    now = current().clock()

    def undo(tx: Connection) -> ListAct | None:
        found = journal.get(tx, username, min(act_id, 2**62))
        return None if found is None else steps.undo(tx, found, now)

    found = current().database.write(undo)
    back = request.form.get("back", "inbox")
    if found is None:
        return _shown_again(back, [], did="act-over")
    return _shown_again(request.form.get("back", found.came), [], did="act", act=worked_on(found).id)


@allow(Who.USER)
def act_state(act_id: int) -> Response:
    """How far an act has come, for the bar that shows it."""
    _caller, username = user()
    found = current().database.read(lambda tx: journal.get(tx, username, min(act_id, 2**62)))
    if found is None:
        raise not_found("act")
    return _told(_notice_of(found))


@allow(Who.USER)
def list_count() -> Response:
    """How many messages a list has on all its pages, for who wants to select them all."""
    caller, username = user()

    def read(tx: Connection) -> tuple[int, bool]:
        place = places.of(tx, username, request.args.get("back", "inbox"))
        wanted = wanted_of(place, request.args, member=caller.member)
        return scope.count(tx, username, wanted.scope(), current().clock())

    try:
        number, is_more = current().database.read(read)
    except QueryError as error:
        raise Problem(422, str(error)) from None
    return jsonify(count=number, is_more=is_more)


def selected_ids() -> list[int]:
    """The ids that the form's ticked boxes name."""
    found = [int(text) for text in request.form.getlist("ids") if _is_number(text)]
    return found[:_MOST]


ROUTES = (
    PageRoute("POST", "/messages", act, off_menu="a folder's list posts to it"),
    PageRoute("POST", "/acts/<int:act_id>/undo", undo_act, off_menu="the bar after an act posts to it"),
    PageRoute("GET", "/acts/<int:act_id>", act_state, off_menu="the bar after an act asks it"),
    PageRoute("GET", "/acts/count", list_count, off_menu="a list asks it as all of it is selected"),
)
NAV = ()


def _act_notice(_n: int) -> Notice | None:
    """What became of an act; what it did comes from the database, never from the URL."""
    _caller, username = user()
    number = request.args.get("act", 0, type=int)
    found = current().database.read(lambda tx: journal.get(tx, username, min(max(number, 0), 2**62)))
    return None if found is None else _notice_of(found)


NOTICES: Notices = {
    "act": _act_notice,
    "act-over": Notice(marked("That cannot be undone any more."), is_failure=True),
    "none": marked("Nothing was selected."),
}


def _done(tx: Connection, caller: Caller, form: FormFields, ids: Sequence[int], now: float) -> ListAct:
    username = caller.username or ""
    action = form.get("action", "").partition(":")[0]
    came = places.of(tx, username, form.get("back", "inbox"))
    verb, aim = _emptied(came) if action == "empty" else _meant(tx, username, form, now)
    whole = bool(form.get("whole")) and action not in _ON_ONE
    reach = _reach(came.folder, verb, aim) if whole else ()
    asked = AskedAct(username, verb, aim, came.key)
    if (form.get("every") or action == "empty") and action not in _ON_ONE:
        wanted = wanted_of(came, form, member=caller.member)
        return steps.act_on_all(tx, asked, wanted.scope(reach), now)
    return steps.act(tx, asked, steps.of_conversations(tx, username, ids, reach) if whole else ids, now)


def _meant(tx: Connection, username: str, form: FormFields, now: float) -> tuple[str, str]:
    """What is to be done, in the words of the journal; raises Problem."""
    action, _sep, target = form.get("action", "").partition(":")
    match action:
        case "read" | "unread" | "star" | "unstar":
            return action, ""
        case "purge":
            return "delete", ""
        case "move":
            place = places.of(tx, username, target or form.get("target", ""))
            if place.folder is None and place.own_folder is None:
                raise not_found("folder")
            return "move", place.key
        case "label" | "unlabel":
            number = int(target) if _is_number(target) else form.get("label", 0, type=int)
            label = messages.label_of(tx, username, number, is_folder=False)
            return "label", str(label.id if action == "label" else -label.id)
        case "labels":
            return "label", _all_labels(tx, username, form.getlist("labels"))
        case "snooze":
            return "snooze", str(_moment(target or form.get("until", ""), now))
    raise Problem(400, _("That action is not known."))


def _emptied(place: ListPlace) -> tuple[str, str]:
    """What is done to all of a folder that is emptied: what cannot be deleted for good goes to the trash."""
    if place.folder in ("trash", "junk"):
        return "delete", ""
    if place.own_folder is None:
        raise Problem(400, _("Only the trash, junk and your own folders are emptied."))
    return "move", "trash"


def _all_labels(tx: Connection, username: str, chosen: Sequence[str]) -> str:
    """Gives all labels that are ticked, and takes all others off."""
    ticked = {int(text) for text in chosen if _is_number(text)}
    own = [each for each in labels.list_all(tx, username) if not each.is_folder]
    if ticked - {each.id for each in own}:
        raise not_found("label")
    return " ".join(str(each.id if each.id in ticked else -each.id) for each in own)


def _moment(text: str, now: float) -> int:
    """Until when messages are put off: an epoch second, or date and time in UTC; raises Problem(422)."""
    try:
        moment = int(text) if _is_number(text) else calendar.timegm(time.strptime(text[:16], "%Y-%m-%dT%H:%M"))
    except (ValueError, OverflowError):
        raise Problem(422, _("Choose a date and a time.")) from None
    if not now < moment <= now + LONGEST_SNOOZE:
        raise Problem(422, _("Choose a time that is to come, within five years."))
    return moment


def _reach(folder: str | None, verb: str, target: str) -> tuple[str, ...]:
    """In which folders an act on a conversation finds its messages: what is moved is what the list shows of it.

    What is thrown away goes with what was sent.
    """
    if folder in ("trash", "junk") or verb == "delete":
        return (folder or "trash",)
    if verb == "move" and target == "trash":
        return ("inbox", "sent", "archive")
    if verb in ("move", "snooze"):
        return (folder,) if folder else ("inbox", "archive")
    return ("inbox", "drafts", "sent", "archive")


def worked_on(begun: ListAct) -> ListAct:
    """An act on a long list as far as it comes while somebody waits; outbox does the rest."""
    web, end = current(), time.monotonic() + _PATIENCE
    while begun.is_working and time.monotonic() < end:
        found = steps.step(web.database, begun, web.clock())
        if found is None:
            break
        begun = found
    return begun


def _decide(username: str, action: str, target: str, back: str) -> AnyResponse:
    ids = [int(target)] if _is_number(target) else selected_ids()
    if not ids:
        return _shown_again(back, ids, did="none")
    done = senders.decide(current(), username, ids, _CHOICES[action], back)
    return _shown_again(back, ids, did="act", act=done.id)


def _shown_again(back: str, ids: Sequence[int], **query: Any) -> AnyResponse:
    """The list, or the message's page for what was done there; for scripts what is said of it."""
    if request.accept_mimetypes.best == "application/json":
        if "act" not in query:
            said = NOTICES.get(query.get("did", ""))
            said = said(query.get("n") or 0) if callable(said) else said
            return _told(Notice(said) if isinstance(said, str) else said)
        found = current().database.read(lambda tx: journal.get(tx, user()[1], query["act"]))
        return _told(None if found is None else _notice_of(found))
    if request.form.get("on") == "message" and len(ids) == 1:
        return redirect(url_for("webmail.message", email_id=ids[0], **query), 303)
    return redirect(places.url(back, **list_query(request.form), **query), 303)


def _told(notice: Notice | None) -> Response:
    if notice is None:
        return jsonify(text="", act=None)
    act = notice.act
    known = None if act is None else {"id": act.id, "seconds": act.seconds, "percent": act.percent}
    moment = None if notice.moment is None else iso(notice.moment)
    return jsonify(text=notice.text, is_failure=notice.is_failure, moment=moment, act=known)


def _notice_of(found: ListAct) -> Notice:
    now = current().clock()
    percent = min(99, 100 * found.done // max(1, found.total)) if found.is_working else None
    seconds = 0 if found.state in ("undoing", "undone") else max(0, int(found.ends_ts - now))
    until = int(found.target) if found.action == "snooze" and found.state == "done" else None
    return Notice(_words(found), moment=until, act=ActNotice(found.id, seconds, percent))


def _words(found: ListAct) -> str:
    if found.state == "undone":
        return _("Undone.")
    if found.state == "undoing":
        return _("Undoing…")
    return _doing(found) if found.is_working else _done_words(found)


def _doing(found: ListAct) -> str:
    """What is worked on still, and how far it is."""
    many = {"done": dates.number(found.done), "total": dates.number(found.total)}
    match found.action:
        case "move":
            return _("Moving %(done)s of %(total)s messages to %(folder)s.", **many, folder=_title(found.target))
        case "read":
            return _("Marking %(done)s of %(total)s messages as read.", **many)
        case "unread":
            return _("Marking %(done)s of %(total)s messages as unread.", **many)
        case "star":
            return _("Starring %(done)s of %(total)s messages.", **many)
        case "unstar":
            return _("Unstarring %(done)s of %(total)s messages.", **many)
        case "label":
            return _("Changing the labels of %(done)s of %(total)s messages.", **many)
        case "snooze":
            return _("Putting %(done)s of %(total)s messages off…", **many)
    return _("Deleting %(done)s of %(total)s messages for good.", **many)


def _done_words(found: ListAct) -> str:
    n = found.done
    match found.action:
        case "move":
            folder = _title(found.target)
            moved = ngettext(
                "Moved %(n)s message to %(folder)s.", "Moved %(n)s messages to %(folder)s.", n, folder=folder
            )
            return f"{moved} {_still(found)}".strip()
        case "read":
            return ngettext("Marked %(n)s message as read.", "Marked %(n)s messages as read.", n)
        case "unread":
            return ngettext("Marked %(n)s message as unread.", "Marked %(n)s messages as unread.", n)
        case "star":
            return ngettext("Starred %(n)s message.", "Starred %(n)s messages.", n)
        case "unstar":
            return ngettext("Unstarred %(n)s message.", "Unstarred %(n)s messages.", n)
        case "label":
            return ngettext("Changed the labels of %(n)s message.", "Changed the labels of %(n)s messages.", n)
        case "snooze":
            return ngettext("Put %(n)s message off until", "Put %(n)s messages off until", n)
        case "accepted":
            return ngettext(
                "Accepted: moved %(n)s message to your inbox, where their mail comes from now on.",
                "Accepted: moved %(n)s messages to your inbox, where their mail comes from now on.",
                n,
            )
        case "blocked" if SenderDecision.of(found).folder == "trash":
            return ngettext(
                "Blocked: moved %(n)s message to trash, where their mail goes from now on.",
                "Blocked: moved %(n)s messages to trash, where their mail goes from now on.",
                n,
            )
        case "blocked":
            return ngettext(
                "Blocked: moved %(n)s message to junk, where their mail goes from now on.",
                "Blocked: moved %(n)s messages to junk, where their mail goes from now on.",
                n,
            )
    return ngettext("Deleted %(n)s message for good.", "Deleted %(n)s messages for good.", n)


def _title(key: str) -> str:
    _caller, username = user()
    try:
        return current().database.read(lambda tx: places.of(tx, username, key)).title
    except Problem:
        return _("a folder that is gone")


def _still(found: ListAct) -> str:
    """Who throws away what is still to be sent must not believe that it is not sent."""
    if found.target != "trash" or found.is_working:
        return ""
    now = current().clock()

    def read(tx: Connection) -> bool:
        ids = [email_id for email_id, _ in journal.remembered(tx, found, _MOST)]
        return bool(waiting.release_times(tx, ids, now))

    return _("What was scheduled is sent all the same: see Scheduled.") if current().database.read(read) else ""


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _LARGEST_DIGITS
