"""Shared mailboxes: who opens them, the store of `mailbox_members`.

A shared mailbox is a mailbox user whom nobody logs in as: its members, a panel user and their mailbox users, open it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import mailbox_users
from onifast_shared.accounts.mailbox_users import MailboxUser, MailboxUserError, MailboxUserFilter
from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.values import stored_forms
from onifast_shared.values.address import Address
from onifast_shared.values.paging import MOST_ROWS, Page, cut_by_name


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


def accounts_named(tx: Connection, owner: str, names: Iterable[str]) -> list[str]:
    """The accounts of people by user name or address; a name that is nobody's stays, and `set_members` refuses it."""
    return [_account(tx, owner, name.strip()) for name in names]


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
    return list_page(tx, MailboxUserFilter(owner)).rows


def list_page(
    tx: Connection,
    wanted: MailboxUserFilter,
    limit: int = MOST_ROWS,
    cursor: str | None = None,
    *,
    owned_by: str | None = None,
    opened_by: str | None = None,
) -> Page[SharedMailbox]:
    """A page of shared mailboxes by address, of all or of those that a panel user owns or somebody opens; `cursor` is
    that of the page before.
    """
    after, _, after_owner = (cursor or "").rpartition(" ")
    where, bind = ["(address, owner) > (?, ?)"], list[SqlValue]([after, after_owner])
    if owned_by is not None or opened_by is not None:
        where.append("(owner = ? OR account IN (SELECT account FROM mailbox_members WHERE member = ?))")
        bind += [owned_by, opened_by]
    if wanted.owner is not None:
        where.append("owner = ?")
        bind.append(wanted.owner)
    if wanted.domain is not None:
        where.append("substr(address, instr(address, '@') + 1) = ?")
        bind.append(wanted.domain)
    if wanted.q:
        parts = stored_forms.searched(wanted.q)
        where.append(f"({' OR '.join(['instr(address, lower(?))'] * len(parts))})")
        bind += parts
    sql = f"{_SELECT} AND {' AND '.join(where)} ORDER BY address, owner LIMIT ?"
    found = [_shared(tx, row) for row in tx.execute(sql, [*bind, limit + 1]).fetchall()]
    return cut_by_name(found, limit, lambda each: f"{each.address} {each.owner}")


def _account(tx: Connection, owner: str, name: str) -> str:
    if name == owner or "@" not in name:
        return name
    try:
        found = mailbox_users.by_address(tx, Address.parse(name), owner)
    except ValueError:
        return name
    return found.account if found else name


_SELECT = "SELECT account, address, owner, names_sender FROM mailbox_users WHERE is_shared <> 0"


def _shared(tx: Connection, row: Any) -> SharedMailbox:
    account, address, owner, names_sender = row
    sql = "SELECT member FROM mailbox_members WHERE account = ? ORDER BY member"
    members = tuple(str(each[0]) for each in tx.execute(sql, (account,)))
    return SharedMailbox(account, address, owner, members, bool(names_sender))
