"""Acts from their beginning to their end: at once for messages that are named, in steps for all of a list.

Each step is a transaction of its own, by whichever process comes first; a step that another one has made is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from onifast_shared.acts import changes, journal, scope
from onifast_shared.acts.journal import ActState, AskedAct, ListAct
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import conversations, mailbox, snoozing
from onifast_shared.search.query import QueryError
from onifast_shared.values.paging import CursorError

AT_ONCE = 100
"""Messages that one step is about."""

MOST_UNDONE = 500
"""Messages that are undone within the request that asks for it."""


def act(tx: Connection, asked: AskedAct, ids: Sequence[int], now: float) -> ListAct:
    """Does an act to these messages at once. Raises TooManyLabels. One that finds none leaves nothing, and has id 0."""
    begun = journal.begin(tx, asked, now)
    found = changes.apply(tx, begun, list(dict.fromkeys(ids)))
    if not found:
        journal.forget(tx, begun)
        return ListAct(**{**begun.__dict__, "id": 0})
    return journal.advance(tx, begun, done=found, cursor=None, state="done", ends_ts=begun.ends_ts)


def act_on_all(tx: Connection, asked: AskedAct, wanted: ListScope, now: float) -> ListAct:
    """Begins an act on all of a list; `step` does it. Raises QueryError."""
    total, _ = scope.count(tx, asked.owner, wanted, now)
    return journal.begin(tx, asked, now, wanted=wanted.to_json(), total=total)


def of_conversations(tx: Connection, owner: str, ids: Sequence[int], folders: Sequence[str]) -> list[int]:
    """The messages in these folders of the conversations that messages belong to; those that are in none themselves."""
    found = dict[int, None]()
    for row in mailbox.get_some(tx, owner, ids):
        found |= dict.fromkeys([row.id])
        if row.conversation_id is not None:
            found |= dict.fromkeys(conversations.ids_of(tx, owner, row.conversation_id, folders))
    return list(found)


def undo(tx: Connection, begun: ListAct, now: float) -> ListAct:
    """Undoes an act, or begins to where there are many messages; a second time nothing is left to do."""
    if begun.state in ("undoing", "undone"):
        return begun
    changes.take_back(tx, begun)
    undoing = journal.advance(
        tx, begun, done=begun.done, cursor=begun.cursor, state="undoing", ends_ts=int(now) + journal.UNDONE_FOR
    )
    for _ in range(MOST_UNDONE // AT_ONCE):
        if not undoing.is_working:
            break
        undoing = _undo_some(tx, undoing)
    return undoing


def step(db: Database, begun: ListAct, now: float) -> ListAct | None:
    """Does some more of an act; None for one that is gone. Raises DatabaseError."""
    if begun.state == "undoing":
        return db.write(lambda tx: _undo_step(tx, begun))
    try:
        wanted, ids, cursor = db.read(lambda tx: _next(tx, begun, now))
    except (QueryError, CursorError, ValueError, KeyError):
        ids, cursor, wanted = [], None, ListScope()  # a label that it names is gone: the rest stays as it is

    def work(tx: Connection) -> ListAct | None:
        current = journal.get(tx, None, begun.id)
        if current is None or current.state != "working" or current.cursor != begun.cursor:
            return current
        reached = of_conversations(tx, begun.owner, ids, wanted.reach) if wanted.reach else ids
        done = current.done + changes.apply(tx, current, reached)
        state: ActState = "working" if cursor else "done"
        ends = current.ends_ts if cursor else journal.ends_of(current.action, now)
        return journal.advance(tx, current, done=done, cursor=cursor, state=state, ends_ts=ends)

    return db.write(work)


def work_off(db: Database, now: float) -> int:
    """One round of all that waits: steps, ends, and messages whose time has come; how much was done."""
    steps = 0
    for begun in db.read(journal.waiting):
        step(db, begun, now)
        steps += 1
    for begun in db.read(lambda tx: journal.over(tx, now)):
        db.write(lambda tx, begun=begun: _end(tx, begun, now))  # type: ignore[misc]
        steps += 1
    if db.read(lambda tx: snoozing.is_due(tx, now)):
        steps += db.write(lambda tx: snoozing.wake_due(tx, now))
    return steps


def has_work(tx: Connection, now: float) -> bool:
    """Whether `work_off` would do anything; a few seeks."""
    return journal.has_work(tx, now) or snoozing.is_due(tx, now)


def _next(tx: Connection, begun: ListAct, now: float) -> tuple[ListScope, list[int], str | None]:
    wanted = ListScope.of_json(begun.wanted)
    ids, cursor = scope.page(tx, begun.owner, wanted, now, limit=AT_ONCE, cursor=begun.cursor)
    return wanted, [email_id for email_id in ids if email_id <= begun.newest_id], cursor


def _undo_step(tx: Connection, begun: ListAct) -> ListAct | None:
    current = journal.get(tx, None, begun.id)
    return _undo_some(tx, current) if current is not None and current.state == "undoing" else current


def _undo_some(tx: Connection, begun: ListAct) -> ListAct:
    some = journal.remembered(tx, begun, AT_ONCE)
    for email_id, was in some:
        changes.revert(tx, begun, email_id, was)
        journal.drop(tx, begun, email_id)
    state: ActState = "undoing" if len(some) == AT_ONCE else "undone"
    done = max(0, begun.done - len(some))
    return journal.advance(tx, begun, done=done, cursor=begun.cursor, state=state, ends_ts=begun.ends_ts)


def _end(tx: Connection, begun: ListAct, now: float) -> None:
    """Makes an act final, some messages at a time."""
    current = journal.get(tx, None, begun.id)
    if current is None or current.is_working or current.ends_ts > now:
        return
    if current.action == "delete" and current.state == "done" and changes.erase(tx, current, AT_ONCE) == AT_ONCE:
        return
    some = journal.remembered(tx, current, AT_ONCE * 10)
    for email_id, _ in some:
        journal.drop(tx, current, email_id)
    if len(some) < AT_ONCE * 10:
        journal.forget(tx, current)
