"""Searches that a user keeps under a name, and those that they made lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.search import query as search_query
from onifast_shared.search.query import QueryError

MOST = 50
"""Searches that one user keeps."""

MOST_RECENT = 10
LONGEST_NAME, LONGEST_QUERY = 80, 200


class SavedSearchError(ValueError):
    """A search cannot be kept so. `field` is what is wrong, name or query; the text is a sentence about it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class SavedSearch:
    """A search and its name; `query` is what the user typed."""

    id: int
    name: str
    query: str


def list_all(tx: Connection, owner: str) -> list[SavedSearch]:
    """A user's searches, by name."""
    sql = "SELECT id, name, query FROM saved_searches WHERE owner = ? ORDER BY name COLLATE NOCASE"
    return [SavedSearch(*row) for row in tx.execute(sql, (owner,))]


def save(tx: Connection, owner: str, name: str, text: str, now: float) -> SavedSearch:
    """Keeps a search; one of that name becomes this one. Raises SavedSearchError."""
    name, text = " ".join(name.split()), text.strip()
    if not name or len(name) > LONGEST_NAME:
        raise SavedSearchError("name", f"A name has 1 to {LONGEST_NAME} characters.")
    if not text or len(text) > LONGEST_QUERY:
        raise SavedSearchError("query", f"A search has 1 to {LONGEST_QUERY} characters.")
    try:
        search_query.parse(text, now)
    except QueryError as error:
        raise SavedSearchError("query", str(error)) from None
    others = [each for each in list_all(tx, owner) if each.name.casefold() != name.casefold()]
    if len(others) >= MOST:
        raise SavedSearchError("name", f"There are {MOST} searches already; delete one first.")
    row: tuple[Any, ...] = tx.execute(
        "INSERT INTO saved_searches (owner, name, query, created_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (owner, name COLLATE NOCASE) DO UPDATE SET name = excluded.name, query = excluded.query"
        " RETURNING id, name, query",
        (owner, name, text, int(now)),
    ).fetchall()[0]
    return SavedSearch(*row)


def remove(tx: Connection, owner: str, search_id: int) -> bool:
    """Forgets a search; False where there was no such one of this user."""
    tx.execute("DELETE FROM saved_searches WHERE owner = ? AND id = ?", (owner, search_id))
    return tx.changes() > 0


def recent(tx: Connection, owner: str) -> list[str]:
    """What a user searched for lately, the latest first."""
    sql = "SELECT query FROM recent_searches WHERE owner = ? ORDER BY searched_ts DESC, query LIMIT ?"
    return [str(text) for (text,) in tx.execute(sql, (owner, MOST_RECENT))]


def note(tx: Connection, owner: str, text: str, now: float) -> None:
    """Notes that a user searched for something; the oldest are forgotten."""
    tx.execute(
        "INSERT INTO recent_searches (owner, query, searched_ts) VALUES (?, ?, ?)"
        " ON CONFLICT (owner, query) DO UPDATE SET searched_ts = excluded.searched_ts",
        (owner, text, int(now)),
    )
    tx.execute(
        "DELETE FROM recent_searches WHERE owner = ?1 AND query NOT IN"
        " (SELECT query FROM recent_searches WHERE owner = ?1 ORDER BY searched_ts DESC, query LIMIT ?2)",
        (owner, MOST_RECENT),
    )


def forget_recent(tx: Connection, owner: str) -> int:
    """Forgets what a user searched for lately; returns how many searches that were."""
    tx.execute("DELETE FROM recent_searches WHERE owner = ?", (owner,))
    return tx.changes()
