"""Departures: users who are gone, and the names that what was theirs is set aside under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from onifast_shared.accounts import mailbox_users
from onifast_shared.db.database import Connection
from onifast_shared.values import mailbox_accounts, stored_forms
from onifast_shared.values.address import Address
from onifast_shared.values.set_aside import SET_ASIDE

LATE = 3600
"""Seconds in which mail that was accepted for a user before they went may still come to an end."""


NOT_FOUND: Final = 404
SENSELESS: Final = 422


class UserChangeError(Exception):
    """What was asked for cannot be done. The text is one sentence for who asked.

    `status` says why: there is no such departure, something stands in the way, or the request itself makes no sense.
    """

    def __init__(self, text: str, status: Literal[404, 409, 422] = 409) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class BootTime:
    """Now on a clock that nobody sets: milliseconds since the boot `boot_id`."""

    boot_id: str
    ms: int


@dataclass(frozen=True)
class Departure:
    """A user who is gone; `departed_ts` in epoch seconds, `asked_by` who said so. What was theirs is kept from then on.

    `is_moving`: something of it is still under way, to where it is kept or back. Messages and octets are those kept.
    """

    id: int
    username: str
    departed_ts: int
    asked_by: str
    is_moving: bool
    messages: int
    octets: int

    @property
    def name(self) -> str:
        """What their things are set aside under."""
        return set_aside_name(self.id, self.username)


def set_aside_name(departure_id: int, username: str) -> str:
    """The name that a departed user's things lie under."""
    return f"{SET_ASIDE}{departure_id}:{username}"


def list_all(tx: Connection) -> list[Departure]:
    """Everybody whose things are kept, the last to go first."""
    return [_departure(row) for row in tx.execute(f"{_SELECT} ORDER BY d.id DESC")]


def kept_of(tx: Connection, username: str) -> Departure | None:
    """The last departure of a name, if there is one."""
    row = tx.execute(f"{_SELECT} WHERE d.username = ? ORDER BY d.id DESC LIMIT 1", (username,)).fetchone()
    return None if row is None else _departure(row)


def find(tx: Connection, departure_id: int) -> Departure:
    """A departure; raises UserChangeError."""
    row = tx.execute(f"{_SELECT} WHERE d.id = ?", (departure_id,)).fetchone()
    if row is None:
        raise UserChangeError(f"There is no departed user with the number {departure_id}.", NOT_FOUND)
    return _departure(row)


def latest_of(tx: Connection, username: str) -> Departure:
    """The last departure of a name; raises UserChangeError."""
    row = tx.execute(f"{_SELECT} WHERE d.username = ? ORDER BY d.id DESC LIMIT 1", (username,)).fetchone()
    if row is None:
        raise UserChangeError(f"Nothing is kept of a departed user {username}.", NOT_FOUND)
    return _departure(row)


def is_moving(tx: Connection, username: str) -> bool:
    """Whether something of a former user of that name has still to be taken away: nobody may see it meanwhile."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM user_moves WHERE source = ?1)
            OR EXISTS (SELECT 1 FROM user_changes
                       WHERE username = ?1 AND done_ts IS NULL AND action IN ('remove', 'rename'))
    """
    return bool(tx.execute(sql, (username,)).get)


def keeper_of(tx: Connection, owner: str, recipient: str, now: float) -> str:
    """Whose mailbox a message goes to that was accepted for `owner`: theirs, unless they went meanwhile.

    Then it is set aside with the rest, or whoever gets their name would find it; a mailbox user's goes where the mail
    before it went.
    """
    heir = mailbox_users.heir_of(tx, owner) if mailbox_accounts.is_mailbox(owner) else None
    if heir is not None:
        return heir
    departure_id = _lately(tx, owner, now)
    if departure_id is None or not holds_address(tx, departure_id, recipient):
        return owner
    taken = "SELECT 1 FROM mail_addresses WHERE lower(address) = lower(?) AND owner = ?"
    return owner if tx.execute(taken, (recipient, owner)).fetchone() else set_aside_name(departure_id, owner)


def forwarder_of(tx: Connection, owner: str | None, address: str, now: float) -> str | None:
    """Who sees that a message is forwarded from an address: whose forward it is, or nobody if they went meanwhile."""
    if owner is None or _lately(tx, owner, now) is None:
        return owner
    sql = "SELECT 1 FROM mail_forwards WHERE lower(address) = lower(?) AND owner = ?"
    return owner if tx.execute(sql, (address, owner)).fetchone() else None


def _lately(tx: Connection, username: str, now: float) -> int | None:
    """The departure of a user who went so lately that mail may still be on its way to them."""
    sql = "SELECT id FROM departures WHERE username = ? AND departed_ts > ? ORDER BY id DESC LIMIT 1"
    row = tx.execute(sql, (username, int(now) - LATE)).fetchone()
    return None if row is None else int(row[0])


def holds_address(tx: Connection, departure_id: int, address: str) -> bool:
    """Whether an address was a departed user's, itself or by the catch-all of its domain."""
    sql = """
        SELECT 1 FROM departed_rows WHERE departure_id = ?1 AND kind = 'mail_addresses'
        AND key IN (lower(?2), '*@' || lower(substr(?2, instr(?2, '@') + 1)))
    """
    return tx.execute(sql, (departure_id, address)).fetchone() is not None


def knows_address(tx: Connection, address: Address) -> bool:
    """Whether an address was a departed user's, and is kept for them."""
    sql = f"SELECT 1 FROM departed_rows WHERE kind = 'mail_addresses' AND {stored_forms.matches('key')} LIMIT 1"
    return tx.execute(sql, stored_forms.of_address(address)).fetchone() is not None


_SELECT = """
    SELECT d.id, d.username, d.departed_ts, d.asked_by,
           EXISTS (SELECT 1 FROM user_moves m WHERE '~' || d.id || ':' || d.username IN (m.source, m.target)),
           coalesce(u.messages, 0), coalesce(u.bytes, 0)
    FROM departures d LEFT JOIN mail_usage u ON u.scope = 'owner' AND u.name = '~' || d.id || ':' || d.username
"""


def _departure(row: tuple[Any, ...]) -> Departure:
    return Departure(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6])
