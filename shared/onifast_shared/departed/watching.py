"""Finds out who is gone: whose file is not in the panel's users/ any more, for long enough, and not one of many.

A file may be away for a moment, while the panel writes it anew; a directory that is not mounted is empty; a backup
comes back one file at a time. So a user departs only when no look within `PATIENCE` found the file, by the boot clock,
which no change of the date moves; a look that could not read the directory does not count. Where many vanish at once,
none of them departs before an administrator confirms it, however many have come back meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import moving
from onifast_shared.departed.store import BootTime

PATIENCE = 600
"""Seconds from the first look without a user's file to the one that lets them depart."""

MOST_AT_ONCE = 10
"""Users who may be missing at the same time without anybody's confirmation, if they are no more than a tenth of all."""

BY_SWEEP = "sweep"


@dataclass(frozen=True)
class Missing:
    """A user whose file was not there at the last look. `is_held`: they depart only if an administrator confirms."""

    username: str
    since_ts: int
    is_held: bool
    confirmed_by: str | None

    @property
    def waits(self) -> bool:
        """Whether nobody has confirmed it yet."""
        return self.is_held and self.confirmed_by is None


@dataclass(frozen=True)
class Look:
    """What a look found. `departed` are names and departures' numbers (None: they had nothing); `held` all who wait."""

    missing: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    departed: tuple[tuple[str, int | None], ...] = ()
    newly_held: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seen:
    username: str
    since_ts: int | None
    boot_id: str | None
    ms: int | None
    is_held: bool
    confirmed_by: str | None

    def is_due(self, clock: BootTime) -> bool:
        waited = self.ms is not None and self.boot_id == clock.boot_id and clock.ms - self.ms >= PATIENCE * 1000
        return waited and (not self.is_held or self.confirmed_by is not None)


def look(database: Database, users: UserDirectory, clock: BootTime, now: float) -> Look:
    """Looks once, and lets those depart whose time has come. Blocks.

    Raises UserDirectoryMissing and DatabaseError.
    """
    present = frozenset(users.usernames())
    seen = database.read(_all_seen)
    absent = {name for name in seen if name not in present and users.is_gone(name)}
    if _is_quiet(seen, present, absent):
        return Look()
    found = database.write(lambda tx: _note(tx, present, absent, clock, now))
    due = [name for name in database.read(lambda tx: _due(tx, clock)) if name in absent]
    departed = []
    for name in due:
        # The file may have come back while others departed.
        if users.is_gone(name):
            gone = database.write(lambda tx, name=name: _depart(tx, name, clock, now))  # type: ignore[misc]
            departed += [(name, gone[1])] if gone[0] else []
    return Look(found.missing, found.returned, tuple(departed), found.newly_held, found.held)


def list_missing(tx: Connection) -> list[Missing]:
    """Users whose files were not there at the last look."""
    rows = (each for each in _all_seen(tx).values() if each.since_ts is not None)
    return [Missing(each.username, each.since_ts or 0, each.is_held, each.confirmed_by) for each in rows]


def confirm(tx: Connection, usernames: Iterable[str], by: str) -> list[str]:
    """Lets users depart who vanished with many others; returns those who are missing and waited for that."""
    sql = """
        UPDATE seen_users SET confirmed_by = ?
        WHERE username = ? AND missing_since_ts IS NOT NULL AND held AND confirmed_by IS NULL
    """
    confirmed = []
    for username in dict.fromkeys(usernames):
        tx.execute(sql, (by, username))
        if tx.changes():
            confirmed.append(username)
    return confirmed


def waiting(tx: Connection) -> list[str]:
    """Those who depart only if an administrator confirms it."""
    return [each.username for each in list_missing(tx) if each.waits]


def _is_quiet(seen: Mapping[str, _Seen], present: Collection[str], absent: Collection[str]) -> bool:
    return not absent and len(seen) == len(present) and all(each.since_ts is None for each in seen.values())


def _all_seen(tx: Connection) -> dict[str, _Seen]:
    sql = """
        SELECT username, missing_since_ts, missing_boot, missing_ms, held, confirmed_by FROM seen_users
        ORDER BY username
    """
    return {row[0]: _seen(row) for row in tx.execute(sql)}


def _seen(row: tuple[Any, ...]) -> _Seen:
    return _Seen(row[0], row[1], row[2], row[3], bool(row[4]), row[5])


def _note(tx: Connection, present: Collection[str], absent: Collection[str], clock: BootTime, now: float) -> Look:
    """Writes down who is there and who is not, and holds those who vanished with many."""
    seen = _all_seen(tx)
    new = [(name,) for name in present if name not in seen]
    tx.executemany("INSERT OR IGNORE INTO seen_users (username) VALUES (?)", new)
    returned = [name for name in seen if name in present and seen[name].since_ts is not None]
    tx.executemany(f"UPDATE seen_users SET {_THERE} WHERE username = ?", [(name,) for name in returned])
    missing = [name for name in seen if name in absent and seen[name].since_ts is None]
    elsewhere = [name for name in seen if name in absent and seen[name].boot_id != clock.boot_id]
    mark = """
        UPDATE seen_users SET missing_since_ts = coalesce(missing_since_ts, ?), missing_boot = ?, missing_ms = ?
        WHERE username = ?
    """
    tx.executemany(mark, [(int(now), clock.boot_id, clock.ms, name) for name in elsewhere])
    held = _hold(tx, len(seen), present)
    return Look(tuple(missing), tuple(returned), newly_held=tuple(held), held=tuple(waiting(tx)))


def _hold(tx: Connection, total: int, present: Collection[str]) -> list[str]:
    """Holds all who are missing if they are too many at once; returns those who were not held yet."""
    doubtful = [each for each in _all_seen(tx).values() if each.since_ts is not None and each.confirmed_by is None]
    if present and not is_too_many(len(doubtful), total):
        return []
    newly = [each.username for each in doubtful if not each.is_held]
    tx.executemany("UPDATE seen_users SET held = 1 WHERE username = ?", [(name,) for name in newly])
    return newly


def is_too_many(vanished: int, users: int) -> bool:
    """Whether so many of all users are not believed to have gone at once. One alone is."""
    return vanished > 1 and (vanished > MOST_AT_ONCE or vanished * 10 > users)


def _due(tx: Connection, clock: BootTime) -> list[str]:
    return [each.username for each in _all_seen(tx).values() if each.is_due(clock)]


def _depart(tx: Connection, username: str, clock: BootTime, now: float) -> tuple[bool, int | None]:
    """Whether they depart now, and the departure's number. Another process may have seen them, or seen to it."""
    seen = _all_seen(tx).get(username)
    if seen is None or not seen.is_due(clock):
        return False, None
    asked_by = f"{BY_SWEEP}, confirmed by {seen.confirmed_by}" if seen.confirmed_by else BY_SWEEP
    return True, moving.set_aside(tx, username, asked_by, now, seen.since_ts)


_THERE = "missing_since_ts = NULL, missing_boot = NULL, missing_ms = NULL, held = 0, confirmed_by = NULL"
