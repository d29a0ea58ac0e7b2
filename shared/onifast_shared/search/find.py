"""Finds mail: an owner's newest volumes first, and no more of them than a page needs."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import counts, labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.search import conditions, highlight
from onifast_shared.search.conditions import Condition, Plan
from onifast_shared.search.highlight import Excerpt
from onifast_shared.search.index import SLOT_BITS
from onifast_shared.search.query import ANYWHERE, And, Node, Not, Or, Place, QueryError, parse
from onifast_shared.values.paging import CursorError
from onifast_shared.values.set_aside import LIVE

MOST_VOLUMES = 200
"""Volumes below the cursor that one page looks into: those that are older are looked into for the next one."""

MOST_RANKED = 1000
"""How many of the newest messages that were found are put in the order of rank."""

MOST_FEW = 500
"""Messages in a folder up to which these are asked for the words, instead of the words for the folder."""

_WEIGHTS = "6.0, 2.0, 1.0, 4.0, 1.0, 2.0, 1.0"  # of the columns of `mail_words`, for bm25
_SAME_MESSAGE = "e.owner IS ? AND e.received_ts = d.received_ts AND e.id = d.email_id"
_LIVE = LIVE.replace("owner", "e.owner")
_BEYOND = (1 << 62, 1 << 62)

Key = tuple[int, int]
"""When a message came, and its id."""


@dataclass(frozen=True)
class Wanted:
    """What is looked for: the text that was typed, where, and in which order.

    `folder` None is every folder; `in:` in the text says otherwise. Without an `owner`, everybody's mail. `also` has to
    hold besides, and is not shown as what was found.
    """

    owner: str | None
    text: str
    folder: str | None = None
    by_rank: bool = False
    also: tuple[Node, ...] = ()


@dataclass(frozen=True)
class FoundMessage:
    """A message that was found, and what is shown of it."""

    row: EmailRow
    excerpt: Excerpt


@dataclass(frozen=True)
class SearchPage:
    """Some of what was found. `next_cursor` leads on, None at the end; a page may have less than was asked for.

    `incomplete_before` is an epoch second: of older messages not all words are known yet; None where they are.
    """

    found: list[FoundMessage]
    next_cursor: str | None
    incomplete_before: int | None


def page(tx: Connection, wanted: Wanted, now: float, *, limit: int = 50, cursor: str | None = None) -> SearchPage:
    """A page of what was found; raises QueryError for what is not understood, CursorError for a foreign cursor."""
    node = parse(wanted.text, now)
    search = _search(tx, wanted, node)
    keys, next_cursor = search.ranked(limit, cursor) if wanted.by_rank else search.newest(limit, cursor)
    pattern = highlight.pattern(node)
    rows = mailbox.get_some(tx, wanted.owner, [email_id for _, email_id in keys])
    found = [FoundMessage(row, highlight.excerpt(tx, row, pattern)) for row in rows]
    incomplete = _incomplete_before(tx, wanted.owner, now) if search.needs_index else None
    return SearchPage(found, next_cursor, incomplete)


def ids(
    tx: Connection, wanted: Wanted, now: float, *, limit: int, cursor: str | None = None
) -> tuple[list[int], str | None]:
    """The messages of a page alone, newest first, and the next cursor; raises what `page` does."""
    node = parse(wanted.text, now)
    search = _search(tx, wanted, node)
    keys, next_cursor = search.newest(limit, cursor)
    return [email_id for _, email_id in keys], next_cursor


def _search(tx: Connection, wanted: Wanted, node: Node) -> _Search:
    parts = [*(node.parts if isinstance(node, And) else (node,)), *wanted.also]
    if wanted.folder is not None and not _names_folder(node):
        parts.append(Place("folder", wanted.folder))
    plan = conditions.plan(And(tuple(parts)), lambda place: _place(tx, wanted.owner, place))
    return _Search(tx, wanted.owner, plan, _few(tx, wanted.owner, parts) if plan.lead is not None else None)


class _Search:
    """One search in one snapshot."""

    def __init__(self, tx: Connection, owner: str | None, plan: Plan, few: Mapping[int, list[int]] | None) -> None:
        """`few` are by volume the documents that come into question, where these are few."""
        self._tx = tx
        self._owner = owner
        self._plan = plan
        self._few = few

    @property
    def needs_index(self) -> bool:
        """Whether words are looked for."""
        return self._plan.needs_index

    def newest(self, limit: int, cursor: str | None) -> tuple[list[Key], str | None]:
        """The newest keys below the cursor, and the next cursor."""
        below = _parse_cursor(cursor)
        if not self._plan.needs_index:
            return _cut(self._by_time(limit + 1, below), limit)
        found, looked = list[Key](), 0
        for volume, last in self._volumes(below):
            if looked >= MOST_VOLUMES:
                return self._unfinished(found, last, limit)
            found = heapq.nlargest(limit + 1, [*found, *self._in_volume(volume, limit + 1, below)])
            looked += last < below  # those that the cursor lies in are looked into for every page
            if len(found) > limit and found[limit] > self._next_volume(last, volume):
                break
        return _cut(found, limit)

    def ranked(self, limit: int, cursor: str | None) -> tuple[list[Key], str | None]:
        """The best of the newest keys; the cursor is a place in this order."""
        start = _parse_place(cursor)
        if self._plan.lead is None:
            raise QueryError("Only what is found by its words has a rank: add a word, or sort by date.")
        found = list[tuple[float, Key]]()
        for looked, (volume, _) in enumerate(self._volumes(_BEYOND)):
            if looked >= MOST_VOLUMES or len(found) >= MOST_RANKED:
                break
            found += self._scores(volume, MOST_RANKED - len(found))
        best = [key for _, key in sorted(found, key=lambda each: (each[0], -each[1][0], -each[1][1]))]
        keys = best[start : start + limit]
        return keys, f"r{start + limit}" if len(best) > start + limit else None

    def _unfinished(self, found: list[Key], last: Key, limit: int) -> tuple[list[Key], str | None]:
        """What is newer than all that was not looked into."""
        sure = [key for key in found if key > last][:limit]
        return sure, _cursor((last[0], last[1] + 1) if len(sure) < limit else sure[-1])

    def _volumes(self, below: Key) -> Iterator[tuple[tuple[Any, ...], Key]]:
        """The volumes that may have something below a key, the newest first, each with its newest key."""
        where, bind = ("1", ()) if self._owner is None else ("owner = ?", (self._owner,))
        sql = f"""
            SELECT id, owner, in_order, last_ts, last_id FROM search_volumes
            WHERE {where} AND (first_ts, first_id) < (?, ?) ORDER BY last_ts DESC, last_id DESC
        """
        for row in self._tx.execute(sql, (*bind, *below)):
            if self._few is None or row[0] in self._few:
                yield row, (row[3], row[4])

    def _next_volume(self, last: Key, volume: tuple[Any, ...]) -> Key:
        """The newest key of the volumes after this one."""
        where, bind = ("1", ()) if self._owner is None else ("owner = ?", (self._owner,))
        sql = f"""
            SELECT last_ts, last_id FROM search_volumes WHERE {where} AND (last_ts, last_id) <= (?, ?) AND id <> ?
            ORDER BY last_ts DESC, last_id DESC LIMIT 1
        """
        row = self._tx.execute(sql, (*bind, *last, volume[0])).fetchone()
        return (row[0], row[1]) if row else (-1, -1)

    def _in_volume(self, volume: tuple[Any, ...], limit: int, below: Key) -> list[Key]:
        if self._few is not None:
            return self._of_few(int(volume[0]), limit, below)
        source, where, bind = self._source(volume)
        order = "d.received_ts DESC, d.email_id DESC"
        if volume[2]:
            order = "d.id DESC" if self._plan.lead is None else "w.rowid DESC"
        sql = f"""
            SELECT d.received_ts, d.email_id FROM {source}
            WHERE {where} AND (d.received_ts, d.email_id) < (?, ?) ORDER BY {order} LIMIT ?
        """
        return _keys(self._tx.execute(sql, (*bind, *below, limit)))

    def _of_few(self, number: int, limit: int, below: Key) -> list[Key]:
        """Of the few, those of a volume that fit."""
        rest, more = self._plan.where(number)
        sql = f"""
            SELECT d.received_ts, d.email_id
            FROM search_documents d CROSS JOIN emails e INDEXED BY emails_time ON {_SAME_MESSAGE}
            WHERE d.id IN (SELECT value FROM json_each(?))
              AND d.id IN (SELECT rowid FROM mail_words WHERE mail_words MATCH ?)
              AND ({rest}) AND (d.received_ts, d.email_id) < (?, ?)
            ORDER BY d.received_ts DESC, d.email_id DESC LIMIT ?
        """
        few = json.dumps((self._few or {})[number])
        return _keys(self._tx.execute(sql, (self._owner, few, self._plan.match(number), *more, *below, limit)))

    def _scores(self, volume: tuple[Any, ...], limit: int) -> list[tuple[float, Key]]:
        source, where, bind = self._source(volume)
        sql = f"""
            SELECT bm25(mail_words, {_WEIGHTS}), d.received_ts, d.email_id FROM {source}
            WHERE {where} ORDER BY w.rowid DESC LIMIT ?
        """
        return [(score, (ts, email_id)) for score, ts, email_id in self._tx.execute(sql, (*bind, limit))]

    def _source(self, volume: tuple[Any, ...]) -> tuple[str, str, list[Any]]:
        """Tables, condition and what is bound, for the messages of a volume."""
        number, owner = int(volume[0]), volume[1] or None
        joined = f"emails e INDEXED BY emails_time ON {_SAME_MESSAGE}"
        match, (rest, more) = self._plan.match(number), self._plan.where(number)
        if match is not None:
            source = f"mail_words w CROSS JOIN search_documents d ON d.id = w.rowid CROSS JOIN {joined}"
            where, bind = "w.mail_words MATCH ?", [owner, match]
        else:
            source = f"search_documents d CROSS JOIN {joined}"
            where, bind = "d.id BETWEEN ? AND ?", [owner, number << SLOT_BITS, (number + 1 << SLOT_BITS) - 1]
        # Who looks at everybody's mail does not look at what is set aside.
        live = f" AND {_LIVE}" if self._owner is None else ""
        return source, f"{where} AND ({rest}){live}", [*bind, *more]

    def _by_time(self, limit: int, below: Key) -> list[Key]:
        """What is found without any words: straight from the rows, the newest first."""
        rest, bind = self._plan.where(0)
        if self._owner is not None:
            sql = f"""
                SELECT e.received_ts, e.id FROM emails e INDEXED BY emails_time
                WHERE e.owner = ? AND ({rest}) AND (e.received_ts, e.id) < (?, ?)
                ORDER BY e.received_ts DESC, e.id DESC LIMIT ?
            """
            return _keys(self._tx.execute(sql, (self._owner, *bind, *below, limit)))
        found = list[Key]()
        for folder in FOLDERS:
            sql = f"""
                SELECT e.received_ts, e.id FROM emails e INDEXED BY emails_all
                WHERE e.folder = ? AND {_LIVE} AND ({rest}) AND (e.received_ts, e.id) < (?, ?)
                ORDER BY e.received_ts DESC, e.id DESC LIMIT ?
            """
            found += _keys(self._tx.execute(sql, (folder, *bind, *below, limit)))
        return heapq.nlargest(limit, found)


def _keys(rows: Iterable[Any]) -> list[Key]:
    return [(received_ts, email_id) for received_ts, email_id in rows]


def _cut(found: list[Key], limit: int) -> tuple[list[Key], str | None]:
    return found[:limit], _cursor(found[limit - 1]) if len(found) > limit else None


def _cursor(key: Key) -> str:
    return f"{key[0]}-{key[1]}"


def _parse_cursor(cursor: str | None) -> Key:
    if not cursor:
        return _BEYOND
    match = re.fullmatch(r"(\d{1,12})-(\d{1,15})", cursor)
    if match is None:
        raise CursorError(cursor)
    return int(match[1]), int(match[2])


def _parse_place(cursor: str | None) -> int:
    match = re.fullmatch(r"r(\d{1,4})", cursor or "r0")
    if match is None:
        raise CursorError(str(cursor))
    return int(match[1])


def _few(tx: Connection, owner: str | None, parts: Iterable[Node]) -> dict[int, list[int]] | None:
    """The documents of a folder that has to be the message's, by volume; None where there are more than MOST_FEW."""
    names = {part.value.lower() for part in parts if isinstance(part, Place) and part.name == "folder"} & set(FOLDERS)
    folder = min(names, default="")
    if owner is None or not folder or counts.of(tx, owner)[folder].total > MOST_FEW:
        return None
    sql = """
        SELECT d.id FROM emails e INDEXED BY emails_page CROSS JOIN search_documents d ON d.email_id = e.id
        WHERE e.owner = ? AND e.folder = ?
    """
    found: dict[int, list[int]] = {}
    for (document_id,) in tx.execute(sql, (owner, folder)):
        found.setdefault(int(str(document_id)) >> SLOT_BITS, []).append(int(str(document_id)))
    return found


def _names_folder(node: Node) -> bool:
    if isinstance(node, And | Or):
        return any(map(_names_folder, node.parts))
    return _names_folder(node.part) if isinstance(node, Not) else isinstance(node, Place) and node.name == "folder"


def _place(tx: Connection, owner: str | None, place: Place) -> Condition:
    """The condition that a message lies in a folder, or has a label; raises QueryError where there is none of them."""
    name = place.value.lower()
    if place.name == "folder" and name in (ANYWHERE, "all"):
        return "1", ()
    if place.name == "folder" and name in FOLDERS:
        return "e.folder = ?", (name,)
    if owner is None:
        raise QueryError(f"Labels and own folders are a user's: {place.value!r} is to be looked for as a user.")
    label = labels.find(tx, owner, place.value)
    if label is None or (place.name == "folder" and not label.is_folder):
        raise QueryError(_no_such_place(tx, owner, place))
    return "EXISTS (SELECT 1 FROM email_labels l WHERE l.email_id = e.id AND l.label_id = ?)", (label.id,)


def _no_such_place(tx: Connection, owner: str, place: Place) -> str:
    found = labels.list_all(tx, owner)
    if place.name == "folder":
        names = [*FOLDERS, ANYWHERE, *(each.name for each in found if each.is_folder)]
    else:
        names = [each.name for each in found]
    if not names:
        return f"There is no {place.name} “{place.value}”, nor any other."
    return (
        f"There is no {place.name} “{place.value}”. There {'is' if len(names) == 1 else 'are'} {', '.join(names[:20])}."
    )


def _incomplete_before(tx: Connection, owner: str | None, now: float) -> int | None:
    row = tx.execute("SELECT position, form FROM search_progress").fetchone()
    position, form = (int(str(row[0])), str(row[1])) if row else (0, "")
    if not form:
        newest: Any = int(now)  # the index is being emptied
    elif position:
        newest = tx.execute("SELECT received_ts FROM emails WHERE id <= ? ORDER BY id DESC LIMIT 1", (position,)).get
    else:
        return None
    # Everybody's oldest message is the one with the lowest id, more or less; no index has them by time.
    mine, order, bind = ("1", "id", ()) if owner is None else ("owner = ?", "received_ts", (owner,))
    oldest = tx.execute(f"SELECT received_ts FROM emails WHERE {mine} ORDER BY {order} LIMIT 1", bind).get
    return int(newest) + 1 if newest is not None and oldest is not None and oldest <= newest else None
