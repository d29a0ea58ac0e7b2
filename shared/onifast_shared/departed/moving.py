"""Moves all that is a user's to another name: aside when they go, back when they return, along when they are renamed.

A move begins in one transaction, which ends the logins and says where mail goes from then on. What there may be much of
follows some rows at a time; a row of `user_moves` stands until that is done, and whoever finds it goes on. Until then
nobody gets in under the old name (`store.is_moving`), so nobody sees a part.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import mailbox_users
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import store
from onifast_shared.departed.belongings import DIRECTORY, ENDED, FEW, MANY, Column, OwnedTable
from onifast_shared.departed.store import SENSELESS, Departure, UserChangeError
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.set_aside import SET_ASIDE, is_set_aside

AT_ONCE = 500
"""Rows that one transaction moves."""

WINDOW = 20_000
"""Rows that one look goes through where no index leads to a user's."""

_LAST = 2**63 - 1
_OCCUPYING = ("emails", "outbox", "suppressions", "app_passwords", "api_tokens", "webhooks")


@dataclass(frozen=True)
class Move:
    """A move under way. `through` is, by table, the last row that belongs to it."""

    id: int
    source: str
    target: str
    through: Mapping[str, int]

    @property
    def is_elsewhere(self) -> bool:
        """Whether it leads to another user, with another home."""
        return _username(self.source) != _username(self.target)


def set_aside(tx: Connection, username: str, asked_by: str, now: float, missing_since: int | None = None) -> int | None:
    """Begins to set aside all that is a user's; returns the departure's number, None if they had nothing.

    Their mailbox users go along, each with a departure of their own.
    """
    if not has_anything(tx, username):
        _end(tx, username)
        return None
    mailboxes = mailbox_users.accounts_of(tx, username)
    departure_id = _set_aside(tx, username, asked_by, now, missing_since)
    for account in mailboxes:
        end_mailbox_user(tx, account, asked_by, now)
    return departure_id


def end_mailbox_user(tx: Connection, account: str, asked_by: str, now: float) -> int:
    """Begins to set aside all that is a mailbox user's; returns the departure's number."""
    departure_id = _set_aside(tx, account, asked_by, now, None)
    mailbox_users.end(tx, account, store.set_aside_name(departure_id, account), now)
    return departure_id


def hand_over(tx: Connection, account: str, owner: str, now: float) -> None:
    """Begins to give a mailbox user's mail, and what goes with it, to their panel user, and ends them.

    What lets them in, or was theirs alone to choose, goes to nobody.
    """
    _drop_what_was_personal(tx, account)
    _begin(tx, account, owner, _newest(tx))
    mailbox_users.end(tx, account, owner, now)


def _set_aside(tx: Connection, username: str, asked_by: str, now: float, missing_since: int | None) -> int:
    tx.execute(
        "INSERT INTO departures (username, departed_ts, asked_by, missing_since_ts) VALUES (?, ?, ?, ?)",
        (username, int(now), asked_by, missing_since),
    )
    departure_id = tx.last_insert_rowid()
    target = store.set_aside_name(departure_id, username)
    for entry in DIRECTORY:
        _take_away(tx, entry, username, departure_id)
    _end_webhook_events(tx, username)
    _begin(tx, username, target, _newest(tx))
    return departure_id


def bring_back(tx: Connection, departure: Departure, username: str, *, merge: bool = False) -> list[str]:
    """Begins to give a departed user's things to `username`; returns the addresses that others have by now.

    Raises UserChangeError where that user has something already, unless they are to be one (`merge`); what both have,
    such as a preference, stays as it is.
    """
    if departure.is_moving:
        raise UserChangeError("What they had is still being moved; try again in a moment.")
    if tx.execute("SELECT deleting FROM departures WHERE id = ?", (departure.id,)).get:
        raise UserChangeError("What they had is being deleted.")
    if not merge:
        require_free(tx, username)
    if mailbox_accounts.is_mailbox(username):
        raise UserChangeError("A mailbox user does not come back by that name: say to whom their mail goes.", SENSELESS)
    lost = [address for entry in reversed(DIRECTORY) for address in _give_back(tx, entry, departure.id, username)]
    tx.execute("DELETE FROM departed_rows WHERE departure_id = ?", (departure.id,))
    if mailbox_accounts.is_mailbox(departure.username):
        _drop_what_was_personal(tx, departure.name)
    _begin(tx, departure.name, username, {})
    for account in mailbox_users.accounts_of(tx, username):
        tx.execute(
            "UPDATE OR IGNORE mailbox_members SET member = ? WHERE account = ? AND member = ?",
            (username, account, departure.username),
        )
        _bring_back_mailbox(tx, account)
    return lost


def _bring_back_mailbox(tx: Connection, account: str) -> None:
    """Gives a mailbox user who is here again what was set aside as their panel user went."""
    kept = store.kept_of(tx, account)
    if kept is not None and kept.is_moving:
        raise UserChangeError("What they had is still being moved; try again in a moment.")
    if kept is not None:
        _begin(tx, kept.name, account, {})
        tx.execute("DELETE FROM mailbox_ends WHERE account = ?", (account,))


def _drop_what_was_personal(tx: Connection, name: str) -> None:
    for column in FEW:
        if column.table != "labels":
            tx.execute(f"DELETE FROM {column.table} WHERE {column.condition}", (column.value(name),))


def rename(tx: Connection, old: str, new: str) -> None:
    """Begins to give all that is a user's to their new name. Raises UserChangeError where that one has something."""
    require_free(tx, new)
    _rename_owners(tx, old, new)
    _begin(tx, old, new, _newest(tx))


def has_anything(tx: Connection, username: str) -> bool:
    """Whether anything is a user's that would be set aside."""
    columns = (*FEW, *(column for column in MANY if column.indexed))
    return any(_has(tx, each.table, each.condition, each.value(username)) for each in columns) or any(
        _has(tx, entry.table, entry.condition, username) for entry in DIRECTORY
    )


def require_free(tx: Connection, username: str) -> None:
    """Raises UserChangeError where a user has something that another's would be mixed with."""
    if _has(tx, "user_moves", "source = ?", username):
        raise UserChangeError(f"What an earlier {username} had is still being moved; try again in a moment.")
    columns = (each for each in (*MANY, *FEW) if each.name in ("owner", "username") and each.table in _OCCUPYING)
    taken = {each.table for each in columns if _has(tx, each.table, each.condition, username)}
    taken |= {each.table for each in DIRECTORY if each.owner and _has(tx, each.table, f"{each.owner} = ?1", username)}
    if taken:
        raise UserChangeError(f"The user {username} has mail or addresses already ({', '.join(sorted(taken))}).")


def finish(database: Database, patience: float = math.inf) -> list[Move]:
    """Takes all moves that are under way to their end; returns those that ended. Blocks; raises DatabaseError.

    After `patience` seconds it leaves the rest to outbox.
    """
    end, ended = time.monotonic() + patience, list[Move]()
    # In order: where a name went twice, what the first one left must be gone before the second one's is taken.
    for move in database.read(under_way):
        if not all(_carry(database, move, column, end) for column in MANY):
            break
        if database.write(lambda tx, move=move: _close(tx, move)):  # type: ignore[misc]
            ended.append(move)
    return ended


def under_way(tx: Connection) -> list[Move]:
    """The moves that are not done."""
    sql = "SELECT id, source, target, through FROM user_moves ORDER BY id"
    return [Move(row[0], row[1], row[2], json.loads(row[3])) for row in tx.execute(sql)]


def move_rows(tx: Connection, move: Move, column: Column, ids: Iterable[int]) -> None:
    """Gives rows another owner, as a move does; a queue that is set aside ends by it."""
    changes = [f"{column.name} = ?"]
    if is_set_aside(move.target) and column.ends:
        changes.append(column.ends)
    if column.table == "emails" and move.is_elsewhere:
        # The copies belong into another home.
        changes.append("filing = CASE WHEN filing IN (2, 3) THEN 1 ELSE filing END, filing_retry_ts = 0")
    # What is the target's already conflicts with it (a suppression of the same recipient), and need not be twice.
    sql = f"UPDATE OR REPLACE {column.table} SET {', '.join(changes)} WHERE rowid = ? AND {column.condition}"
    tx.executemany(sql, [(column.value(move.target), each, column.value(move.source)) for each in ids])


def _begin(tx: Connection, source: str, target: str, through: Mapping[str, int]) -> None:
    for column in FEW:
        values = (column.value(target), column.value(source))
        tx.execute(f"UPDATE OR IGNORE {column.table} SET {column.name} = ? WHERE {column.condition}", values)
        tx.execute(f"DELETE FROM {column.table} WHERE {column.condition}", (column.value(source),))
    _end(tx, source)
    tx.execute(
        "INSERT INTO user_moves (source, target, through) VALUES (?, ?, ?)", (source, target, json.dumps(dict(through)))
    )


def _end(tx: Connection, username: str) -> None:
    for column in ENDED:
        tx.execute(f"DELETE FROM {column.table} WHERE {column.condition}", (column.value(username),))


def _end_webhook_events(tx: Connection, username: str) -> None:
    """A departed user's program is told of nothing more."""
    hooks = "SELECT id FROM webhooks WHERE owner = ?"
    tx.execute(f"DELETE FROM webhook_events WHERE webhook_id IN ({hooks})", (username,))
    dropped = "UPDATE webhook_calls SET state = 'dropped', next_ts = NULL WHERE state = 'failing'"
    tx.execute(f"{dropped} AND webhook_id IN ({hooks})", (username,))
    tx.execute("UPDATE webhooks SET waiting = 0 WHERE owner = ?", (username,))


def _newest(tx: Connection) -> dict[str, int]:
    """The last row of each table: what comes later belongs to the next one of the name."""
    tables = {each.table for each in MANY if not each.derived}
    return {table: int(tx.execute(f"SELECT max(id) FROM {table}").get or 0) for table in tables}


def _take_away(tx: Connection, entry: OwnedTable, username: str, departure_id: int) -> None:
    chosen = f"FROM {entry.table} WHERE {entry.condition}"
    found = tx.execute(f"SELECT {entry.key}, * {chosen}", (username,))
    rows = [(str(key), json.dumps(dict(zip(_names(found), row, strict=True)))) for key, *row in found]
    tx.executemany(
        "INSERT INTO departed_rows (departure_id, kind, key, content) VALUES (?, ?, ?, ?)",
        [(departure_id, entry.table, *row) for row in rows],
    )
    tx.execute(f"DELETE {chosen}", (username,))


def _names(cursor: Any) -> list[str]:
    return [str(column[0]) for column in cursor.get_description()[1:]]


def _give_back(tx: Connection, entry: OwnedTable, departure_id: int, username: str) -> list[str]:
    """Gives the addresses that cannot be given back, since somebody has them."""
    sql = "SELECT key, content FROM departed_rows WHERE departure_id = ? AND kind = ? ORDER BY id"
    lost = []
    kept: list[tuple[Any, ...]] = tx.execute(sql, (departure_id, entry.table)).fetchall()
    for key, content in kept:
        row: dict[str, Any] = json.loads(content)
        if entry.owner and row[entry.owner]:
            row[entry.owner] = username
        row.pop("id", None)  # somebody else's row may have it by now
        if key and _has(tx, entry.table, f"{entry.key} = ?", key):
            lost.append(str(key))
            continue
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        tx.execute(f"INSERT OR IGNORE INTO {entry.table} ({names}) VALUES ({marks})", tuple(row.values()))
    return lost


def _rename_owners(tx: Connection, old: str, new: str) -> None:
    """An address that is given to somebody loses others' forwards (a trigger); here nobody is given anything."""
    mine = "SELECT lower(address) FROM mail_addresses WHERE owner = ?"
    forwards = tx.execute(f"SELECT * FROM mail_forwards WHERE lower(address) IN ({mine})", (old,)).fetchall()
    for entry in DIRECTORY:
        if entry.owner:
            tx.execute(f"UPDATE {entry.table} SET {entry.owner} = ? WHERE {entry.owner} = ?", (new, old))
    for row in forwards:
        tx.execute(f"INSERT OR IGNORE INTO mail_forwards VALUES ({', '.join('?' * len(row))})", row)
    tx.execute("UPDATE mail_forwards SET owner = ? WHERE owner = ?", (new, old))


def _carry(database: Database, move: Move, column: Column, end: float) -> bool:
    """Moves a column's rows; False if that did not end in time."""
    for ids in _found(database, move, column):
        database.write(lambda tx, ids=ids: move_rows(tx, move, column, ids))  # type: ignore[misc]
        if time.monotonic() > end:
            return False
    return True


def _found(database: Database, move: Move, column: Column) -> Iterator[list[int]]:
    value, last = column.value(move.source), move.through.get(column.table, _LAST)
    if column.indexed:
        while ids := database.read(lambda tx: _ids(tx, column, "rowid <= ?", (value, last), AT_ONCE)):
            yield ids
        return
    end = min(last, int(database.read(lambda tx: tx.execute(f"SELECT max(id) FROM {column.table}").get or 0)))
    for start in range(0, end, WINDOW):
        window = (value, start, min(start + WINDOW, end))
        ids = database.read(lambda tx, window=window: _ids(tx, column, "rowid > ? AND rowid <= ?", window, WINDOW))  # type: ignore[misc]
        yield from (ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE))


def _ids(tx: Connection, column: Column, bounds: str, bind: Sequence[Any], limit: int) -> list[int]:
    sql = f"SELECT rowid FROM {column.table} WHERE {column.condition} AND {bounds} LIMIT ?"
    return [int(row[0]) for row in tx.execute(sql, (*bind, limit))]


def _close(tx: Connection, move: Move) -> bool:
    """Whether it was this process that ended the move: others may carry it too."""
    tx.execute("DELETE FROM user_moves WHERE id = ?", (move.id,))
    if not tx.changes():
        return False
    tx.execute("DELETE FROM mail_usage WHERE scope = 'owner' AND name = ? AND messages = 0", (move.source,))
    if is_set_aside(move.source):
        tx.execute("DELETE FROM departures WHERE '~' || id || ':' || username = ?", (move.source,))
    return True


def _has(tx: Connection, table: str, condition: str, value: str) -> bool:
    return tx.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", (value,)).fetchone() is not None


def _username(name: str) -> str:
    return name.partition(":")[2] if name.startswith(SET_ASIDE) else name
