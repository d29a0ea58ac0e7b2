"""Which messages an act is about that is done to all of a list, on every page: what the list was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import counts, labels, mailbox, snoozing
from onifast_shared.mailboxes.team_marks import TeamFilter
from onifast_shared.search import find, query
from onifast_shared.search.find import Wanted
from onifast_shared.search.query import Mark, Node, Not, Or, Place

MOST_COUNTED = 10_000
"""How many found messages are counted before it is said that there are more."""

_AT_ONCE = 1000


@dataclass(frozen=True)
class ListScope:
    """A list as it was asked for, as in `WantedListing`. `reach` are the folders of whole conversations, if any."""

    folder: str | None = None
    label_id: int | None = None
    starred: bool = False
    snoozed: bool = False
    unread: bool = False
    address: str | None = None
    text: str = ""
    reach: tuple[str, ...] = ()
    team: TeamFilter | None = None

    def as_dict(self) -> dict[str, Any]:
        """What can be written as JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """What `of_json` reads."""
        return json.dumps(self.as_dict())

    @classmethod
    def of_json(cls, text: str) -> ListScope:
        """The scope that was written as JSON."""
        found = json.loads(text)
        team = TeamFilter(*found["team"]) if found.get("team") else None  # none was written before
        return cls(**found | {"reach": tuple(found["reach"]), "team": team})


def also(*, folder: str | None, label: str | None, starred: bool, unread: bool, address: str | None) -> Iterator[Node]:
    """What has to hold besides the text of a search; `label` is its name."""
    if label is not None:
        yield Place("label", label)
    if starred:
        yield Mark("starred")
    if (label is not None or starred) and folder is None:
        yield Not(Or((Place("folder", "trash"), Place("folder", "junk"))))
    if unread:
        yield Mark("read", wanted=False)
    if address:
        yield query.about(address)


def page(
    tx: Connection, owner: str, scope: ListScope, now: float, *, limit: int, cursor: str | None
) -> tuple[list[int], str | None]:
    """Some messages of a scope, and the cursor for the next ones; raises QueryError, CursorError.

    A label that is gone has none.
    """
    label = labels.get(tx, owner, scope.label_id) if scope.label_id is not None else None
    if scope.label_id is not None and label is None:
        return [], None
    if scope.text.strip():
        name = label.name if label else None
        nodes = also(folder=scope.folder, label=name, starred=scope.starred, unread=scope.unread, address=scope.address)
        return find.ids(
            tx, Wanted(owner, scope.text, scope.folder, False, tuple(nodes)), now, limit=limit, cursor=cursor
        )
    if scope.snoozed:
        found = snoozing.page(tx, owner, limit=limit, cursor=cursor)
    else:
        found = mailbox.list_page(
            tx,
            owner,
            scope.folder,
            label=label,
            starred=scope.starred,
            unread=scope.unread,
            address=scope.address,
            limit=limit,
            cursor=cursor,
            team=scope.team,
        )
    return [row.id for row in found.rows], found.next_cursor


def count(tx: Connection, owner: str, scope: ListScope, now: float) -> tuple[int, bool]:
    """How many messages a scope has, and whether there are more that were not counted; raises QueryError."""
    is_plain = not (scope.text.strip() or scope.unread or scope.address or scope.team)
    if is_plain and scope.label_id is not None:
        label = labels.get(tx, owner, scope.label_id)
        return (label.total if label else 0), False
    if is_plain and scope.snoozed:
        return snoozing.count(tx, owner), False
    if is_plain and scope.folder is not None and not scope.starred:
        return counts.of(tx, owner)[scope.folder].total, False
    found, cursor = 0, None
    while found < MOST_COUNTED:
        ids, cursor = page(tx, owner, scope, now, limit=_AT_ONCE, cursor=cursor)
        found += len(ids)
        if cursor is None:
            return found, False
    return found, True
