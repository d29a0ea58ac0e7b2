"""A conversation: its messages in their order, what was read in one line each, and what is done to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import conversations, mailbox, team_marks
from onifast_shared.mailboxes.conversations import MailConversation
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.values.paging import CursorError, Page
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions.drafts import Form
from onifast_web.http import csrf
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.webmail import message, places, sorting
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.listed_rows import StatusPill, team_pills
from onifast_web.webmail.opened import open_message
from onifast_web.webmail.pages import page, user
from onifast_web.webmail.places import ListPlace
from onifast_web.webmail.sorting import Sorting

_PAGE = 100
_MOST_OPENED = 5  # of those that are unread; the others unfold one by one


@dataclass(frozen=True)
class ShownMessage:
    """A message of a conversation, in one line or, with its content, opened."""

    row: EmailRow
    content: dict[str, Any] | None = None
    sorting: Sorting | None = None
    head: dict[str, Any] | None = None
    quick: Form | None = None
    team: Sequence[StatusPill] = ()

    @property
    def opened(self) -> bool:
        """Whether all of it is shown."""
        return self.content is not None


@allow(Who.USER, visitors=True)
def conversation(conversation_id: int) -> Response:
    """A conversation's page; what it opens is marked as read by being seen."""
    _caller, username = user()
    cursor, key = request.args.get("cursor") or None, request.args.get("place", "inbox")

    def read(tx: Connection) -> tuple[MailConversation, ListPlace, Page[EmailRow]]:
        found = conversations.get(tx, username, conversation_id) if conversation_id < 2**63 else None
        if found is None:
            raise not_found("conversation")
        place = places.of(tx, username, key)
        hidden = place.folder if place.folder in ("trash", "junk") else None
        return found, place, conversations.messages(tx, found, limit=_PAGE, cursor=cursor, hidden=hidden)

    try:
        found, place, listed = current().database.read(read)
    except CursorError:
        raise not_found("page") from None
    if not listed.rows:
        raise not_found("conversation")
    rows = listed.rows[::-1]
    opened = _opened(rows)
    last = next((row.id for row in reversed(rows) if row.folder != "drafts"), None) if cursor is None else None
    pills = _team_pills(username, [row.id for row in rows if row.id not in opened])
    shown = [
        _shown(username, row, answers=row.id == last)
        if row.id in opened
        else ShownMessage(row, team=pills.get(row.id, ()))
        for row in rows
    ]
    _mark_read(username, [row for row in rows if row.id in opened])
    return page(
        "conversation.html",
        place.here,
        conversation=found,
        subject=rows[0].subject,
        newest=rows[-1],
        place=place,
        back_url=places.url(place.key),
        shown_messages=shown,
        older_url=_url(found, place, listed.next_cursor) if listed.next_cursor else None,
        newer_url=_url(found, place, None) if cursor else None,
    )


@allow(Who.USER)
def mute(conversation_id: int) -> AnyResponse:
    """Mutes a conversation, so that what comes later is archived as read, or hears it again."""
    _caller, username = user()
    is_muted, back = request.form.get("muted") == "1", request.form.get("back", "inbox")

    def write(tx: Connection) -> None:
        if conversation_id >= 2**63 or not conversations.set_muted(tx, username, conversation_id, is_muted):
            raise not_found("conversation")
        if is_muted:
            ids = conversations.ids_of(tx, username, conversation_id, ["inbox"])
            mailbox.set_read(tx, username, ids, True)
            mailbox.move(tx, username, ids, "archive")

    current().database.write(write)
    if is_muted:
        return redirect(places.url(back, did="muted"), 303)
    return redirect(url_for("webmail.conversation", conversation_id=conversation_id, place=back, did="unmuted"), 303)


ROUTES = (
    PageRoute("GET", "/conversations/<int:conversation_id>", conversation, off_menu="a list leads to it"),
    PageRoute("POST", "/conversations/<int:conversation_id>/mute", mute, off_menu="a conversation's page posts to it"),
)
NAV = ()
NOTICES: Notices = {
    "muted": marked("Muted. What comes later to this conversation is archived as read."),
    "unmuted": marked("What comes later to this conversation comes to the inbox again."),
}


def _opened(rows: list[EmailRow]) -> set[int]:
    """Those that are shown whole: the last one, and the first ones that are unread."""
    letters = [row for row in rows if row.folder != "drafts"] or rows
    unread = [row.id for row in letters if not row.is_read]
    return {*unread[:_MOST_OPENED], letters[-1].id}


def _shown(username: str, row: EmailRow, *, answers: bool) -> ShownMessage:
    opened = open_message(username, row.id)
    found = current().database.read(lambda tx: sorting.of(tx, username, row))
    return ShownMessage(
        row,
        message.content_of(username, opened),
        found,
        message.head_of(username, opened),
        message.quick_reply_of(username, opened) if answers else None,
    )


def _team_pills(username: str, ids: list[int]) -> dict[int, list[StatusPill]]:
    """What members of a shared mailbox tell each other of the messages that are folded."""
    web, member = current(), auth.caller().member
    if member is None or not ids:
        return {}
    found = web.database.read(lambda tx: team_marks.of(tx, username, ids, web.clock()))
    return {email_id: team_pills(mark, member) for email_id, mark in found.items()}


def _mark_read(username: str, rows: list[EmailRow]) -> None:
    ids = [row.id for row in rows if not row.is_read]
    if auth.caller().visited_by is not None:
        return
    if ids and csrf.comes_from_here(request) and not csrf.is_prefetch(request):
        current().database.write(lambda tx: mailbox.set_read(tx, username, ids, True))


def _url(found: MailConversation, place: ListPlace, cursor: str | None) -> str:
    return url_for("webmail.conversation", conversation_id=found.id, place=place.key, cursor=cursor)
