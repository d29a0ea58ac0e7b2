"""Mailbox users: who reads an address of a panel user's in their place, and by which password. The store of
`mailbox_users`.

What is theirs in other tables lies under their account, as a panel user's lies under the user name.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.machine.log import Secret
from onifast_shared.values import mailbox_accounts, stored_forms
from onifast_shared.values.address import Address
from onifast_shared.values.expansion import ANYBODY
from onifast_shared.values.paging import MOST_ROWS, Page, cut_by_name

_NO_PASSWORD = "!"  # noqa: S105  (what stands in a hash's place, and fits no password)


class MailboxUserError(ValueError):
    """A mailbox user cannot be made or changed so; the text is one line for who asked."""


class NotTheirAddress(MailboxUserError):
    """The address is not the panel user's."""


@dataclass(frozen=True)
class MailboxUser:
    """A mailbox user. `owner` is the panel user that they belong to, `password_hash` what their password is stored as.

    `is_listed`: the address is the owner's now. Nobody logs in, and no mail comes in, while it is not.
    """

    account: str
    address: str
    owner: str
    password_hash: Secret
    is_disabled: bool
    created_ts: int
    is_listed: bool
    is_shared: bool = False

    @property
    def has_password(self) -> bool:
        """Whether there is a password besides app passwords."""
        return not self.password_hash.reveal().startswith(_NO_PASSWORD)


@dataclass(frozen=True)
class MailboxUserFilter:
    """Which mailbox users a list has: an owner's, a domain's, and those whose address `q` is a part of."""

    owner: str | None = None
    domain: str | None = None
    q: str = ""


def create(tx: Connection, address: Address, owner: str, password_hash: str | None, now: float) -> MailboxUser:
    """Makes an address of `owner`'s a mailbox user; None for app passwords alone.

    Raises NotTheirAddress, and MailboxUserError for one that cannot be.
    """
    if address.local == ANYBODY:
        raise MailboxUserError("a catch-all is nobody's mailbox")
    sql = f"SELECT owner, address FROM mail_addresses WHERE {_MATCH} ORDER BY address"
    listed: list[tuple[Any, ...]] = tx.execute(sql, _forms(address)).fetchall()
    if {row[0] for row in listed} != {owner}:
        raise NotTheirAddress(f"{address} is not an address of {owner}")
    if by_address(tx, address, owner) is not None:
        raise MailboxUserError(f"{address} has a mailbox user already")
    stored = stored_forms.folded(address)
    tx.execute(
        "INSERT INTO mailbox_users (account, address, listed, owner, password_hash, created_ts)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (secrets.token_hex(16), stored, listed[0][1], owner, password_hash or _no_password(), int(now)),
    )
    number = tx.last_insert_rowid()
    account = mailbox_accounts.named(number, stored)
    tx.execute("UPDATE mailbox_users SET account = ? WHERE id = ?", (account, number))
    return _row(tx.execute(f"{_SELECT} WHERE id = ?", (number,)).fetchone())


def find(tx: Connection, account: str) -> MailboxUser | None:
    """The mailbox user of an account."""
    return _one(tx, "account = ?", (account,))


def by_address(tx: Connection, address: Address, owner: str) -> MailboxUser | None:
    """Who reads just this address of a panel user's in their place."""
    return _one(tx, "address = ? AND owner = ?", (stored_forms.folded(address), owner))


def find_for(tx: Connection, address: Address, owner: str | None) -> MailboxUser | None:
    """The mailbox user of an address among a panel user's, or among all for None: the one who reads it first."""
    if owner is not None:
        return by_address(tx, address, owner)
    found = [_row(row) for row in tx.execute(f"{_SELECT} WHERE address = ?", (stored_forms.folded(address),))]
    return next(iter(sorted(found, key=lambda each: not each.is_listed)), None)


def reader(tx: Connection, address: Address, owner: str) -> str:
    """The account that reads an address of a panel user's: a mailbox user's, or their own."""
    sql = "SELECT account FROM mailbox_users WHERE address = ? AND owner = ?"
    account = tx.execute(sql, (stored_forms.folded(address), owner)).get
    return str(account) if account else owner


def owner_of(tx: Connection, account: str | None) -> str | None:
    """The panel user that a mailbox user belongs to; None for every other account."""
    if not mailbox_accounts.is_mailbox(account):
        return None
    owner = tx.execute("SELECT owner FROM mailbox_users WHERE account = ?", (account,)).get
    return str(owner) if owner else None


def accounts_of(tx: Connection, owner: str) -> list[str]:
    """The accounts of a panel user's mailbox users."""
    return [str(row[0]) for row in tx.execute("SELECT account FROM mailbox_users WHERE owner = ?", (owner,))]


def list_page(
    tx: Connection, owner: str | None, wanted: MailboxUserFilter, limit: int = MOST_ROWS, cursor: str | None = None
) -> Page[MailboxUser]:
    """A page of a panel user's mailbox users (all for None), by address; `cursor` is that of the page before."""
    after, _, after_owner = (cursor or "").rpartition(" ")
    where, bind = ["(address, owner) > (?, ?)", "is_shared = 0"], list[SqlValue]([after, after_owner])
    for name in {owner, wanted.owner} - {None}:
        where.append("owner = ?")
        bind.append(name)
    if wanted.domain is not None:
        where.append("substr(address, instr(address, '@') + 1) = ?")
        bind.append(wanted.domain)
    if wanted.q:
        parts = stored_forms.searched(wanted.q)
        where.append(f"({' OR '.join(['instr(address, lower(?))'] * len(parts))})")
        bind += parts
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY address, owner LIMIT ?"
    found = [_row(row) for row in tx.execute(sql, [*bind, limit + 1])]
    return cut_by_name(found, limit, lambda each: f"{each.address} {each.owner}")


def set_password(tx: Connection, account: str, password_hash: str | None) -> None:
    """Another password, or none; sessions end with the former one."""
    stored = password_hash or _no_password()
    tx.execute("UPDATE mailbox_users SET password_hash = ? WHERE account = ?", (stored, account))


def set_disabled(tx: Connection, account: str, *, disabled: bool) -> None:
    """Whether they may log in. Their mail comes in all the same."""
    tx.execute("UPDATE mailbox_users SET disabled = ? WHERE account = ?", (int(disabled), account))


def senders_of(tx: Connection, account: str) -> list[str]:
    """The further addresses that a mailbox user may send from."""
    sql = "SELECT address FROM mailbox_senders WHERE account = ? ORDER BY address"
    return [str(row[0]) for row in tx.execute(sql, (account,))]


def set_senders(tx: Connection, account: str, some: Iterable[Address]) -> None:
    """Which further addresses a mailbox user may send from; raises NotTheirAddress for one that is not the owner's."""
    owner = owner_of(tx, account)
    tx.execute("DELETE FROM mailbox_senders WHERE account = ?", (account,))
    for address in some:
        sql = f"SELECT lower(address) FROM mail_addresses WHERE {_MATCH} AND owner = ?"
        listed = tx.execute(sql, (*_forms(address), owner)).get
        if listed is None:
            raise NotTheirAddress(f"{address} is not an address of {owner}")
        sql = "INSERT OR IGNORE INTO mailbox_senders (account, address, listed) VALUES (?, ?, ?)"
        tx.execute(sql, (account, stored_forms.folded(address), listed))


def may_send(tx: Connection, account: str, address: Address) -> bool:
    """Whether a mailbox user may send from an address that their owner has now."""
    sql = f"""
        SELECT 1 FROM mailbox_users m JOIN mail_addresses a ON a.owner = m.owner
        WHERE m.account = ? AND {_A_MATCH} AND (
            m.address = ?
            OR EXISTS (SELECT 1 FROM mailbox_members g JOIN mailbox_users t ON t.account = g.account
                       WHERE g.member = m.account AND t.address = ? AND t.owner = m.owner)
            OR EXISTS (SELECT 1 FROM mailbox_senders s WHERE s.account = m.account AND s.address = ?))
    """
    stored = stored_forms.folded(address)
    return tx.execute(sql, (account, *_forms(address), stored, stored, stored)).fetchone() is not None


def end(tx: Connection, account: str, heir: str, now: float) -> None:
    """Ends a mailbox user; `heir` gets what was accepted for them and has not arrived yet.

    What the row's end asks outbox for (a trigger, for those who delete rows by themselves) is seen to by who calls.
    """
    tx.execute("DELETE FROM mailbox_users WHERE account = ?", (account,))
    tx.execute("DELETE FROM user_changes WHERE username = ? AND action = 'remove' AND done_ts IS NULL", (account,))
    note_end(tx, account, heir, now)


def note_end(tx: Connection, account: str, heir: str, now: float) -> None:
    """Remembers who gets what was accepted for a mailbox user that is no more."""
    sql = "INSERT OR REPLACE INTO mailbox_ends (account, heir, ended_ts) VALUES (?, ?, ?)"
    tx.execute(sql, (account, heir, int(now)))


def heir_of(tx: Connection, account: str) -> str | None:
    """Who gets what was accepted for a mailbox user; None while they are here, or nobody is known."""
    sql = """
        SELECT heir FROM mailbox_ends
        WHERE account = ?1 AND NOT EXISTS (SELECT 1 FROM mailbox_users WHERE account = ?1)
    """
    heir = tx.execute(sql, (account,)).get
    return str(heir) if heir else None


_MATCH = stored_forms.matches("address")
_A_MATCH = stored_forms.matches("a.address")
_SELECT = """
    SELECT account, address, owner, password_hash, disabled, created_ts,
           EXISTS (SELECT 1 FROM mail_addresses a
                   WHERE a.owner = mailbox_users.owner
                     AND (lower(a.address) = lower(listed) OR lower(a.address) = mailbox_users.address)),
           is_shared
    FROM mailbox_users
"""


def _forms(address: Address) -> tuple[str, ...]:
    return stored_forms.of_address(address)


def _one(tx: Connection, where: str, bind: tuple[SqlValue, ...]) -> MailboxUser | None:
    row = tx.execute(f"{_SELECT} WHERE {where}", bind).fetchone()
    return None if row is None else _row(row)


def _row(row: Any) -> MailboxUser:
    account, address, owner, password_hash, disabled, created_ts, is_listed, is_shared = row
    return MailboxUser(
        *(account, address, owner, Secret(password_hash), bool(disabled), created_ts, bool(is_listed)), bool(is_shared)
    )


def _no_password() -> str:
    # Another one each time: sessions know by it that the password was reset.
    return _NO_PASSWORD + secrets.token_hex(16)
