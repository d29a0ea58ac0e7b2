"""Lists of messages: a folder's, a label's, or what was found."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import conversations, counts, labelling
from onifast_shared.mailboxes.labels import Label
from onifast_shared.queue import waiting
from pydantic import BeforeValidator, Field

from onifast_web.access.caller import Who
from onifast_web.actions import messages, searching
from onifast_web.actions.searching import MailListing, WantedListing
from onifast_web.api.chosen import in_any_case
from onifast_web.api.emails import Email, fields_of
from onifast_web.api.endpoint import IF_ANY, Call, Endpoint, Id, Moment, optional_moment
from onifast_web.api.highlights import highlights_of
from onifast_web.api.mail import release_times
from onifast_web.http.models import Model
from onifast_web.reading import impostors
from onifast_web.reading.impostors import Reader

ListFolder = Annotated[
    Literal["inbox", "drafts", "sent", "junk", "archive", "trash", "all"], BeforeValidator(in_any_case)
]
"""A folder, or all of them."""


Counted = dict[int, dict[str, int]]
"""Counts of conversations, by their numbers."""


class ListQuery(Model):
    """Which messages: of a folder, with a label or a star, to or from an address, and with what `q` asks for.

    Without `folder`, `label` and `starred` it is the inbox; with one of the latter alone, all but trash and junk.

    `q` has words, "phrases", -words, OR, parentheses and operators: from:, to:, cc:, subject:, filename:, list:,
    has:attachment, is:unread, is:read, is:starred, in:, label:, before:, after:, older_than:, newer_than:, larger: and
    smaller:. What it does not understand answers 422 with a sentence. With a `sort` by rank the best of the newest
    thousand come first.
    """

    folder: ListFolder | None = Field(default=None, description="inbox, unless label or starred is given")
    label: Annotated[Id | None, Field(description="A label's or an own folder's number")] = None
    starred: Annotated[bool, Field(description="Only messages with a star")] = False
    unread: Annotated[bool, Field(description="Only messages that are unread")] = False
    snoozed: Annotated[bool, Field(description="What is put off, the next to come back first; alone")] = False
    by_conversation: Annotated[bool, Field(description="Of each conversation the newest message; not with q")] = False
    address: Annotated[str, Field(max_length=320)] | None = None
    q: Annotated[str, Field(max_length=1000)] | None = None
    sort: Literal["date", "rank"] = "date"
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class EmailList(Model):
    """A page of messages, newest first or by rank; one of what `q` found may be shorter than `limit`.

    Where `incomplete_before` is there, the search does not know all words of messages from before then yet.
    """

    emails: list[Email]
    next_cursor: str | None
    incomplete_before: Annotated[Moment | None, IF_ANY] = None


def list_emails(call: Call) -> EmailList:
    """A page of a folder or of all, of a label, or of what is starred, newest first; or of what was found there."""

    def read(tx: Connection) -> tuple[MailListing, dict[int, int], Reader, dict[int, list[Label]], Counted]:
        wanted = _wanted(tx, call)
        listing = searching.listing(call.web, tx, call.caller.mail_of, wanted)
        who = call.web.readers.of(tx, call.caller.mail_of)
        marks = labelling.of_messages(tx, [row.id for row in listing.rows])
        return listing, release_times(tx, listing.rows, call), who, marks, _counted(tx, call, wanted, listing)

    listing, releases, who, marks, counted = call.web.database.read(read)
    emails = [
        {
            **fields_of(row, releases.get(row.id), marks.get(row.id, ())),
            "warnings": impostors.listed_warnings(who, row),
            "highlights": highlights_of(listing.excerpts.get(row.id)),
            "conversation": counted.get(row.conversation_id or 0),
        }
        for row in listing.rows
    ]
    # All at once: to make fifty models one by one takes a third of a list.
    return EmailList.model_validate(
        {
            "emails": emails,
            "next_cursor": listing.next_cursor,
            "incomplete_before": optional_moment(listing.incomplete_before),
        }
    )


def _counted(tx: Connection, call: Call, wanted: WantedListing, listing: MailListing) -> Counted:
    """The conversations of a list's messages that have several."""
    owner = call.caller.mail_of
    if not wanted.by_conversation or owner is None:
        return {}
    found = conversations.summaries(tx, owner, listing.rows, wanted.folder)
    return {number: {"total": each.total, "unread": each.unread} for number, each in found.items()}


def _wanted(tx: Connection, call: Call) -> WantedListing:
    query: ListQuery = call.query
    return WantedListing(
        folder=_folder_of(query),
        label=messages.label_of(tx, call.caller.mail_of, query.label) if query.label else None,
        starred=query.starred,
        unread=query.unread,
        address=query.address,
        text=query.q or "",
        by_rank=query.sort == "rank",
        limit=query.limit,
        cursor=query.cursor,
        by_conversation=query.by_conversation and not query.q,
        snoozed=query.snoozed and call.caller.mail_of is not None,
    )


def _folder_of(query: ListQuery) -> str | None:
    folder = query.folder or (None if query.label or query.starred or query.snoozed else "inbox")
    return None if folder == "all" else folder


def _list_version(call: Call) -> str | None:
    query: ListQuery = call.query
    if query.q:
        return None  # what a search finds depends on the index too
    owner, now = call.caller.mail_of, call.web.clock()

    def find(tx: Connection) -> str:
        waits = waiting.version(tx, owner, now) if _folder_of(query) in ("sent", None) else ""
        folder = None if query.by_conversation else _folder_of(query)
        return f"{counts.version(tx, owner, folder)} {counts.reader_version(tx, owner)} {waits}"

    return call.web.database.read(find)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/list",
        Who.USER,
        TokenScope.READ,
        "A folder's messages, newest first",
        list_emails,
        ListQuery,
        answer=EmailList,
        version=_list_version,
        visitors=True,
    ),
)
