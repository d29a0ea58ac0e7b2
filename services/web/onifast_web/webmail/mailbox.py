"""A folder's list, and what is done to selected messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.junk import senders as senders_store
from onifast_shared.junk.senders import SenderChoice
from onifast_shared.mailboxes import conversations, counts, labelling, labels, mailbox, preferences
from onifast_shared.mailboxes.conversations import ConversationSummary
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import FOLDERS, EmailRow
from onifast_shared.queue import view as queue_view
from onifast_shared.queue import waiting
from onifast_shared.queue.view import RecipientState
from onifast_shared.values.paging import CursorError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import Who, allow
from onifast_web.access.context import Web, current
from onifast_web.actions import messages, searching, senders
from onifast_web.actions.searching import MailListing, WantedListing
from onifast_web.http.problems import Problem, not_found
from onifast_web.reading import impostors
from onifast_web.reading.impostors import Reader
from onifast_web.webmail import places
from onifast_web.webmail.declared import MenuNumber, NavEntry, NavGroup, Notice, Notices, PageRoute, counted
from onifast_web.webmail.filters import STATUS_WORDS
from onifast_web.webmail.listed_rows import ListedRow, StatusPill, listed_row
from onifast_web.webmail.pages import page, user
from onifast_web.webmail.places import ListPlace

_PAGE = 50
_MOST = 500
_LONGEST_QUERY = 200
_MOST_UNDONE = 200
_ON_ONE = ("star", "unstar", "accept", "block")  # a row has a button of its own for it
_CHOICES: Mapping[str, SenderChoice] = {"accept": "accepted", "block": "blocked"}
_UNSAID = ("star", "unstar")  # one sees it


class _Listed(NamedTuple):
    """What the database has of a page of a list, and of its reader."""

    place: ListPlace
    asked: WantedListing
    listing: MailListing
    problem: str
    states: dict[int, list[RecipientState]]
    who: Reader
    unread: int
    labels_of: dict[int, list[Label]]
    labels: list[Label]
    is_apart: bool
    conversations: dict[int, ConversationSummary]


@allow(Who.USER, visitors=True)
def folder(folder: str) -> Response:
    """A page of a folder, newest first, or of what was searched in it."""
    if folder not in FOLDERS:
        raise not_found("folder")
    return _list(folder)


@allow(Who.USER, visitors=True)
def labelled(label_id: int) -> Response:
    """The same for an own folder, or for all that has a label and lies neither in trash nor in junk."""
    return _list(f"label:{label_id}")


@allow(Who.USER, visitors=True)
def starred() -> Response:
    """The same for all that has a star."""
    return _list(places.STARRED)


@allow(Who.USER)
def act() -> AnyResponse:
    """Marks, moves, labels or deletes the selected messages, then shows the list again."""
    _, username = user()
    web, back = current(), request.form.get("back", "inbox")
    web.database.read(lambda tx: places.of(tx, username, back))
    action, _, target = request.form.get("action", "").partition(":")
    ids = [int(target)] if action in _ON_ONE and target.isdecimal() and len(target) < 19 else selected_ids()
    there = _there(back, ids)
    if request.form.get("whole") and action not in _ON_ONE:
        ids = web.database.read(lambda tx: _whole(tx, username, ids, action, target or request.form.get("target", "")))
    if not ids:
        return redirect(places.url(back, did="none"), 303)
    if action == "move":
        return _move(username, ids, target or request.form.get("target", ""), back)
    number = web.database.write(_change(action, username, ids))
    did = None if action in _UNSAID else action
    return redirect(there(did=did, n=number if did else None), 303)


def _whole(tx: Connection, username: str, ids: list[int], action: str, target: str) -> list[int]:
    """The messages of whole conversations that an act is about, by one of each in the list."""
    place = places.of(tx, username, request.form.get("back", "inbox"))
    return messages.of_conversations(tx, username, ids, _reach(place.folder, action, target))


def _reach(folder: str | None, action: str, target: str) -> tuple[str, ...]:
    """In which folders an act on a conversation finds its messages: what is moved is what the list shows of it.

    What is thrown away goes with what was sent.
    """
    if folder in ("trash", "junk") or action == "purge":
        return (folder or "trash",)
    if action == "move" and target == "trash":
        return ("inbox", "sent", "archive")
    if action == "move":
        return (folder,) if folder else ("inbox", "archive")
    return ("inbox", "drafts", "sent", "archive")


def _list(key: str) -> Response:
    _, username = user()
    web = current()

    def read(tx: Connection) -> _Listed:
        place = places.of(tx, username, key)
        asked = _asked(place, args, by_conversation=not preferences.lists(tx, username).single_lines)
        listing, problem = _listing(web, tx, username, asked)
        ids = [row.id for row in listing.rows]
        sent = [row.id for row in listing.rows if row.folder == "sent"]
        return _Listed(
            place,
            asked,
            listing,
            problem,
            queue_view.states_of(tx, sent) if sent else {},
            web.readers.of(tx, username),
            _unread(tx, username, place),
            labelling.of_messages(tx, ids),
            labels.list_all(tx, username),
            place.label is not None and place.label == senders_store.folder_of(tx, username),
            conversations.summaries(tx, username, listing.rows, place.folder) if asked.by_conversation else {},
        )

    args = request.args
    try:
        return _shown(web.database.read(read))
    except CursorError:
        raise not_found("page") from None


def _shown(listed: _Listed) -> Response:
    place, asked, found, now = listed.place, listed.asked, listed.listing, current().clock()
    return page(
        "mailbox.html",
        place.here,
        place=place,
        is_apart=listed.is_apart,
        folder=place.folder or "",
        folders=FOLDERS,
        unread=listed.unread,
        rows=[_row(listed, row, now) for row in found.rows],
        own_folders=[each for each in listed.labels if each.is_folder and each != place.label],
        labels=[each for each in listed.labels if not each.is_folder],
        q=asked.text,
        in_all=_is_in_all(asked),
        by_conversation=asked.by_conversation,
        by_rank=asked.by_rank,
        incomplete_before=found.incomplete_before,
        problem=listed.problem,
        cursor=asked.cursor,
        next_cursor=found.next_cursor,
        place_url=places.url,
    )


def _is_in_all(asked: WantedListing) -> bool:
    return bool(asked.text) and (asked.folder, asked.label, asked.starred) == (None, None, False)


def _row(listed: _Listed, row: EmailRow, now: float) -> ListedRow:
    place, states = listed.place, listed.states.get(row.id)
    is_elsewhere = row.folder != place.folder and (_is_in_all(listed.asked) or not place.own_folder)
    return listed_row(
        row,
        pill=row.folder.capitalize() if is_elsewhere else "",
        labels=[each for each in listed.labels_of.get(row.id, ()) if each != place.label],
        mark=_mark(states, now) if states else None,
        excerpt=listed.listing.excerpts.get(row.id),
        is_doubtful=bool(impostors.listed_warnings(listed.who, row)),
        conversation=listed.conversations.get(row.conversation_id or 0),
        place=place.key,
    )


def _unread(tx: Connection, username: str, place: ListPlace) -> int:
    if place.label is not None:
        return place.label.unread
    return counts.of(tx, username)[place.folder].unread if place.folder else 0


def _asked(place: ListPlace, args: Mapping[str, str], *, by_conversation: bool) -> WantedListing:
    """What the page's address asks for; `in` and `sort` say something about a search alone."""
    text = args.get("q", "").strip()[:_LONGEST_QUERY]
    everywhere = bool(text) and args.get("in") == "all"
    return WantedListing(
        folder=None if everywhere else place.folder,
        text=text,
        label=None if everywhere else place.label,
        starred=not everywhere and place.key == places.STARRED,
        by_rank=bool(text) and args.get("sort") == "rank",
        limit=_PAGE,
        cursor=args.get("cursor") or None,
        # What was found are messages, and a draft is opened by itself.
        by_conversation=by_conversation and not text and place.folder != "drafts",
    )


def _listing(web: Web, tx: Connection, username: str, asked: WantedListing) -> tuple[MailListing, str]:
    """The page, and a sentence where the search is not understood."""
    try:
        return searching.listing(web, tx, username, asked), ""
    except Problem as problem:
        return MailListing([], None), str(problem.errors[0]["message"])


def _moved(number: int) -> Notice | None:
    """Names of own folders come from the database, never from the URL."""
    _, username = user()
    target = request.args.get("to", "")
    try:
        place = current().database.read(lambda tx: places.of(tx, username, target))
    except Problem:
        return None
    still = " What was scheduled is sent all the same: see Scheduled." if request.args.get("still") else ""
    return Notice(f"Moved {_messages(number)} to {place.title}.{still}", _undo_ids(), request.args.get("came", ""))


def _messages(number: int) -> str:
    return counted(number, "message", "messages")


def _undo_ids() -> list[int]:
    came = request.args.get("came", "")
    if came not in FOLDERS and not re.fullmatch(r"label:\d{1,18}", came):
        return []
    found = [int(text) for text in request.args.get("ids", "").split(".") if text.isdecimal() and len(text) < 19]
    return found if len(found) <= _MOST_UNDONE else []


ROUTES = (
    PageRoute("GET", "/folders/<folder>", folder),
    PageRoute("GET", "/starred", starred),
    PageRoute("GET", "/labels/<int:label_id>", labelled, off_menu="the user's own entries of the menu lead to it"),
    PageRoute("POST", "/messages", act, off_menu="a folder's list posts to it"),
)
NAV = (
    *(
        NavEntry(
            name, name.capitalize(), folder, icon=name, group=NavGroup.MAIL, order=10 * place, values={"folder": name}
        )
        for place, name in enumerate(FOLDERS, 1)
    ),
    NavEntry("starred", "Starred", starred, icon="star", group=NavGroup.MAIL, order=15),
)
NOTICES: Notices = {
    "none": "Nothing was selected.",
    "move": _moved,
    "read": lambda n: f"Marked {_messages(n)} as read.",
    "unread": lambda n: f"Marked {_messages(n)} as unread.",
    "purge": lambda n: f"Deleted {_messages(n)} for good.",
    "label": lambda n: f"Labelled {_messages(n)}.",
    "unlabel": lambda n: f"Took the label off {_messages(n)}.",
    "labels": "Labels changed.",
    "accept": lambda n: f"Accepted: moved {_messages(n)} to your inbox, where their mail comes from now on.",
    "block": lambda n: f"Blocked: moved {_messages(n)} to junk, where their mail goes from now on.",
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
    now = current().clock()

    def move(tx: Connection) -> tuple[ListPlace, ListPlace, int, dict[int, int]]:
        came, place = places.of(tx, username, back), places.of(tx, username, target)
        if place.folder is None and place.own_folder is None:
            raise not_found("folder")
        if place.own_folder is not None:
            number = messages.relabel(tx, ids, [place.own_folder], [])
        else:
            number = mailbox.move(tx, username, ids, place.folder or "")
        return came, place, number, waiting.release_times(tx, ids, now)

    came, place, number, waits = current().database.write(move)
    if target == back:
        return redirect(places.url(back), 303)
    can_undo = came.folder or came.own_folder
    undo = ".".join(map(str, ids)) if can_undo else None
    # Who throws away what is still to be sent must not believe that it is not sent.
    still = 1 if waits and target == "trash" else None
    shown = back if can_undo else None
    return redirect(places.url(back, did="move", n=number, to=place.key, came=shown, ids=undo, still=still), 303)


def _there(back: str, ids: list[int]) -> Callable[..., str]:
    """Where one goes back to: the list, or the message's page for what was done there."""
    if request.form.get("on") == "message" and len(ids) == 1:
        return lambda **query: url_for("webmail.message", email_id=ids[0], **query)
    return lambda **query: places.url(back, cursor=request.form.get("cursor") or None, **query)


def _change(action: str, username: str, ids: list[int]) -> Callable[[Connection], int]:
    if action in ("read", "unread"):
        return lambda tx: mailbox.set_read(tx, username, ids, action == "read")
    if action in ("star", "unstar"):
        return lambda tx: labelling.set_starred(tx, username, ids, action == "star")
    if action in _CHOICES:
        choice, now = _CHOICES[action], current().clock()
        # Mail that went along with an earlier one of the selection lies where it belongs already.
        return lambda tx: sum(senders.decide_in(tx, username, email_id, choice, now) for email_id in ids)
    if action in ("label", "unlabel"):
        label_id = request.form.get("label", 0, type=int)
        return lambda tx: _label(tx, username, label_id, ids, takes_off=action == "unlabel")
    if action == "labels":
        ticked = {int(text) for text in request.form.getlist("labels") if text.isdecimal() and len(text) < 19}
        return lambda tx: _have_labels(tx, username, ticked, ids)
    if action == "purge":
        return lambda tx: mailbox.purge(tx, username, ids)
    raise Problem(400, "That action is not known.")


def _label(tx: Connection, username: str, label_id: int, ids: list[int], *, takes_off: bool) -> int:
    label = messages.label_of(tx, username, label_id, is_folder=False)
    return messages.relabel(tx, ids, [], [label]) if takes_off else messages.relabel(tx, ids, [label], [])


def _have_labels(tx: Connection, username: str, ticked: set[int], ids: list[int]) -> int:
    """Gives all labels that are ticked, and takes all others off."""
    own = [each for each in labels.list_all(tx, username) if not each.is_folder]
    if ticked - {each.id for each in own}:
        raise not_found("label")
    add, remove = [each for each in own if each.id in ticked], [each for each in own if each.id not in ticked]
    return messages.relabel(tx, ids, add, remove)
