"""Login places: where users have logged in from: what clients there can do, and who is known there.

A place is an address, a network of 64 bits with IPv6, or `unix:NAME` for a Unix user of this machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection

KNOWN_FOR = 90 * 86400
"""Seconds after a user's last login from there that a place is still one of theirs."""

SEEN_INTERVAL = 3600
"""Seconds within which a login from the same place is not written again."""

FAILED_FOR = 2 * 86400
"""Seconds that a failed login by SCRAM counts at its place, unless one succeeds there: jobs come once a day."""

MOST_USERS = 8
"""Users of one place that are looked at, the latest ones."""

_NOBODY = ""


@dataclass(frozen=True)
class Regular:
    """A user who logs in from a place; `by_panel` where they used the panel password."""

    username: str
    by_panel: bool


@dataclass(frozen=True)
class Habits:
    """What is known of a place: who logs in there, and whether SCRAM failed there since."""

    regulars: tuple[Regular, ...]
    scram_failed: bool


def habits(tx: Connection, place: str, now: float) -> Habits:
    """What is known of a place."""
    sql = """
        SELECT username, by_panel, last_ts FROM login_places WHERE place = ? AND last_ts >= ?
        ORDER BY username <> ?, last_ts DESC LIMIT ?
    """
    rows = tx.execute(sql, (place, int(now) - KNOWN_FOR, _NOBODY, MOST_USERS + 1)).fetchall()
    failed = any(row[0] == _NOBODY and int(str(row[2])) >= now - FAILED_FOR for row in rows)
    regulars = (Regular(str(row[0]), bool(row[1])) for row in rows if row[0] != _NOBODY)
    return Habits(tuple(regulars), failed)


def is_known(tx: Connection, place: str, username: str, now: float) -> bool:
    """Whether that user has logged in from there."""
    sql = "SELECT EXISTS (SELECT 1 FROM login_places WHERE place = ? AND username = ? AND last_ts >= ?)"
    return bool(username) and bool(tx.execute(sql, (place, username, int(now) - KNOWN_FOR)).get)


def is_news(tx: Connection, place: str, username: str, by_panel: bool, now: float) -> bool:
    """Whether a login is worth a write."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM login_places WHERE place = ? AND username = ? AND by_panel >= ? AND last_ts > ?)"
    )
    if not tx.execute(sql, (place, username, int(by_panel), int(now) - SEEN_INTERVAL)).get:
        return True
    return habits(tx, place, now).scram_failed


def note_login(tx: Connection, place: str, username: str, by_panel: bool, now: float) -> None:
    """A user logged in from there: whatever failed by SCRAM there is forgotten."""
    sql = """
        INSERT INTO login_places (place, username, by_panel, last_ts) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (place, username) DO UPDATE SET by_panel = max(by_panel, ?3), last_ts = ?4
    """
    tx.execute(sql, (place, username, int(by_panel), int(now)))
    tx.execute("DELETE FROM login_places WHERE place = ? AND username = ?", (place, _NOBODY))


def note_scram_failure(tx: Connection, place: str, now: float) -> None:
    """A login by SCRAM failed there, whoever it was and whyever."""
    sql = """
        INSERT INTO login_places (place, username, last_ts) VALUES (?1, ?2, ?3)
        ON CONFLICT (place, username) DO UPDATE SET last_ts = ?3
    """
    tx.execute(sql, (place, _NOBODY, int(now)))


def sweep(tx: Connection, now: float) -> None:
    """Forgets places of long ago."""
    tx.execute("DELETE FROM login_places WHERE last_ts < ?", (int(now) - KNOWN_FOR,))
    tx.execute("DELETE FROM login_places WHERE last_ts < ? AND username = ?", (int(now) - FAILED_FOR, _NOBODY))
