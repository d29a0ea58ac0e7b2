"""Whose an address is, and where its mail goes: the store of `mail_addresses` and `domains`.

Panels and scripts write `mail_addresses` themselves, in any case and with either form of an international domain; a row
counts from the next look-up on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from onifast_shared.accounts import mailbox_users
from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.departed import store as departed
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import forwards
from onifast_shared.values import expansion, mailbox_accounts, srs, stored_forms
from onifast_shared.values.address import Address
from onifast_shared.values.expansion import Circular, Expansion, ForwardTarget, Remote, UnknownLocal
from onifast_shared.values.paging import MOST_ROWS, Page, cut_by_name
from onifast_shared.values.set_aside import LIVE

__all__ = [
    "ROLES", "AddressFilter", "AddressRow", "Circular", "Destination", "Expansion", "Local", "Remote", "Resolution",
    "RewrittenSender", "StoredDirectory", "UnknownLocal", "add", "domain_owner", "domains_of", "expand", "find",
    "has_mailbox", "is_local_domain", "list_for", "list_page", "own_among", "owner_of", "owners_of", "owns",
    "primary_address", "remove", "resolve", "set_owner",
]  # fmt: skip

ROLES = frozenset(
    {
        "abuse", "hostmaster", "mailer-daemon", "nobody", "noc", "noreply", "postmaster", "root", "security", "usenet",
        "webmaster", "www", "www-data",
    }
)  # fmt: skip
"""Local parts that exist at the host's own name: those of RFC 2142 and those that local programs send as."""


@dataclass(frozen=True)
class Local:
    """A mailbox here."""

    owner: str
    address: str


@dataclass(frozen=True)
class RewrittenSender:
    """A sender that was rewritten here (SRS): its bounces go to `original`.

    Where that is None, it cannot be taken back, and `problem` says why; `expired`, that it was ours once.
    """

    original: Address | None
    problem: str = ""
    expired: bool = False


Resolution = Local | UnknownLocal | Remote
Destination = Expansion | UnknownLocal | Remote | Circular | RewrittenSender


@dataclass(frozen=True)
class AddressFilter:
    """Which addresses a list has: an owner's, a domain's, and those that `q` is a part of, or of whose owner's name."""

    owner: str | None = None
    domain: str | None = None
    q: str = ""


@dataclass(frozen=True)
class AddressRow:
    """A row of `mail_addresses`. `created_at` is the text that stands there."""

    address: str
    domain: str
    local_part: str
    owner: str
    created_at: str


class StoredDirectory:
    """What the database says of addresses and domains, for expansions within one transaction."""

    def __init__(self, tx: Connection, settings: Settings) -> None:
        self._tx = tx
        self._settings = settings

    def owner(self, address: Address) -> str | None:
        """Who reads a mailbox: the address' owner, or its mailbox user."""
        row = _find(self._tx, address)
        return mailbox_users.reader(self._tx, address, row.owner) if row is not None and row.owner else None

    def role_owner(self, address: Address) -> str | None:
        """Who reads a role's mail. `postmaster` exists in every domain of ours (RFC 5321 section 4.5.1)."""
        local = address.local.lower()
        if address.domain == self._settings.hostname and local in ROLES:
            return self._settings.postmaster
        if local != "postmaster":
            return None
        return domain_owner(self._tx, address.domain) or self._settings.postmaster

    def targets(self, address: Address) -> list[ForwardTarget]:
        """Where an address' mail is forwarded to."""
        return forwards.targets_of(self._tx, address)

    def is_local(self, domain: str) -> bool:
        """Whether this host is the final destination of a domain's mail."""
        return is_local_domain(self._tx, domain, self._settings)

    def is_listed(self, address: Address) -> bool:
        """Whether somebody made exactly this address."""
        return bool(self.owner(address) or self.targets(address))

    def alias(self, domain: str) -> str | None:
        """The domain whose addresses this one has too."""
        return forwards.aliased_domain(self._tx, domain)

    def is_departed(self, address: Address) -> bool:
        """Whether an address that nobody has was somebody's who is gone, and is kept for them."""
        return departed.knows_address(self._tx, address)


def expand(tx: Connection, address: Address, settings: Settings) -> Destination:
    """Where mail to an address goes, in the end: the one answer for smtpd and outbox."""
    directory = StoredDirectory(tx, settings)
    if srs.is_rewritten(address) and directory.is_local(address.domain) and not directory.is_listed(address):
        return _returned(tx, address)
    return expansion.expand(directory, address, settings.recipient_delimiter)


def _returned(tx: Connection, address: Address) -> RewrittenSender:
    try:
        return RewrittenSender(srs.restore(address, shared_keys.find(tx, shared_keys.SRS), time.time()))
    except srs.SrsError as error:
        return RewrittenSender(None, str(error), isinstance(error, srs.SrsExpired))


def resolve(tx: Connection, address: Address, settings: Settings) -> Resolution:
    """Whose an address is: the user who has its mail, or who forwards it."""
    directory = StoredDirectory(tx, settings)
    if directory.is_local(address.domain):
        matched = expansion.match(directory, address, settings.recipient_delimiter)
        owners = [matched.owner, *(target.owner for target in matched.targets)] if matched else []
        return next((Local(owner, str(address)) for owner in owners if owner), UnknownLocal())
    return Remote()


def own_among(tx: Connection, username: str, some: Iterable[Address], settings: Settings) -> dict[str, Address]:
    """Those addresses whose mail comes to this user and to nobody else: by key, the address that takes it.

    So does that of their addresses with a tag, in domains that are other names of theirs, and by their catch-alls.
    """
    directory = StoredDirectory(tx, settings)
    is_local = lru_cache(maxsize=None)(directory.is_local)
    found = {each.key: _his(directory, username, each, settings) for each in some if is_local(each.domain)}
    return {key: address for key, address in found.items() if address is not None}


def _his(directory: StoredDirectory, username: str, address: Address, settings: Settings) -> Address | None:
    matched = expansion.match(directory, address, settings.recipient_delimiter)
    if matched is None:
        return None
    if matched.owner == username:
        return matched.address
    reached = expansion.expand(directory, address, settings.recipient_delimiter)
    if not isinstance(reached, Expansion) or reached.forwards:
        return None
    owners = {each.owner for each in reached.mailboxes}
    return reached.mailboxes[0].address if owners == {username} else None


def is_local_domain(tx: Connection, domain: str, settings: Settings) -> bool:
    """Whether this host is the final destination of a domain's mail."""
    if domain == settings.hostname:
        return True
    sql = """
        SELECT EXISTS (SELECT 1 FROM domains WHERE domain IN (?1, ?2))
            OR EXISTS (SELECT 1 FROM mail_addresses
                       WHERE lower(substr(address, instr(address, '@') + 1)) IN (?1, ?2))
    """
    return bool(tx.execute(sql, stored_forms.of_domain(domain)).get) or forwards.makes_local(tx, domain)


def owns(tx: Connection, username: str, address: Address) -> bool:
    """Whether a user may send as an address: it is theirs, or nobody else's in a domain of theirs.

    A mailbox user may as their own, and as those that they were given.
    """
    if mailbox_accounts.is_mailbox(username):
        return mailbox_users.may_send(tx, username, address)
    row = _find(tx, address)
    if row is not None:
        return row.owner == username
    return domain_owner(tx, address.domain) == username


def domain_owner(tx: Connection, domain: str) -> str | None:
    """The user who owns a domain; None where nobody is known to."""
    owner = tx.execute("SELECT owner FROM domains WHERE domain IN (?, ?)", stored_forms.of_domain(domain)).get
    return str(owner) if owner else None


def owner_of(tx: Connection, address: Address) -> str | None:
    """Who an address belongs to: the user who has it, or else the owner of its domain."""
    row = _find(tx, address)
    return row.owner if row is not None and row.owner else domain_owner(tx, address.domain)


def owners_of(tx: Connection, address: Address) -> list[str]:
    """Whose just this address is: one owner, or several where scripts wrote it in several spellings."""
    sql = f"SELECT DISTINCT owner FROM mail_addresses WHERE {_MATCH} AND owner <> '' ORDER BY owner"
    return [str(row[0]) for row in tx.execute(sql, stored_forms.of_address(address))]


def has_mailbox(tx: Connection, address: Address) -> bool:
    """Whether just this address is somebody's."""
    row = _find(tx, address)
    return row is not None and bool(row.owner)


def domains_of(tx: Connection, username: str | None) -> list[str]:
    """The domains that a user owns; every domain for None (administrators)."""
    sql = "SELECT domain FROM domains WHERE ?1 IS NULL OR owner = ?1 ORDER BY domain"
    return [str(row[0]) for row in tx.execute(sql, (username,))]


def list_for(tx: Connection, username: str | None) -> list[AddressRow]:
    """A user's addresses, oldest first; all addresses for None (administrators).

    A mailbox user's are the one that they read, which stands first, and those that they may send from.
    """
    where = "" if username is None else f"WHERE {_theirs(username)}"
    sql = f"{_SELECT} {where} ORDER BY created_at, address"
    found = [AddressRow(*row) for row in tx.execute(sql, () if username is None else (username,))]
    if username is not None and mailbox_accounts.is_mailbox(username):
        own = mailbox_accounts.shown(username)
        found.sort(key=lambda row: _folded(row.address) != own)
    return found


def list_page(
    tx: Connection, username: str | None, wanted: AddressFilter, limit: int = MOST_ROWS, cursor: str | None = None
) -> Page[AddressRow]:
    """A page of a user's addresses (all for None), by name; `cursor` is the last address of the page before."""
    # The first term is what the index is entered by; the second tells spellings of one address apart.
    where = ["lower(address) >= lower(?1)", "(lower(address), address) > (lower(?1), ?1)"]
    bind: list[SqlValue] = [cursor or ""]
    if username is not None:
        where.append(_theirs(username))
        bind.append(username)
    if wanted.owner is not None:
        where.append("owner = ?")
        bind.append(wanted.owner)
    if username is None:
        where.append(LIVE)
    if wanted.domain is not None:
        where.append("lower(substr(address, instr(address, '@') + 1)) IN (?, ?)")
        bind += stored_forms.of_domain(wanted.domain)
    if wanted.q:
        parts = stored_forms.searched(wanted.q)
        where.append(f"({' OR '.join(['instr(lower(address), lower(?))'] * len(parts))} OR instr(owner, ?))")
        bind += [*parts, wanted.q]
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY lower(address), address LIMIT ?"
    found = [AddressRow(*row) for row in tx.execute(sql, [*bind, limit + 1])]
    return cut_by_name(found, limit, lambda row: row.address)


def primary_address(tx: Connection, username: str) -> Address | None:
    """The address that stands for a user: their oldest usable one whose mail they read themselves."""
    for row in list_for(tx, username):
        try:
            address = Address.parse(row.address)
        except ValueError:
            continue
        if mailbox_users.reader(tx, address, row.owner) == username:
            return address
    return None


def add(tx: Connection, address: Address, owner: str) -> bool:
    """Gives an address to a user; False if it exists already."""
    if _find(tx, address) is not None:
        return False
    tx.execute(
        "INSERT INTO mail_addresses (address, domain, local_part, owner, created_at)"
        " VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP)",
        (str(address), address.domain, address.local, owner),
    )
    return True


def find(tx: Connection, address: Address) -> AddressRow | None:
    """The row of just this address."""
    return _find(tx, address)


def set_owner(tx: Connection, address: Address, owner: str) -> bool:
    """Gives an address to another user; mail that came to it stays with the former. False if there is none.

    Of its forwards those stay that the new owner or the domain's made, as when a script updates the row.
    """
    tx.execute(f"UPDATE mail_addresses SET owner = ? WHERE {_MATCH}", (owner, *stored_forms.of_address(address)))
    return tx.changes() > 0


def remove(tx: Connection, address: Address) -> bool:
    """Takes an address away, and its owner's forwards of it; its earlier mail stays theirs. False if there was none."""
    tx.execute(f"DELETE FROM mail_addresses WHERE {_MATCH}", stored_forms.of_address(address))
    return tx.changes() > 0


def _theirs(username: str) -> str:
    """The SQL condition that an address is an account's, whose name is bound at this place."""
    if not mailbox_accounts.is_mailbox(username):
        return "owner = ?"
    return """rowid IN (
        SELECT a.rowid FROM mailbox_users m JOIN mail_addresses a ON a.owner = m.owner
        LEFT JOIN mailbox_senders s ON s.account = m.account
        WHERE m.account = ?
          AND lower(a.address) IN (m.address, lower(m.listed), s.address, s.listed))"""


def _folded(text: str) -> str:
    try:
        return stored_forms.folded(Address.parse(text))
    except ValueError:
        return ""


_SELECT = (
    "SELECT address, coalesce(domain, ''), coalesce(local_part, ''), coalesce(owner, ''), coalesce(created_at, '')"
    " FROM mail_addresses"
)
_MATCH = stored_forms.matches("address")


def _find(tx: Connection, address: Address) -> AddressRow | None:
    row = tx.execute(f"{_SELECT} WHERE {_MATCH}", stored_forms.of_address(address)).fetchone()
    return None if row is None else AddressRow(*row)
