"""Guessing slowed down: counts of failed logins, by whatever key the caller counts by (address, user, Unix user)."""

from __future__ import annotations

from collections.abc import Iterable

from onifast_shared.db.database import Connection

FREE_FAILURES = 5
"""Failures before a key has to wait."""

FREE_NAMES = 10
"""Names that one place may fail for before it has to wait."""

FREE_FOR_USER = 20
"""Failures for one user, from places that they never logged in from, before all such places have to wait."""

FIRST_WAIT = 10
LONGEST_WAIT_FOR_USER = 160
LONGEST_WAIT = 900
FORGET_AFTER = 3600
"""Seconds after its last failure that a key is forgotten."""


def wait_after(failures: int) -> int:
    """Seconds to wait after so many failures: none for the first few, then 10, 20, 40 … 900."""
    if failures < FREE_FAILURES:
        return 0
    return int(min(FIRST_WAIT * 2 ** min(failures - FREE_FAILURES, 10), LONGEST_WAIT))


def delay_after(failures: int, first: float) -> float:
    """Seconds to let a client wait for the answer to so many wrong passwords: `first`, then twice that … 8 times."""
    return first * (1 << min(max(failures, 1) - 1, 3))


def record_failure(tx: Connection, keys: Iterable[str], now: float) -> int:
    """A login failed for these keys; returns the largest number of failures that one of them has."""
    most = 0
    tx.execute("DELETE FROM auth_failures WHERE last_ts < ?", (int(now) - FORGET_AFTER,))
    for key in keys:
        tx.execute(
            "INSERT INTO auth_failures (key, failures, last_ts) VALUES (?1, 1, ?2)"
            " ON CONFLICT (key) DO UPDATE SET failures = failures + 1, last_ts = ?2",
            (key, int(now)),
        )
        most = max(most, tx.execute("SELECT failures FROM auth_failures WHERE key = ?", (key,)).get)
    return most


def blocked_for(tx: Connection, keys: Iterable[str], now: float) -> int:
    """Seconds until a login with these keys is heard again; 0 for now."""
    longest = 0
    for key in keys:
        row = tx.execute("SELECT failures, last_ts FROM auth_failures WHERE key = ?", (key,)).fetchone()
        if row is not None and row[1] >= now - FORGET_AFTER:
            longest = max(longest, int(row[1]) + wait_after(int(row[0])) - int(now))
    return longest


def sprayer_blocked_for(tx: Connection, place: str, now: float) -> int:
    """Seconds until a place is heard again that failed for many names; 0 for now. Its keys are `<place> <name>`.

    One program with an old password fails for one name, and shuts out nobody else at its address.
    """
    sql = "SELECT count(*), max(last_ts) FROM auth_failures WHERE key >= ? AND key < ? AND last_ts >= ?"
    row = tx.execute(sql, (f"{place} ", f"{place}!", int(now) - FORGET_AFTER)).fetchone()
    names, last = (int(value or 0) for value in row or (0, 0))
    if names < FREE_NAMES:
        return 0
    return max(0, last + wait_after(FREE_FAILURES + names - FREE_NAMES) - int(now))


def record_strangers_failure(tx: Connection, username: str, now: float) -> int:
    """A login as that user failed at an unfamiliar place; returns how many did lately."""
    return record_failure(tx, [_user_key(username)], now)


def user_blocked_for(tx: Connection, username: str, now: float) -> int:
    """Seconds until a login as that user is heard again at unfamiliar places; 0 for now.

    Many addresses can guess for one user. The wait stays short, since the user may be on the way.
    """
    sql = "SELECT failures, last_ts FROM auth_failures WHERE key = ? AND last_ts >= ?"
    row = tx.execute(sql, (_user_key(username), int(now) - FORGET_AFTER)).fetchone()
    failures, last = (int(str(value)) for value in row or (0, 0))
    if failures < FREE_FOR_USER:
        return 0
    wait = wait_after(FREE_FAILURES + failures - FREE_FOR_USER)
    return max(0, last + min(wait, LONGEST_WAIT_FOR_USER) - int(now))


def clear(tx: Connection, keys: Iterable[str]) -> None:
    """A login succeeded: these keys start anew."""
    for key in keys:
        tx.execute("DELETE FROM auth_failures WHERE key = ?", (key,))


def has_failed(tx: Connection, keys: Iterable[str]) -> bool:
    """Whether there is anything to clear, so that an ordinary login writes nothing."""
    sql = "SELECT EXISTS (SELECT 1 FROM auth_failures WHERE key = ?)"
    return any(tx.execute(sql, (key,)).get for key in keys)


def _user_key(username: str) -> str:
    return f"user {username.lower()[:64]}"
