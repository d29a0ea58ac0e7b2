"""The store of filters: the tables `mail_filters` and `filter_log`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.filters import rules
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.rules import LONGEST_NAME, MOST_FILTERS, FilterError, FilterRule
from onifast_shared.values import paging
from onifast_shared.values.paging import Page

KEPT = 1000
"""Lines of an owner's log that are kept."""

_TRIMMED_EVERY = 64


@dataclass(frozen=True)
class FilterDeed:
    """What a filter did: `name` is the label, folder or address that it did it with; `failed` why it could not."""

    do: str
    name: str = ""
    failed: str = ""


@dataclass(frozen=True)
class FilterLogLine:
    """What one filter did with one message; `email_id` is None for one that is not here (any more)."""

    id: int
    email_id: int | None
    filter_id: int
    filter_name: str
    deeds: tuple[FilterDeed, ...]
    sender: str
    subject: str
    logged_ts: int


def list_all(tx: Connection, owner: str) -> list[MailFilter]:
    """An owner's filters in the order in which they are asked."""
    sql = f"{_SELECT} WHERE owner = ? ORDER BY position, id"
    return [found for row in tx.execute(sql, (owner,)) if (found := _filter(row)) is not None]


def active(tx: Connection, owner: str) -> list[MailFilter]:
    """Those of them that are on."""
    sql = f"{_SELECT} WHERE owner = ? AND is_on = 1 ORDER BY position, id"
    return [found for row in tx.execute(sql, (owner,)) if (found := _filter(row)) is not None]


def may_reject(tx: Connection, owner: str) -> bool:
    """Whether an owner has a filter that refuses mail; changes of that count as the directory's."""
    return tx.execute("SELECT 1 FROM mail_filters WHERE owner = ? AND rejects = 1 LIMIT 1", (owner,)).get is not None


def get(tx: Connection, owner: str, filter_id: int) -> MailFilter | None:
    """A filter; None where it does not exist or is somebody else's."""
    row = tx.execute(f"{_SELECT} WHERE id = ? AND owner = ?", (filter_id, owner)).fetchone()
    return None if row is None else _filter(row)


def add(tx: Connection, owner: str, name: str, rule: FilterRule, *, is_on: bool = True, now: float) -> MailFilter:
    """Puts a filter below the others; raises FilterError."""
    name = checked_name(name)
    number, last = tx.execute(
        "SELECT count(*), coalesce(max(position), 0) FROM mail_filters WHERE owner = ?", (owner,)
    ).fetchone() or (0, 0)
    if number >= MOST_FILTERS:
        raise FilterError("name", f"{MOST_FILTERS} filters are the most that one user may have")
    tx.execute(
        "INSERT INTO mail_filters (owner, position, name, is_on, rejects, rule, changed_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (owner, last + 1, name, int(is_on), int(is_on and rule.rejects), rules.stored(rule), int(now)),
    )
    return MailFilter(tx.last_insert_rowid(), owner, last + 1, name, is_on, rule)


def change(
    tx: Connection,
    found: MailFilter,
    *,
    name: str | None = None,
    rule: FilterRule | None = None,
    is_on: bool | None = None,
    now: float,
) -> MailFilter:
    """Changes what is given; raises FilterError."""
    name = found.name if name is None else checked_name(name)
    rule, is_on = rule or found.rule, found.is_on if is_on is None else is_on
    tx.execute(
        "UPDATE mail_filters SET name = ?, is_on = ?, rejects = ?, rule = ?, changed_ts = ? WHERE id = ?",
        (name, int(is_on), int(is_on and rule.rejects), rules.stored(rule), int(now), found.id),
    )
    return MailFilter(found.id, found.owner, found.position, name, is_on, rule)


def remove(tx: Connection, owner: str, filter_id: int) -> bool:
    """Ends a filter; what it did stays in the log. False where there is none."""
    tx.execute("DELETE FROM mail_filters WHERE id = ? AND owner = ?", (filter_id, owner))
    return tx.changes() > 0


def put_in_order(tx: Connection, owner: str, ids: Sequence[int]) -> bool:
    """Has the filters asked in this order; False, and nothing changed, unless it names each of them once."""
    if sorted(ids) != sorted(each.id for each in list_all(tx, owner)):
        return False
    sql = "UPDATE mail_filters SET position = ? WHERE id = ? AND owner = ?"
    tx.executemany(sql, [(place, filter_id, owner) for place, filter_id in enumerate(ids, 1)])
    return True


def checked_name(name: str) -> str:
    """The name as it is kept; raises FilterError."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise FilterError("name", f"1 to {LONGEST_NAME} characters in one line")
    return name


def note(
    tx: Connection,
    fired: MailFilter,
    deeds: Sequence[FilterDeed],
    *,
    email_id: int | None,
    sender: str,
    subject: str,
    now: float,
) -> None:
    """Writes down what a filter did with a message, and forgets the oldest lines of who has many."""
    told = json.dumps([{name: value for name, value in vars(each).items() if value} for each in deeds])
    tx.execute(
        "INSERT INTO filter_log (owner, email_id, filter_id, filter_name, deeds, sender, subject, logged_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (fired.owner, email_id, fired.id, fired.name, told, sender[:320], subject[:200], int(now)),
    )
    tx.execute("UPDATE mail_filters SET times = times + 1, last_ts = ? WHERE id = ?", (int(now), fired.id))
    if tx.last_insert_rowid() % _TRIMMED_EVERY == 0:
        tx.execute(
            "DELETE FROM filter_log WHERE owner = ?1 AND id <="
            " (SELECT id FROM filter_log WHERE owner = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (fired.owner, KEPT),
        )


def log_page(tx: Connection, owner: str, *, limit: int = 50, cursor: str | None = None) -> Page[FilterLogLine]:
    """What an owner's filters did, the latest first; raises CursorError."""
    sql = f"{_SELECT_LOG} WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?"
    found = [_line(row) for row in tx.execute(sql, (owner, paging.below(cursor), limit + 1))]
    return Page(found[:limit], str(found[limit - 1].id) if len(found) > limit else None)


def log_of(tx: Connection, owner: str, email_id: int) -> list[FilterLogLine]:
    """What an owner's filters did with a message, in their order."""
    sql = f"{_SELECT_LOG} WHERE email_id = ? AND owner = ? ORDER BY id LIMIT 50"
    return [_line(row) for row in tx.execute(sql, (email_id, owner))]


def use(tx: Connection, owner: str) -> dict[int, tuple[int, int]]:
    """How often each of an owner's filters has acted, and when it did last, in epoch seconds (0: never)."""
    sql = "SELECT id, times, coalesce(last_ts, 0) FROM mail_filters WHERE owner = ?"
    return {filter_id: (times, last) for filter_id, times, last in tx.execute(sql, (owner,))}


_SELECT = "SELECT id, owner, position, name, is_on, rule FROM mail_filters"
_SELECT_LOG = "SELECT id, email_id, filter_id, filter_name, deeds, sender, subject, logged_ts FROM filter_log"


def _filter(row: Sequence[Any]) -> MailFilter | None:
    """The filter of a row; None for one that this program does not understand, which does nothing."""
    filter_id, owner, position, name, is_on, rule = row
    try:
        return MailFilter(filter_id, owner, position, name, bool(is_on), rules.parse_stored(rule))
    except FilterError:
        return None


def _line(row: Sequence[Any]) -> FilterLogLine:
    line_id, email_id, filter_id, filter_name, deeds, sender, subject, logged_ts = row
    done = tuple(FilterDeed(each["do"], each.get("name", ""), each.get("failed", "")) for each in json.loads(deeds))
    return FilterLogLine(line_id, email_id, filter_id, filter_name, done, sender, subject, logged_ts)
