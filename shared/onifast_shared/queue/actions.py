"""What people do to queued mail: to rows that they name, or to all that a search finds.

`owner` None stands for an administrator, as in `view`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from onifast_shared.db.database import Connection, Database
from onifast_shared.queue import sandbox, view
from onifast_shared.queue.view import ACTIONS, Search

AT_ONCE = 500
"""Rows that one transaction changes: somebody gives up 50,000 messages, and mail goes in and out meanwhile."""


def act(tx: Connection, owner: str | None, ids: Iterable[int], action: str, now: float) -> list[int]:
    """Does one of view.ACTIONS to those rows that are in a state for it; returns their ids in order.

    `release` has captured rows sent after all, too.
    """
    ids = list(ids)
    changed = view.act(tx, owner, ids, action, now)
    if action == "release":
        changed += sandbox.release(tx, owner, ids, now)
    return sorted(changed)


def act_on_all(db: Database, owner: str | None, search: Search, action: str, now: float) -> list[int]:
    """`act` on all rows that a search finds; some at a time, so what was done stays done when a later part fails."""
    changed: list[int] = []
    for ids in _found(db, owner, search, action):
        changed += db.write(partial(act, owner=owner, ids=ids, action=action, now=now))
    return changed


def _found(db: Database, owner: str | None, search: Search, action: str) -> Iterator[list[int]]:
    statuses = (*ACTIONS[action][1], *(("sandboxed",) if action == "release" else ()))
    look = partial(view.ids_after, owner=owner, search=search, statuses=statuses, limit=AT_ONCE)
    after = 0
    while ids := db.read(partial(look, after=after)):
        after = ids[-1]
        yield ids
