"""Departed users: what let a user in goes when the panel has removed him, or it would let in the next of his name.

So do the webhooks that he made, which would be told of the next one's mail, and what he chose for his own.

Such a user is refused from the moment that his file is gone. What is kept of him here goes somewhat later: a file may
be away for a moment, while the panel writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.db.database import Connection, Database

PATIENCE = 600
"""Seconds that a user's file must have been gone, at two looks at least."""

_TABLES = ("app_passwords", "api_tokens", "sso_tokens", "web_sessions", "scram_verifiers", "login_places")

# (table, column of the user's name) of what is his beside that. Owners of mail need not be users, and have the latter.
_HIS = (("webhooks", "owner"),)
_CHOSEN = (("suppressions", "owner"), ("correspondents", "owner"), ("user_preferences", "username"))


def sweep(database: Database, users: UserDirectory, now: float) -> list[str]:
    """Looks who has gone; gives the users whose passwords, tokens and sessions were removed.

    Raises UserDirectoryMissing and DatabaseError. A directory without any user looks like one whose disk is not there.
    """
    present = users.usernames()
    if not present:
        return []
    absent = database.read(_known) - set(present)
    if not absent and not database.read(_marked):
        return []
    return database.write(lambda tx: _sweep(tx, absent, now))


def _known(tx: Connection) -> set[str]:
    """Everybody who could get in by something that is kept here, or is told of mail."""
    places = (*((table, "username") for table in _TABLES), *_HIS)
    every = " UNION ".join(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL" for table, column in places)
    return {str(row[0]) for row in tx.execute(every)} - {""}


def _marked(tx: Connection) -> set[str]:
    return {str(row[0]) for row in tx.execute("SELECT username FROM departed_users")}


def _sweep(tx: Connection, absent: Iterable[str], now: float) -> list[str]:
    absent = set(absent)
    for username in _marked(tx) - absent:
        tx.execute("DELETE FROM departed_users WHERE username = ?", (username,))
    for username in absent:
        tx.execute("INSERT OR IGNORE INTO departed_users (username, since_ts) VALUES (?, ?)", (username, int(now)))
    sql = "SELECT username FROM departed_users WHERE since_ts <= ? ORDER BY username"
    gone = [str(row[0]) for row in tx.execute(sql, (int(now) - PATIENCE,)).fetchall()]
    for username in gone:
        _forget(tx, username)
    return gone


def _forget(tx: Connection, username: str) -> None:
    for table in (*_TABLES, "departed_users"):
        tx.execute(f"DELETE FROM {table} WHERE username = ?", (username,))
    for table, column in (*_HIS, *_CHOSEN):
        tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (username,))
