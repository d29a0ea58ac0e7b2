"""The commands of onifast-mailctl about whose addresses are, where their mail goes, and how much of it may lie here."""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

from onifast_shared.accounts import mailbox_users, shared_mailboxes
from onifast_shared.ctl import audited
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    how_many,
    known_user,
    octets,
    outcome,
    read,
    show_rows,
    show_values,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import address_changes, addresses, forwards, quotas
from onifast_shared.recipients.addresses import AddressFilter
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.recipients.quotas import Quota, Scope
from onifast_shared.values.address import Address, parse_domain
from onifast_shared.values.paging import MOST_ROWS

_QUOTA = "octets, or with a unit: 500 MiB; 0 for no limit; default for the settings'"
_KINDS = {False: "mailbox user", True: "shared mailbox"}
"""Who reads an address in its owner's place."""


def declare_addresses(area: Any) -> None:
    """Adds the commands about addresses to their area."""
    add(area, "add", _address_add, "give an address to a user", "address", "owner")
    add(area, "remove", _address_remove, "take an address away; its mail stays", "address")
    listing = add(area, "list", _address_list, "address, domain, local part, owner, made")
    listing.add_argument("--owner", metavar="USER", help="only this user's")
    listing.add_argument("--domain", help="only this domain's")
    listing.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of, or of the owner")
    listing.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by name")
    add(area, "show", _address_show, "an address' owner, who reads it, and its space", "address")
    setting = add(area, "set", _address_set, "give an address to another user (its mail stays), or space", "address")
    setting.add_argument("--owner", metavar="USER", help="whose it is from now on")
    setting.add_argument("--quota", metavar="SIZE", help=_QUOTA)


def declare_forwards(area: Any) -> None:
    """Adds the commands about forwards to their area."""
    making = add(area, "add", _forward_add, "send an address' mail on; *@DOMAIN is a catch-all", "address", "target")
    making.add_argument("--owner", metavar="USER", help="who sees the forward; the address' owner unless given")
    ending = add(area, "remove", _forward_remove, "end a forward, or all of an address", "address")
    ending.add_argument("target", nargs="?")
    listing = add(area, "list", _forward_list, "address, target, owner, made")
    listing.add_argument("--owner", metavar="USER", help="only this user's")


def declare_aliases(area: Any) -> None:
    """Adds the commands about domain aliases to the area of domains."""
    add(area, "alias", _domain_alias, "make all addresses of a domain exist at another one too", "alias", "domain")
    add(area, "unalias", _domain_unalias, "end an alias", "alias")
    add(area, "aliases", _domain_aliases, "alias, domain, made")


def declare_quotas(area: Any) -> None:
    """Adds the commands about quotas to their area."""
    setting = add(area, "set", _quota_set, "what a user's or an address' mail may take", "name")
    setting.add_argument("size", help=_QUOTA)
    showing = add(area, "show", _quota_show, "scope, name, limit, used, messages")
    showing.add_argument("name", nargs="?", help="a user or an address; all unless given")


def _address_add(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)
    known_user(settings, arguments.owner)
    return outcome(write(settings, lambda tx: addresses.add(tx, address, arguments.owner)), f"{address} exists already")


def _address_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)
    return outcome(write(settings, lambda tx: addresses.remove(tx, address)), f"there is no address {address}")


def _address_list(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain) if arguments.domain else None
    wanted = AddressFilter(arguments.owner, domain, arguments.q)
    found = read(settings, lambda tx: addresses.list_page(tx, None, wanted, arguments.limit))
    return show_rows(arguments, map(dataclasses.asdict, found.rows))


def _address_show(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)

    def look(tx: Connection) -> dict[str, Any] | None:
        row = addresses.find(tx, address)
        if row is None:
            return None
        quota = quotas.of(tx, "address", str(address), settings)
        reader = mailbox_users.reader(tx, address, row.owner)
        return {
            **dataclasses.asdict(row),
            "read_by": "" if reader == row.owner else _KINDS[shared_mailboxes.is_shared(tx, reader)],
            "messages": quota.messages,
            "bytes": quota.used,
            "quota": quota.limit,
        }

    found = read(settings, look)
    return show_values(arguments, found) if found else complain(f"there is no address {address}", NOTHING)


def _address_set(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.owner is None and arguments.quota is None:
        raise UsageError("nothing to set: give --owner or --quota")
    address, owner = Address.parse(arguments.address), arguments.owner
    if owner is not None:
        known_user(settings, owner)
    limit = None if arguments.quota is None else _size(arguments.quota)
    made = Change(audited.actor(), time.time())

    def change(tx: Connection) -> bool:
        before = addresses.find(tx, address)
        if before is None:
            return False
        if owner is not None and owner != before.owner:
            address_changes.give(tx, made, before, owner)
        if arguments.quota is not None:
            address_changes.set_quota(tx, made, before, limit)
        return True

    return outcome(write(settings, change), f"there is no address {address}")


def _forward_add(arguments: argparse.Namespace, settings: Settings) -> int:
    address, target = Address.parse(arguments.address), Address.parse(arguments.target)
    if arguments.owner:
        known_user(settings, arguments.owner)
    made = write(
        settings,
        lambda tx: forwards.add(tx, address, target, arguments.owner or addresses.owner_of(tx, address)),
    )
    return DONE if made else complain(f"{address} is forwarded to {target} already", NOTHING)


def _forward_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)
    target = Address.parse(arguments.target) if arguments.target else None
    return outcome(
        write(settings, lambda tx: forwards.remove(tx, address, target)),
        f"{address} is not forwarded" + (f" to {target}" if target else ""),
    )


def _forward_list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: forwards.list_for(tx, arguments.owner))
    return show_rows(arguments, map(dataclasses.asdict, found))


def _domain_alias(arguments: argparse.Namespace, settings: Settings) -> int:
    alias, domain = parse_domain(arguments.alias), parse_domain(arguments.domain)
    if alias == domain:
        raise UsageError("a domain cannot be an alias of itself")
    write(settings, lambda tx: forwards.set_alias(tx, alias, domain))
    return DONE


def _domain_unalias(arguments: argparse.Namespace, settings: Settings) -> int:
    alias = parse_domain(arguments.alias)
    return outcome(write(settings, lambda tx: forwards.remove_alias(tx, alias)), f"{alias} is no alias")


def _domain_aliases(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: forwards.list_aliases(tx, None))
    return show_rows(arguments, map(dataclasses.asdict, found))


def _quota_set(arguments: argparse.Namespace, settings: Settings) -> int:
    scope, name = _subject(arguments.name, settings)
    limit = _size(arguments.size)
    write(settings, lambda tx: quotas.put(tx, scope, name, limit))
    return DONE


def _quota_show(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.name is None:
        found = read(settings, lambda tx: quotas.list_for(tx, None, settings))
    else:
        scope, name = _subject(arguments.name, settings)
        found = [read(settings, lambda tx: quotas.of(tx, scope, name, settings))]
    return show_rows(arguments, map(_row, found))


def _row(quota: Quota) -> dict[str, Any]:
    return dataclasses.asdict(quota)


def _subject(name: str, settings: Settings) -> tuple[Scope, str]:
    """What a name stands for: an address, or a user."""
    if "@" in name:
        return "address", str(Address.parse(name))
    known_user(settings, name)
    return "owner", name


def _size(text: str) -> int | None:
    return None if text == "default" else octets(text)
