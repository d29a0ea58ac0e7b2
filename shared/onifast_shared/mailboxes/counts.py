"""How much lies in each folder, and a version that tells whether a list has changed.

The triggers of migration 0013 keep both, whoever writes: counting would cost as much as the mailbox holds. What no
trigger sees (a row replaced by `INSERT OR REPLACE`) is found by `check` and put right by `rebuild`. `owner` None stands
for an administrator, as in `mailbox`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes.mailbox import FOLDERS

EVERYBODY = "*"
"""The owner of the rows that count everybody's mail, but for what is set aside."""


@dataclass(frozen=True)
class FolderCount:
    """How many messages a folder holds, and how many of them are unread."""

    total: int
    unread: int


@dataclass(frozen=True)
class WrongCount:
    """A folder's row that does not say what lies there."""

    owner: str
    folder: str
    kept: FolderCount
    counted: FolderCount


def of(tx: Connection, owner: str | None) -> dict[str, FolderCount]:
    """For each folder how many messages it holds, and how many of them are unread."""
    rows = tx.execute("SELECT folder, total, unread FROM folder_counts WHERE owner = ?", (_key(owner),))
    found = {str(row[0]): FolderCount(max(0, row[1]), max(0, row[2])) for row in rows}
    return {folder: found.get(folder, _NOTHING) for folder in FOLDERS}


def version(tx: Connection, owner: str | None, folder: str | None = None) -> str:
    """Another text once a list of this folder (of any, for None) would show anything else of `emails`."""
    sql = "SELECT total(version) FROM folder_counts WHERE owner = ?1 AND (?2 IS NULL OR folder = ?2)"
    return f"{tx.execute(sql, (_key(owner), folder)).get:.0f}"


def reader_version(tx: Connection, owner: str | None) -> str:
    """Another text once other messages would be doubtful: by whom their reader knows, or by their own addresses."""
    known = "SELECT version FROM correspondents_versions WHERE owner = ?"
    directory = tx.execute("SELECT version FROM directory_version").get
    return f"{tx.execute(known, (owner,)).get or 0}.{directory}" if owner is not None else ""


def owners(tx: Connection, after: str, limit: int = 500) -> list[str]:
    """The next names of those who have messages or counts, in their order; '' is nobody's."""
    sql = """
        WITH RECURSIVE
            mailed (owner) AS (
                SELECT min(owner) FROM emails WHERE owner > ?1
                UNION ALL SELECT (SELECT min(owner) FROM emails WHERE owner > mailed.owner) FROM mailed
                WHERE mailed.owner IS NOT NULL LIMIT ?2
            ),
            counted (owner) AS (
                SELECT min(owner) FROM folder_counts WHERE owner > ?1
                UNION ALL SELECT (SELECT min(owner) FROM folder_counts WHERE owner > counted.owner) FROM counted
                WHERE counted.owner IS NOT NULL LIMIT ?2
            )
        SELECT owner FROM mailed WHERE owner IS NOT NULL
        UNION SELECT owner FROM counted WHERE owner IS NOT NULL
        ORDER BY 1 LIMIT ?2
    """
    return [str(row[0]) for row in tx.execute(sql, (after, limit))]


def check(db: Database) -> Iterator[WrongCount]:
    """Counts what everybody has, and tells what is kept otherwise. Raises DatabaseError."""
    for owner in _everybody(db):
        yield from db.read(lambda tx, owner=owner: _wrong(tx, owner))  # type: ignore[misc]
    yield from db.read(lambda tx: _wrong(tx, EVERYBODY))


def rebuild(db: Database) -> list[WrongCount]:
    """Puts right what `check` finds, one owner at a time; what that was. Raises DatabaseError."""
    found = list[WrongCount]()
    for owner in _everybody(db):
        # Most are right, and to read that holds nobody up.
        if db.read(lambda tx, owner=owner: _wrong(tx, owner)):  # type: ignore[misc]
            found += db.write(lambda tx, owner=owner: _mend(tx, owner))  # type: ignore[misc]
    if db.read(lambda tx: _wrong(tx, EVERYBODY)):
        found += db.write(lambda tx: _mend(tx, EVERYBODY))
    return found


_NOTHING = FolderCount(0, 0)
_COUNTED = """
    SELECT coalesce(folder, ''), count(*), CAST(count(*) - total(is_read <> 0) AS INTEGER)
    FROM emails WHERE owner IS ?1 GROUP BY 1
"""
# By construction: what each has is compared with the messages, and this with what each has.
_COUNTED_ALL = """
    SELECT folder, sum(total), sum(unread) FROM folder_counts
    WHERE owner <> '*' AND owner NOT GLOB '~*' GROUP BY folder
"""


def _key(owner: str | None) -> str:
    return EVERYBODY if owner is None else owner


def _everybody(db: Database) -> Iterator[str]:
    yield ""
    after = ""
    while names := db.read(lambda tx, after=after: owners(tx, after)):  # type: ignore[misc]
        yield from (name for name in names if name != EVERYBODY)
        after = names[-1]


def _wrong(tx: Connection, owner: str) -> list[WrongCount]:
    kept = _counts(tx, "SELECT folder, total, unread FROM folder_counts WHERE owner = ?", (owner,))
    counted = _counts(tx, _COUNTED_ALL, ()) if owner == EVERYBODY else _counts(tx, _COUNTED, (owner or None,))
    if not owner:
        for folder, more in _counts(tx, _COUNTED, ("",)).items():
            of_null = counted.get(folder, _NOTHING)
            counted[folder] = FolderCount(of_null.total + more.total, of_null.unread + more.unread)
    return [
        WrongCount(owner, folder, kept.get(folder, _NOTHING), counted.get(folder, _NOTHING))
        for folder in sorted(kept.keys() | counted.keys())
        if kept.get(folder, _NOTHING) != counted.get(folder, _NOTHING)
    ]


def _mend(tx: Connection, owner: str) -> list[WrongCount]:
    wrong = _wrong(tx, owner)
    sql = """
        INSERT INTO folder_counts (owner, folder, total, unread, version) VALUES (?1, ?2, ?3, ?4, 1)
        ON CONFLICT (owner, folder) DO UPDATE SET total = ?3, unread = ?4, version = version + 1
    """
    tx.executemany(sql, [(owner, each.folder, each.counted.total, each.counted.unread) for each in wrong])
    return wrong


def _counts(tx: Connection, sql: str, values: tuple[Any, ...]) -> dict[str, FolderCount]:
    return {str(row[0]): FolderCount(int(row[1]), int(row[2])) for row in tx.execute(sql, values)}
