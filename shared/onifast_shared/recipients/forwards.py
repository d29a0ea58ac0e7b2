"""Where mail is forwarded to: the store of `mail_forwards` and `domain_aliases`.

The panel writes both tables itself, in any case and with either form of an international domain; a row counts from the
next look-up on, and one that holds no address is passed over.

When an address is taken away or given to somebody else, triggers delete what its earlier owner made of it.
They compare the texts in ASCII lower case, since any program's SQLite runs them and it knows no other form. Of what has
several (U-labels and A-labels, composed and decomposed letters, quotes), further triggers note the change: such a
forward counts no more from then on, and `end_of_earlier_owners` deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from onifast_shared.db.database import Connection
from onifast_shared.values import stored_forms
from onifast_shared.values.address import Address, AddressError, parse_domain
from onifast_shared.values.expansion import ForwardTarget


@dataclass(frozen=True)
class ForwardRow:
    """A row of `mail_forwards`: mail for `address` goes to `target`. `created_at` is the text that stands there."""

    address: str
    target: str
    owner: str
    created_at: str


@dataclass(frozen=True)
class AliasRow:
    """A row of `domain_aliases`: the addresses of `domain` exist at `alias` too."""

    alias: str
    domain: str
    created_at: str


def targets_of(tx: Connection, address: Address) -> list[ForwardTarget]:
    """Where mail for exactly this address goes; [] if it is not forwarded."""
    sql = f"SELECT id, target, owner FROM mail_forwards WHERE {_BY_ADDRESS} ORDER BY id"
    rows = tx.execute(sql, stored_forms.of_address(address)).fetchall()
    changes = [each for each in _changes(tx) if each.address == address.key] if rows else []
    ended = {number for change in changes for number in _ended_by(tx, change, address)}
    found = ((_parsed(str(target)), owner) for number, target, owner in rows if number not in ended)
    return [ForwardTarget(target, str(owner) if owner else None) for target, owner in found if target is not None]


def list_for(tx: Connection, username: str | None) -> list[ForwardRow]:
    """The forwards that a user made, and those of their addresses and domains; all for None (administrators)."""
    sql = """
        SELECT f.address, f.target, coalesce(f.owner, ''), coalesce(f.created_at, '') FROM mail_forwards f
        WHERE ?1 IS NULL OR f.owner = ?1
           OR EXISTS (SELECT 1 FROM mail_addresses a WHERE lower(a.address) = lower(f.address) AND a.owner = ?1)
           OR EXISTS (SELECT 1 FROM domains d
                      WHERE d.domain = lower(substr(f.address, instr(f.address, '@') + 1)) AND d.owner = ?1)
              AND NOT EXISTS (SELECT 1 FROM mail_addresses a WHERE lower(a.address) = lower(f.address))
        ORDER BY lower(f.address), f.id
    """
    return [ForwardRow(*row) for row in tx.execute(sql, (username,))]


def add(tx: Connection, address: Address, target: Address, owner: str | None) -> bool:
    """Forwards an address' mail; False if it goes there already."""
    if any(known.address.key == target.key for known in targets_of(tx, address)):
        return False
    tx.execute(
        "INSERT INTO mail_forwards (address, target, owner) VALUES (?, ?, ?)", (str(address), str(target), owner)
    )
    return True


def remove(tx: Connection, address: Address, target: Address | None = None) -> int:
    """Ends one forward of an address, or all of them; returns how many there were."""
    sql = f"DELETE FROM mail_forwards WHERE {_BY_ADDRESS}"
    if target is None:
        tx.execute(sql, stored_forms.of_address(address))
    else:
        forms = (*stored_forms.of_address(address), *stored_forms.of_address(target))
        tx.execute(f"{sql} AND {stored_forms.matches('target')}", forms)
    return tx.changes()


def end_of_earlier_owners(tx: Connection) -> int:
    """Deletes the forwards that ended as their address went to somebody else; returns how many there were."""
    ended = 0
    for change in _changes(tx):
        if (address := _parsed(change.address)) is not None:
            numbers = [(number,) for number in _ended_by(tx, change, address)]
            tx.executemany("DELETE FROM mail_forwards WHERE id = ?", numbers)
            ended += len(numbers)
        tx.execute("DELETE FROM mail_address_changes WHERE id = ?", (change.number,))
    return ended


@dataclass(frozen=True)
class _Change:
    """A row of `mail_address_changes`: an address is its owner's now, or is gone. `address` is a key, or no address."""

    number: int
    address: str
    owner: str | None
    is_gone: bool
    last_forward: int


def _changes(tx: Connection) -> Iterator[_Change]:
    sql = "SELECT id, CAST(address AS TEXT), owner, is_gone, last_forward FROM mail_address_changes ORDER BY id"
    for row in tx.execute(sql).fetchall():
        number, text, owner, is_gone, last_forward = cast(tuple[int, str, str | None, int, int], row)
        address = _parsed(text)
        yield _Change(number, address.key if address else "", owner, bool(is_gone), last_forward)


def _ended_by(tx: Connection, change: _Change, address: Address) -> set[int]:
    """The forwards of an address that a change ends: those that its owner, or whoever had it before, had made.

    The domain's owner, and forwards that are nobody's, stay, as with the triggers.
    """
    domain = stored_forms.of_domain(address.domain)
    stay = {owner for (owner,) in tx.execute("SELECT owner FROM domains WHERE lower(domain) IN (?, ?)", domain)}
    sql = """
        SELECT id, CAST(address AS TEXT), owner FROM mail_forwards
        WHERE lower(substr(address, instr(address, '@') + 1)) IN (?, ?) AND owner <> '' AND id <= ?
    """
    rows = cast(list[tuple[int, str, str]], tx.execute(sql, (*domain, change.last_forward)).fetchall())
    of_it = [
        (number, owner)
        for number, text, owner in rows
        if (parsed := _parsed(text)) is not None and parsed.key == change.address
    ]
    if change.is_gone:
        return {number for number, owner in of_it if owner == change.owner}
    return {number for number, owner in of_it if owner != change.owner and owner not in stay}


def aliased_domain(tx: Connection, alias: str) -> str | None:
    """The domain whose addresses exist at `alias` too; None if it is no alias."""
    found = tx.execute("SELECT domain FROM domain_aliases WHERE lower(alias) IN (?, ?)", stored_forms.of_domain(alias))
    try:
        return parse_domain(str(domain)) if (domain := found.get) else None
    except AddressError:
        return None


def makes_local(tx: Connection, domain: str) -> bool:
    """Whether a domain is ours because it is an alias, or because addresses in it are forwarded."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM domain_aliases WHERE lower(alias) IN (?1, ?2))
            OR EXISTS (SELECT 1 FROM mail_forwards
                       WHERE lower(substr(address, instr(address, '@') + 1)) IN (?1, ?2))
    """
    return bool(tx.execute(sql, stored_forms.of_domain(domain)).get)


def list_aliases(tx: Connection, owner: str | None) -> list[AliasRow]:
    """The aliases of a user's domains; all for None (administrators)."""
    sql = """
        SELECT alias, domain, coalesce(created_at, '') FROM domain_aliases
        WHERE ?1 IS NULL OR lower(domain) IN (SELECT lower(domain) FROM domains WHERE owner = ?1) ORDER BY lower(alias)
    """
    return [AliasRow(*row) for row in tx.execute(sql, (owner,))]


def set_alias(tx: Connection, alias: str, domain: str) -> None:
    """Makes all addresses of `domain` exist at `alias` too, and at that domain alone."""
    remove_alias(tx, alias)
    tx.execute("INSERT INTO domain_aliases (alias, domain) VALUES (?, ?)", (alias, domain))


def remove_alias(tx: Connection, alias: str) -> bool:
    """Ends an alias; False if there was none."""
    tx.execute("DELETE FROM domain_aliases WHERE lower(alias) IN (?, ?)", stored_forms.of_domain(alias))
    return tx.changes() > 0


_BY_ADDRESS = stored_forms.matches("address")


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text.strip())
    except AddressError:
        return None
