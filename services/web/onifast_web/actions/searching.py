"""Lists of messages as API and webmail show them: a folder's, all, or what was found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onifast_shared.acts import scope
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox, snoozing
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.team_marks import TeamFilter
from onifast_shared.search import find
from onifast_shared.search.find import Wanted
from onifast_shared.search.highlight import Excerpt
from onifast_shared.search.query import QueryError

from onifast_web.access.context import Web
from onifast_web.http.problems import unprocessable


@dataclass(frozen=True)
class WantedListing:
    """What is to be listed; `folder` None is all of them, `text` is what is searched for, "" for a plain list.

    Without a folder, what has the label, or a star, is listed unless it lies in trash or junk. With `by_conversation` a
    plain list of an owner's has the newest message of each conversation. `snoozed` is a plain list of what is put off.
    `team` says which of a shared mailbox's plain list, by its members' marks.
    """

    folder: str | None
    text: str = ""
    label: Label | None = None
    starred: bool = False
    unread: bool = False
    address: str | None = None
    by_rank: bool = False
    limit: int = 50
    cursor: str | None = None
    by_conversation: bool = False
    snoozed: bool = False
    team: TeamFilter | None = None

    def scope(self, reach: tuple[str, ...] = ()) -> ListScope:
        """All of the list, on every page, with its conversations in the folders `reach`."""
        label_id = self.label.id if self.label else None
        return ListScope(
            *(self.folder, label_id, self.starred, self.snoozed, self.unread, self.address, self.text, reach),
            team=self.team,
        )


@dataclass(frozen=True)
class MailListing:
    """A page of messages. Of those that were found, `excerpts` has by id what is shown.

    `incomplete_before` is as in `SearchPage`.
    """

    rows: list[EmailRow]
    next_cursor: str | None
    excerpts: Mapping[int, Excerpt] = field(default_factory=dict)
    incomplete_before: int | None = None


def listing(web: Web, tx: Connection, owner: str | None, wanted: WantedListing) -> MailListing:
    """A page of what is wanted of an owner's mail, or of everybody's.

    Raises Problem for a search that is not understood, with a sentence that says what is; CursorError.
    """
    if wanted.snoozed and owner is not None and not wanted.text.strip():
        off = snoozing.page(tx, owner, limit=wanted.limit, cursor=wanted.cursor)
        return MailListing(off.rows, off.next_cursor)
    if not wanted.text.strip():
        page = mailbox.list_page(
            tx,
            owner,
            wanted.folder,
            label=wanted.label,
            starred=wanted.starred,
            unread=wanted.unread,
            address=wanted.address,
            limit=wanted.limit,
            cursor=wanted.cursor,
            summaries=web.summaries,
            by_conversation=wanted.by_conversation,
            team=wanted.team,
        )
        return MailListing(page.rows, page.next_cursor)
    try:
        return _found(tx, owner, wanted, web.clock())
    except QueryError as error:
        raise unprocessable("q", str(error)) from None


def _found(tx: Connection, owner: str | None, wanted: WantedListing, now: float) -> MailListing:
    name = wanted.label.name if wanted.label else None
    also = scope.also(
        folder=wanted.folder, label=name, starred=wanted.starred, unread=wanted.unread, address=wanted.address
    )
    search = Wanted(owner, wanted.text, wanted.folder, wanted.by_rank, tuple(also))
    page = find.page(tx, search, now, limit=wanted.limit, cursor=wanted.cursor)
    rows = [each.row for each in page.found]
    excerpts = {each.row.id: each.excerpt for each in page.found}
    return MailListing(rows, page.next_cursor, excerpts, page.incomplete_before)
