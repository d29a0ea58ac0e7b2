"""What a panel or an administrator wants done to a user: the one door for API, command line and plain SQL.

Each request is a row of `user_changes`, with what came of it: a record of who had what done, and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import mailbox_users
from onifast_shared.accounts.panel_users import check_username
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import deleting, moving, store
from onifast_shared.departed.store import SENSELESS, UserChangeError
from onifast_shared.values import mailbox_accounts

REMOVE, RESTORE, RENAME, PURGE = "remove", "restore", "rename", "purge"


@dataclass(frozen=True)
class UserChangeRequest:
    """`new_name` is where it goes (rename, restore; None for the old name), `departure_id` which of the departures of
    `username` is meant, None for the last. `merge`: see moving.bring_back.
    """

    action: str
    username: str
    asked_by: str
    new_name: str | None = None
    departure_id: int | None = None
    merge: bool = False


@dataclass(frozen=True)
class UserChange:
    """What was done. `departure_id` is None where nothing was there to be set aside.

    `lost` are the addresses that could not be given back, since others have them.
    """

    id: int
    request: UserChangeRequest
    departure_id: int | None = None
    lost: tuple[str, ...] = ()
    problem: str = ""


def make(tx: Connection, request: UserChangeRequest, now: float) -> UserChange:
    """Does what is asked for, but for what there is much of (`moving.finish`). Raises UserChangeError."""
    tx.execute(
        "INSERT INTO user_changes (action, username, new_name, departure_id, asked_by, asked_ts, done_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            request.action, request.username, request.new_name, request.departure_id, request.asked_by, int(now),
            int(now),
        ),
    )  # fmt: skip
    change_id = tx.last_insert_rowid()
    departure_id, lost = _perform(tx, request, now)
    tx.execute("UPDATE user_changes SET departure_id = ? WHERE id = ?", (departure_id, change_id))
    return UserChange(change_id, request, departure_id, tuple(lost))


def done_at_once(database: Database, request: UserChangeRequest, now: float, patience: float) -> UserChange:
    """`make`, and what is left to do for so many seconds. Blocks; raises UserChangeError, DatabaseError."""
    change = database.write(lambda tx: make(tx, request, now))
    moving.finish(database, patience)
    return change


def anything_waits(tx: Connection, told: int) -> bool:
    """Whether something was asked for behind the id `told`, or was begun and is not done."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM user_changes WHERE id > ?)
            OR EXISTS (SELECT 1 FROM user_changes WHERE done_ts IS NULL)
            OR EXISTS (SELECT 1 FROM user_moves) OR EXISTS (SELECT 1 FROM departures WHERE deleting)
    """
    return bool(tx.execute(sql, (told,)).get)


def work_off(database: Database, now: float) -> None:
    """Does what other programs asked for by INSERT, one after another. Blocks; raises DatabaseError."""
    for change_id in database.read(_waiting):
        database.write(lambda tx, change_id=change_id: _work_off(tx, change_id, now))  # type: ignore[misc]


def done_since(tx: Connection, after: int) -> list[UserChange]:
    """What was done, or refused, of the requests behind the id `after`, whoever did it."""
    sql = f"SELECT {_REQUEST}, id, problem FROM user_changes WHERE id > ? AND done_ts IS NOT NULL ORDER BY id"
    found: list[tuple[Any, ...]] = tx.execute(sql, (after,)).fetchall()
    return [UserChange(row[5], UserChangeRequest(*row[:5]), row[4], problem=row[6]) for row in found]


def last_told(tx: Connection) -> int:
    """The id behind which a program that starts tells of requests: those that wait, and what comes then."""
    sql = "SELECT min(id) - 1 FROM user_changes WHERE done_ts IS NULL"
    return int(tx.execute(f"SELECT coalesce(({sql}), (SELECT max(id) FROM user_changes), 0)").get)


def _waiting(tx: Connection) -> list[int]:
    return [int(row[0]) for row in tx.execute("SELECT id FROM user_changes WHERE done_ts IS NULL ORDER BY id")]


_REQUEST = "action, username, asked_by, nullif(new_name, ''), departure_id"


def _work_off(tx: Connection, change_id: int, now: float) -> None:
    row: Any = tx.execute(
        f"SELECT {_REQUEST} FROM user_changes WHERE id = ? AND done_ts IS NULL", (change_id,)
    ).fetchone()
    if row is None:
        return  # another process did it
    request, problem = UserChangeRequest(*row), ""
    departure_id = request.departure_id
    # It waits no more, and so stands in nobody's way, its own included.
    tx.execute("UPDATE user_changes SET done_ts = ? WHERE id = ?", (int(now), change_id))
    tx.execute("SAVEPOINT user_change")
    try:
        departure_id, lost = _perform(tx, request, now)
        problem = _LOST.format(", ".join(lost)) if lost else ""
    except UserChangeError as error:
        problem = str(error)
        tx.execute("ROLLBACK TO user_change")
    tx.execute("RELEASE user_change")
    sql = "UPDATE user_changes SET departure_id = ?, problem = ? WHERE id = ?"
    tx.execute(sql, (departure_id, problem, change_id))


_LOST = "Somebody else has these addresses by now: {}."


def _perform(tx: Connection, request: UserChangeRequest, now: float) -> tuple[int | None, list[str]]:
    """The departure that it is about, and the addresses that were lost. Raises UserChangeError."""
    match request.action:
        case "remove":
            # Whose row is gone by itself; who wants one removed has the call that asks what becomes of the mail.
            if mailbox_accounts.is_mailbox(request.username) and mailbox_users.find(tx, request.username) is None:
                return moving.end_mailbox_user(tx, request.username, request.asked_by, now), []
            return moving.set_aside(tx, _checked(request.username), request.asked_by, now), []
        case "restore":
            departure = _departure(tx, request)
            name = _checked(request.new_name or departure.username)
            return departure.id, moving.bring_back(tx, departure, name, merge=request.merge)
        case "rename":
            moving.rename(tx, _checked(request.username), _new_name(request))
            return None, []
        case "purge":
            departure = _departure(tx, request)
            deleting.begin(tx, departure)
            return departure.id, []
    text = f"No action is called {request.action!r}: there are remove, restore, rename and purge."
    raise UserChangeError(text, SENSELESS)


def _departure(tx: Connection, request: UserChangeRequest) -> store.Departure:
    if request.departure_id is None:
        return store.latest_of(tx, request.username)
    found = store.find(tx, request.departure_id)
    if request.username not in ("", found.username):
        raise UserChangeError(f"Departure {found.id} is of {found.username}, not of {request.username}.", SENSELESS)
    return found


def _new_name(request: UserChangeRequest) -> str:
    if not request.new_name:
        raise UserChangeError("A new name is missing.", SENSELESS)
    if request.new_name == request.username:
        raise UserChangeError(f"The new name is the old one, {request.username}.", SENSELESS)
    return _checked(request.new_name)


def _checked(username: Any) -> str:
    if mailbox_accounts.is_mailbox(username):
        raise UserChangeError(f"{mailbox_accounts.shown(username)} is a mailbox user.", SENSELESS)
    if not isinstance(username, str) or not check_username(username):
        raise UserChangeError(f"{username!r} cannot be the name of a panel user.", SENSELESS)
    return username
