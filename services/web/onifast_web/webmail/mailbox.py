"""A folder's list, and what is done to selected messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import counts, mailbox
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.queue import view as queue_view
from onifast_shared.queue import waiting
from onifast_shared.queue.view import RecipientState
from onifast_shared.values.paging import CursorError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import Who, allow
from onifast_web.access.context import Web, current
from onifast_web.actions import searching
from onifast_web.actions.searching import MailListing, WantedListing
from onifast_web.http.problems import Problem, not_found
from onifast_web.reading import impostors
from onifast_web.reading.impostors import Reader
from onifast_web.webmail.declared import MenuNumber, NavEntry, NavGroup, Notice, Notices, PageRoute, counted
from onifast_web.webmail.filters import STATUS_WORDS
from onifast_web.webmail.pages import page, user

_PAGE = 50
_MOST = 500
_LONGEST_QUERY = 200
_MOST_UNDONE = 200


class StatusPill(NamedTuple):
    """A pill beside a message: its word, its kind, and the time until which the message waits."""

    word: str
    kind: str
    release_ts: int = 0


@allow(Who.USER)
def folder(folder: str) -> Response:
    """A page of a folder, newest first, or of what was searched in it, or from it in all."""
    _, username = user()
    if folder not in FOLDERS:
        raise not_found("folder")
    asked, web = _asked(folder), current()

    def read(tx: Connection) -> tuple[MailListing, str, dict[int, list[RecipientState]], Reader, int]:
        listing, problem = _listing(web, tx, username, asked)
        sent = [row.id for row in listing.rows if row.folder == "sent"]
        states = queue_view.states_of(tx, sent) if sent else {}
        return listing, problem, states, web.readers.of(tx, username), counts.of(tx, username)[folder].unread

    try:
        listing, problem, states, who, unread = web.database.read(read)
    except CursorError:
        raise not_found("page") from None
    now = web.clock()
    return page(
        "mailbox.html",
        folder,
        folder=folder,
        folders=FOLDERS,
        unread=unread,
        rows=listing.rows,
        doubtful={row.id for row in listing.rows if impostors.listed_warnings(who, row)},
        marks={email_id: mark for email_id, each in states.items() if (mark := _mark(each, now))},
        q=asked.text,
        in_all=asked.folder is None,
        by_rank=asked.by_rank,
        excerpts=listing.excerpts,
        incomplete_before=listing.incomplete_before,
        problem=problem,
        cursor=asked.cursor,
        next_cursor=listing.next_cursor,
    )


@allow(Who.USER)
def act() -> AnyResponse:
    """Marks, moves or deletes the selected messages, then shows the folder again."""
    _, username = user()
    back = request.form.get("back", "inbox")
    if back not in FOLDERS:
        raise not_found("folder")
    ids = selected_ids()
    if not ids:
        return redirect(url_for("webmail.folder", folder=back, did="none"), 303)
    action, _, target = request.form.get("action", "").partition(":")
    if action == "move":
        return _move(username, ids, target or request.form.get("target", ""), back)
    number = current().database.write(_change(action, username, ids))
    return redirect(url_for("webmail.folder", folder=back, did=action, n=number), 303)


def _asked(folder: str) -> WantedListing:
    """What the page's address asks for; `in` and `sort` say something about a search alone."""
    text = request.args.get("q", "").strip()[:_LONGEST_QUERY]
    return WantedListing(
        folder=None if text and request.args.get("in") == "all" else folder,
        text=text,
        by_rank=bool(text) and request.args.get("sort") == "rank",
        limit=_PAGE,
        cursor=request.args.get("cursor") or None,
    )


def _listing(web: Web, tx: Connection, username: str, asked: WantedListing) -> tuple[MailListing, str]:
    """The page, and a sentence where the search is not understood."""
    try:
        return searching.listing(web, tx, username, asked), ""
    except Problem as problem:
        return MailListing([], None), str(problem.errors[0]["message"])


def _moved(number: int) -> Notice | None:
    target = request.args.get("to", "")
    if target not in FOLDERS:
        return None
    still = " What was scheduled is sent all the same: see Scheduled." if request.args.get("still") else ""
    text = f"Moved {_messages(number)} to {target.capitalize()}.{still}"
    return Notice(text, _undo_ids(), request.args.get("came", ""))


def _messages(number: int) -> str:
    return counted(number, "message", "messages")


def _undo_ids() -> list[int]:
    if request.args.get("came", "") not in FOLDERS:
        return []
    found = [int(text) for text in request.args.get("ids", "").split(".") if text.isdecimal() and len(text) < 19]
    return found if len(found) <= _MOST_UNDONE else []


ROUTES = (
    PageRoute("GET", "/folders/<folder>", folder),
    PageRoute("POST", "/messages", act, off_menu="a folder's list posts to it"),
)
NAV = tuple(
    NavEntry(name, name.capitalize(), folder, icon=name, group=NavGroup.MAIL, order=10 * place, values={"folder": name})
    for place, name in enumerate(FOLDERS, 1)
)
NOTICES: Notices = {
    "none": "Nothing was selected.",
    "move": _moved,
    "read": lambda n: f"Marked {_messages(n)} as read.",
    "unread": lambda n: f"Marked {_messages(n)} as unread.",
    "purge": lambda n: f"Deleted {_messages(n)} for good.",
}


def _numbers(tx: Connection, username: str, _now: float) -> dict[str, MenuNumber]:
    """What each folder has that waits to be read, or to be sent."""
    found: dict[str, MenuNumber] = {}
    for name, count in counts.of(tx, username).items():
        shown = {"inbox": count.unread, "junk": count.unread, "drafts": count.total}.get(name, 0)
        found[name] = MenuNumber(shown, is_unread=name != "drafts" and shown > 0)
    return found


NUMBERS = _numbers


def selected_ids() -> list[int]:
    """The ids that the form's ticked boxes name."""
    found = [int(text) for text in request.form.getlist("ids") if text.isdecimal() and len(text) < 19]
    return found[:_MOST]


def _mark(states: list[RecipientState], now: float) -> StatusPill | None:
    """What is said of a message in Sent that was not simply sent."""
    waiting = [each for each in states if each.status == "pending" and each.release_ts > now]
    if waiting:
        return StatusPill(
            "Waiting" if waiting[0].undo else "Scheduled", "wait", max(each.release_ts for each in waiting)
        )
    found = {each.status for each in states}
    if found == {"cancelled"}:
        return StatusPill("Not sent", "idle")
    for status in ("failed", "held", "deferred", "sandboxed"):
        if status in found:
            word, kind = STATUS_WORDS[status]
            number = sum(each.status == status for each in states)
            return StatusPill(word if number == len(states) else f"{number} of {len(states)} {word.lower()}", kind)
    return None


def _move(username: str, ids: list[int], target: str, back: str) -> AnyResponse:
    if target not in FOLDERS:
        raise not_found("folder")
    now = current().clock()
    number, waits = current().database.write(
        lambda tx: (mailbox.move(tx, username, ids, target), waiting.release_times(tx, ids, now))
    )
    if target == back:
        return redirect(url_for("webmail.folder", folder=back), 303)
    undo = ".".join(map(str, ids))
    # Who throws away what is still to be sent must not believe that it is not sent.
    still = 1 if waits and target == "trash" else None
    return redirect(
        url_for("webmail.folder", folder=back, did="move", n=number, to=target, came=back, ids=undo, still=still), 303
    )


def _change(action: str, username: str, ids: list[int]) -> Callable[[Connection], int]:
    if action == "read":
        return lambda tx: mailbox.set_read(tx, username, ids, True)
    if action == "unread":
        return lambda tx: mailbox.set_read(tx, username, ids, False)
    if action == "purge":
        return lambda tx: mailbox.purge(tx, username, ids)
    raise Problem(400, "That action is not known.")
