"""The panel's users as administrators see them: who there is, in which state, and what is theirs here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.accounts.panel_users import UserDirectory, UserFileError
from onifast_shared.db.database import Connection
from onifast_shared.departed import store, watching
from onifast_shared.values.paging import MOST_ROWS, Page, cut_by_name

UserState = Literal["active", "disabled", "broken", "missing", "departed"]
"""`broken`: their file is no use; `missing`: it is not there; `departed`: what was theirs is set aside."""


@dataclass(frozen=True)
class UserRow:
    """A user. `since_ts` is when a missing or departed one was first found to be so, in epoch seconds.

    Addresses and domains are their numbers, messages and octets what lies here of their mail.
    """

    username: str
    state: UserState
    is_admin: bool = False
    addresses: int = 0
    domains: int = 0
    messages: int = 0
    octets: int = 0
    since_ts: int | None = None


@dataclass(frozen=True)
class UserFilter:
    """Which users a list has: those in a state, and those that `q` is a part of the name of."""

    state: UserState | None = None
    q: str = ""


def list_page(
    tx: Connection, directory: UserDirectory, wanted: UserFilter, limit: int = MOST_ROWS, cursor: str | None = None
) -> Page[UserRow]:
    """A page of all users, by name; `cursor` is the last name of the page before. It reads the page's users' files.

    Raises UserDirectoryMissing.
    """
    gone = _gone(tx)
    names = sorted({*directory.usernames(), *gone})
    found: list[UserRow] = []
    for name in names[bisect_right(names, cursor or "") :]:
        if wanted.q.lower() not in name.lower():
            continue
        row = _row(tx, directory, name, gone)
        if row is not None and wanted.state in (None, row.state):
            found.append(row)
        if len(found) > limit:
            break
    return cut_by_name(found, limit, lambda row: row.username)


def find(tx: Connection, directory: UserDirectory, username: str) -> UserRow | None:
    """One user, be they here or gone; raises UserDirectoryMissing."""
    return _row(tx, directory, username, _gone(tx))


def _gone(tx: Connection) -> dict[str, UserRow]:
    """Who has no file, as far as that was noticed: who departed, and who is missing."""
    departures = reversed(store.list_all(tx))
    found = {
        each.username: UserRow(
            each.username, "departed", messages=each.messages, octets=each.octets, since_ts=each.departed_ts
        )
        for each in departures
    }
    for each in watching.list_missing(tx):
        found[each.username] = UserRow(each.username, "missing", since_ts=each.since_ts)
    return found


def _row(tx: Connection, directory: UserDirectory, username: str, gone: Mapping[str, UserRow]) -> UserRow | None:
    state: UserState
    is_admin = False
    try:
        user = directory.get(username)
    except UserFileError:
        state = "broken"
    else:
        if user is None and (username not in gone or gone[username].state == "departed"):
            return gone.get(username)
        is_admin = user is not None and user.is_admin
        state = "missing" if user is None else "disabled" if user.disabled else "active"
    owned: Any = tx.execute(_BELONGINGS, (username,)).fetchone()
    addresses, domains, octets, messages = owned
    since = gone[username].since_ts if state == "missing" else None
    return UserRow(username, state, is_admin, addresses, domains, messages, octets, since)


_BELONGINGS = """
    SELECT (SELECT count(*) FROM mail_addresses WHERE owner = ?1),
        (SELECT count(*) FROM domains WHERE owner = ?1),
        coalesce((SELECT bytes FROM mail_usage WHERE scope = 'owner' AND name = ?1), 0),
        coalesce((SELECT messages FROM mail_usage WHERE scope = 'owner' AND name = ?1), 0)
"""
