"""Whose an address is: the store of `mail_addresses` and `domains`, and the resolution of recipients.

Panels and scripts write `mail_addresses` themselves, in any case and with either form of an international domain; a row
counts from the next look-up on.
"""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.address import Address
from onifast_shared.config import Settings
from onifast_shared.db import Connection

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
class UnknownLocal:
    """The domain is ours, the mailbox does not exist."""


@dataclass(frozen=True)
class Remote:
    """The domain is somebody else's."""


Resolution = Local | UnknownLocal | Remote


@dataclass(frozen=True)
class AddressRow:
    """A row of `mail_addresses`. `created_at` is the text that stands there."""

    address: str
    domain: str
    local_part: str
    owner: str
    created_at: str


def resolve(tx: Connection, address: Address, settings: Settings) -> Resolution:
    """Where mail to an address goes. `postmaster` exists in every domain of ours (RFC 5321 section 4.5.1)."""
    row = _find(tx, address)
    if row is not None and row.owner:
        return Local(row.owner, str(address))
    if not is_local_domain(tx, address.domain, settings):
        return Remote()
    local = address.local.lower()
    if address.domain == settings.hostname and local in ROLES:
        return Local(settings.postmaster, str(address))
    if local == "postmaster":
        return Local(domain_owner(tx, address.domain) or settings.postmaster, str(address))
    return UnknownLocal()


def is_local_domain(tx: Connection, domain: str, settings: Settings) -> bool:
    """Whether this host is the final destination of a domain's mail."""
    if domain == settings.hostname:
        return True
    sql = """
        SELECT EXISTS (SELECT 1 FROM domains WHERE domain IN (?1, ?2))
            OR EXISTS (SELECT 1 FROM mail_addresses
                       WHERE lower(substr(address, instr(address, '@') + 1)) IN (?1, ?2))
    """
    return bool(tx.execute(sql, _forms(domain)).get)


def owns(tx: Connection, username: str, address: Address) -> bool:
    """Whether a user may send as an address: it is his, or it lies in a domain of his that gives it to nobody else."""
    row = _find(tx, address)
    if row is not None:
        return row.owner == username
    return domain_owner(tx, address.domain) == username


def domain_owner(tx: Connection, domain: str) -> str | None:
    """The user who owns a domain; None where nobody is known to."""
    owner = tx.execute("SELECT owner FROM domains WHERE domain IN (?, ?)", _forms(domain)).get
    return str(owner) if owner else None


def domains_of(tx: Connection, username: str | None) -> list[str]:
    """The domains that a user owns; every domain for None (administrators)."""
    sql = "SELECT domain FROM domains WHERE ?1 IS NULL OR owner = ?1 ORDER BY domain"
    return [str(row[0]) for row in tx.execute(sql, (username,))]


def list_for(tx: Connection, username: str | None) -> list[AddressRow]:
    """A user's addresses, oldest first; all addresses for None (administrators)."""
    where = "" if username is None else "WHERE owner = ?"
    sql = f"{_SELECT} {where} ORDER BY created_at, address"
    return [AddressRow(*row) for row in tx.execute(sql, () if username is None else (username,))]


def primary_address(tx: Connection, username: str) -> Address | None:
    """The address that stands for a user: his oldest usable one."""
    for row in list_for(tx, username):
        try:
            return Address.parse(row.address)
        except ValueError:
            continue
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


def remove(tx: Connection, address: Address) -> bool:
    """Takes an address away; its earlier mail stays with its owner. False if there was none."""
    tx.execute(f"DELETE FROM mail_addresses WHERE {_MATCH}", _keys(address))
    return tx.changes() > 0


_SELECT = (
    "SELECT address, coalesce(domain, ''), coalesce(local_part, ''), coalesce(owner, ''), coalesce(created_at, '')"
    " FROM mail_addresses"
)
_MATCH = "lower(address) IN (lower(?), lower(?))"


def _find(tx: Connection, address: Address) -> AddressRow | None:
    row = tx.execute(f"{_SELECT} WHERE {_MATCH}", _keys(address)).fetchone()
    return None if row is None else AddressRow(*row)


def _keys(address: Address) -> tuple[str, str]:
    return str(address), address.display


def _forms(domain: str) -> tuple[str, str]:
    """A domain with A-labels and with U-labels: rows may hold either."""
    return domain, Address("x", domain).display.removeprefix("x@")
