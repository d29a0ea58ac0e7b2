"""A folder's list, a label's, and what is starred, put off or found."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response, request
from onifast_shared.db.database import Connection
from onifast_shared.junk import senders as senders_store
from onifast_shared.mailboxes import conversations, counts, labelling, labels, preferences, team_marks
from onifast_shared.mailboxes.conversations import ConversationSummary
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.mailboxes.team_marks import TeamMark
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import RecipientState
from onifast_shared.recipients import addresses
from onifast_shared.recipients.addresses import AddressFilter
from onifast_shared.search import saved
from onifast_shared.values.paging import CursorError

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import Web, current
from onifast_web.actions import searching
from onifast_web.actions.searching import MailListing, WantedListing
from onifast_web.http import csrf
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading import impostors
from onifast_web.reading.impostors import Reader
from onifast_web.webmail import places
from onifast_web.webmail.declared import MenuNumber, NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import FOLDER_TITLES, STATUS_WORDS, folder_title
from onifast_web.webmail.help import TourStep, tour_for
from onifast_web.webmail.listed_rows import ListedRow, StatusPill, listed_row, team_pills
from onifast_web.webmail.pages import page, user
from onifast_web.webmail.places import ListPlace
from onifast_web.webmail.snooze_times import snooze_choices
from onifast_web.webmail.wanted import TEAM_FOLDERS, list_query, wanted_of

_MOST_ADDRESSES = 50


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
    team: dict[int, TeamMark]
    addresses: list[str]
    tour: tuple[TourStep, ...]


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


@allow(Who.USER, visitors=True)
def snoozed() -> Response:
    """What is put off, the next one to come back first."""
    return _list(places.SNOOZED)


def _list(key: str) -> Response:
    caller, username = user()
    web = current()

    def read(tx: Connection) -> _Listed:
        place = places.of(tx, username, key)
        by_conversation = not preferences.lists(tx, username).single_lines
        asked = wanted_of(place, args, by_conversation=by_conversation, member=caller.member)
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
            team_marks.of(tx, username, ids, web.clock()) if caller.member else {},
            _addresses(tx, username),
            tour_for(tx, caller, username) if place.folder == "inbox" else (),
        )

    args = request.args
    try:
        listed = web.database.read(read)
    except CursorError:
        raise not_found("page") from None
    text = listed.asked.text
    if text and not (listed.problem or listed.asked.cursor or caller.visited_by or csrf.is_prefetch(request)):
        web.database.write(lambda tx: saved.note(tx, username, text, web.clock()))
    return _shown(listed)


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
        address=asked.address,
        addresses=listed.addresses,
        tour_steps=listed.tour,
        kept=list_query(request.args),
        snooze_choices=snooze_choices(now),
        in_all=_is_in_all(asked),
        by_conversation=asked.by_conversation,
        by_rank=asked.by_rank,
        team=asked.team.kind if asked.team else "",
        has_team=auth.caller().member is not None and place.folder in TEAM_FOLDERS and not asked.text,
        incomplete_before=found.incomplete_before,
        problem=listed.problem,
        cursor=asked.cursor,
        next_cursor=found.next_cursor,
        place_url=places.url,
    )


def _addresses(tx: Connection, username: str) -> list[str]:
    """The addresses that a user can have the mail to one of listed; of very many the first ones."""
    wanted = AddressFilter()
    return [each.address for each in addresses.list_page(tx, username, wanted, _MOST_ADDRESSES).rows]


def _is_in_all(asked: WantedListing) -> bool:
    return bool(asked.text) and (asked.folder, asked.label, asked.starred) == (None, None, False)


def _row(listed: _Listed, row: EmailRow, now: float) -> ListedRow:
    place, states = listed.place, listed.states.get(row.id)
    is_elsewhere = row.folder != place.folder and (_is_in_all(listed.asked) or not place.own_folder)
    return listed_row(
        row,
        pill=folder_title(row.folder) if is_elsewhere else "",
        labels=[each for each in listed.labels_of.get(row.id, ()) if each != place.label],
        mark=_snoozed_mark(row) or (_mark(states, now) if states else None),
        excerpt=listed.listing.excerpts.get(row.id),
        is_doubtful=bool(impostors.listed_warnings(listed.who, row)),
        conversation=listed.conversations.get(row.conversation_id or 0),
        place=place.key,
        team=team_pills(listed.team.get(row.id), auth.caller().member),
        tells_address=len(listed.addresses) > 1 and not listed.asked.address,
    )


def _unread(tx: Connection, username: str, place: ListPlace) -> int:
    if place.label is not None:
        return place.label.unread
    return counts.of(tx, username)[place.folder].unread if place.folder else 0


def _listing(web: Web, tx: Connection, username: str, asked: WantedListing) -> tuple[MailListing, str]:
    """The page, and a sentence where the search is not understood."""
    try:
        return searching.listing(web, tx, username, asked), ""
    except Problem as problem:
        return MailListing([], None), str(problem.errors[0]["message"])


ROUTES = (
    PageRoute("GET", "/folders/<folder>", folder),
    PageRoute("GET", "/starred", starred),
    PageRoute("GET", "/labels/<int:label_id>", labelled, off_menu="the user's own entries of the menu lead to it"),
    PageRoute("GET", "/snoozed", snoozed),
)
NAV = (
    *(
        NavEntry(
            name, FOLDER_TITLES[name], folder, icon=name, group=NavGroup.MAIL, order=10 * place, values={"folder": name}
        )
        for place, name in enumerate(FOLDERS, 1)
    ),
    NavEntry("starred", marked("Starred"), starred, icon="star", group=NavGroup.MAIL, order=15),
    NavEntry("snoozed", marked("Snoozed"), snoozed, icon="snooze", group=NavGroup.MAIL, order=17),
)
NOTICES: Notices = {}


def _numbers(tx: Connection, username: str, _now: float) -> dict[str, MenuNumber]:
    """What each folder has that waits to be read, or to be sent."""
    found: dict[str, MenuNumber] = {}
    for name, count in counts.of(tx, username).items():
        shown = {"inbox": count.unread, "junk": count.unread, "drafts": count.total}.get(name, 0)
        found[name] = MenuNumber(shown, is_unread=name != "drafts" and shown > 0)
    return found


NUMBERS = _numbers


def _snoozed_mark(row: EmailRow) -> StatusPill | None:
    return None if row.snoozed_until is None else StatusPill(_("Snoozed"), "idle", row.snoozed_until)


def _mark(states: list[RecipientState], now: float) -> StatusPill | None:
    """What is said of a message in Sent that was not simply sent."""
    waiting = [each for each in states if each.status == "pending" and each.release_ts > now]
    if waiting:
        return StatusPill(
            _("Waiting") if waiting[0].undo else _("Scheduled"), "wait", max(each.release_ts for each in waiting)
        )
    found = {each.status for each in states}
    if found == {"cancelled"}:
        return StatusPill(_("Not sent"), "idle")
    for status in ("failed", "held", "deferred", "sandboxed"):
        if status in found:
            word, kind = STATUS_WORDS[status]
            number = sum(each.status == status for each in states)
            return StatusPill(
                word
                if number == len(states)
                else _("%(n)s of %(all)s: %(state)s", n=number, all=len(states), state=word),
                kind,
            )
    return None
