"""Shared mailboxes: who opens them, the store of `mailbox_members`.

A shared mailbox is a mailbox user whom nobody logs in as: its members, a panel user and their mailbox users, open it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import mailbox_users
from onifast_shared.accounts.mailbox_users import MailboxUser, MailboxUserError
from onifast_shared.db.database import Connection
from onifast_shared.values.address import Address


@dataclass(frozen=True)
class SharedMailbox:
    """A shared mailbox, and the accounts of its members. `names_sender`: what leaves it says who wrote it."""

    account: str
    address: str
    owner: str
    members: tuple[str, ...]
    names_sender: bool


def create(tx: Connection, address: Address, owner: str, members: Iterable[str], now: float) -> SharedMailbox:
    """Makes an address of a panel user's a shared mailbox; raises as `mailbox_users.create` and `set_members`."""
    made = mailbox_users.create(tx, address, owner, None, now)
    tx.execute("UPDATE mailbox_users SET is_shared = 1 WHERE account = ?", (made.account,))
    set_members(tx, made, members)
    return _shared(tx, (made.account, made.address, owner, 0))


def set_members(tx: Connection, mailbox: MailboxUser | SharedMailbox, members: Iterable[str]) -> None:
    """Who opens it; raises MailboxUserError for who is neither the panel user nor one of their mailbox users."""
    allowed = {mailbox.owner, *mailbox_users.accounts_of(tx, mailbox.owner)}
    wanted = dict.fromkeys(members)
    if strange := [each for each in wanted if each not in allowed or is_shared(tx, each)]:
        raise MailboxUserError(f"{strange[0]} is nobody who works with {mailbox.owner}")
    tx.execute("DELETE FROM mailbox_members WHERE account = ?", (mailbox.account,))
    rows = [(mailbox.account, each) for each in wanted]
    tx.executemany("INSERT INTO mailbox_members (account, member) VALUES (?, ?)", rows)


def set_names_sender(tx: Connection, account: str, *, names: bool) -> None:
    """Whether what leaves it says in its header who wrote it."""
    tx.execute("UPDATE mailbox_users SET names_sender = ? WHERE account = ?", (int(names), account))


def is_shared(tx: Connection, account: str) -> bool:
    """Whether a mailbox is shared, and so nobody's to log in to."""
    return bool(tx.execute("SELECT is_shared FROM mailbox_users WHERE account = ?", (account,)).get)


def find(tx: Connection, account: str) -> SharedMailbox | None:
    """The shared mailbox of an account, while its address is its owner's."""
    user = mailbox_users.find(tx, account)
    row = tx.execute(f"{_SELECT} AND account = ?", (account,)).fetchone()
    return _shared(tx, row) if row is not None and user is not None and user.is_listed else None


def by_address(tx: Connection, address: Address, owner: str | None) -> SharedMailbox | None:
    """The shared mailbox of an address among a panel user's, or among all for None."""
    user = mailbox_users.find_for(tx, address, owner)
    row = None if user is None else tx.execute(f"{_SELECT} AND account = ?", (user.account,)).fetchone()
    return None if row is None else _shared(tx, row)


def opened_by(tx: Connection, member: str) -> list[SharedMailbox]:
    """The shared mailboxes that somebody opens, by address."""
    sql = f"{_SELECT} AND account IN (SELECT account FROM mailbox_members WHERE member = ?) ORDER BY address"
    return [_shared(tx, row) for row in tx.execute(sql, (member,)).fetchall()]


def of_owner(tx: Connection, owner: str | None) -> list[SharedMailbox]:
    """A panel user's shared mailboxes, by address; everybody's for None."""
    sql = f"{_SELECT} AND (?1 IS NULL OR owner = ?1) ORDER BY address, owner"
    return [_shared(tx, row) for row in tx.execute(sql, (owner,)).fetchall()]


_SELECT = "SELECT account, address, owner, names_sender FROM mailbox_users WHERE is_shared <> 0"


def _shared(tx: Connection, row: Any) -> SharedMailbox:
    account, address, owner, names_sender = row
    sql = "SELECT member FROM mailbox_members WHERE account = ? ORDER BY member"
    members = tuple(str(each[0]) for each in tx.execute(sql, (account,)))
    return SharedMailbox(account, address, owner, members, bool(names_sender))
