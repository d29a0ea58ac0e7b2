"""The commands of onifast-mailctl about shared mailboxes: addresses of a panel user's that several people read."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from onifast_shared.accounts import audit, mailbox_users, shared_mailboxes
from onifast_shared.accounts.mailbox_users import MailboxUser, MailboxUserError, MailboxUserFilter
from onifast_shared.accounts.shared_mailboxes import SharedMailbox
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
    opened,
    read,
    show_rows,
    show_values,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.departed import moving
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts
from onifast_shared.recipients import addresses, mailbox_changes, quotas
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.address import Address, parse_domain
from onifast_shared.values.paging import MOST_ROWS

_PATIENCE = 10.0
_MEMBER = "a panel user by name, a mailbox user of theirs by address"


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "address, owner, members, names sender, unread, messages, octets, quota")
    listing.add_argument("--owner", metavar="USER", help="only this panel user's")
    listing.add_argument("--domain", help="only this domain's")
    listing.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of")
    listing.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by address")
    add(area, "show", _show, "a shared mailbox, who opens it, and its space", "address")
    making = add(area, "add", _add, "make an address a shared mailbox", "address")
    making.add_argument("--member", action="append", default=[], metavar="NAME", help=f"who opens it: {_MEMBER}")
    making.add_argument("--names-sender", action="store_true", help="what leaves it says in its header who wrote it")
    making.add_argument("--move-mail", action="store_true", help="mail that came to the address before goes there")
    setting = add(area, "set", _set, "space, and whether what leaves it says who wrote it", "address")
    setting.add_argument("--quota", metavar="SIZE", help="octets, or with a unit: 500 MiB; 0 for no limit")
    setting.add_argument("--names-sender", choices=("yes", "no"), help="whether its header says who wrote")
    people = add(area, "members", _members, "who opens it, after what is changed of that", "address")
    people.add_argument("--add", action="append", default=[], metavar="NAME", help=_MEMBER)
    people.add_argument("--remove", action="append", default=[], metavar="NAME", help="who opens it no more")
    removing = add(area, "remove", _remove, "end a shared mailbox; the address stays", "address")
    removing.add_argument("--mail", choices=("owner", "delete"), required=True, help="what becomes of its mail")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain) if arguments.domain else None
    wanted = MailboxUserFilter(arguments.owner, domain, arguments.q)

    def rows(tx: Connection) -> list[dict[str, Any]]:
        return [_row(tx, each, settings) for each in shared_mailboxes.list_page(tx, wanted, arguments.limit).rows]

    found = read(settings, rows)
    return show_rows(arguments, found if arguments.json else map(_line, found))


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)

    def look(tx: Connection) -> dict[str, Any] | None:
        found = shared_mailboxes.by_address(tx, address, None)
        return None if found is None else _row(tx, found, settings)

    found = read(settings, look)
    return show_values(arguments, found) if found else _none(arguments)


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)
    with opened(settings) as database:
        owner = next(iter(database.read(lambda tx: addresses.owners_of(tx, address))), None)
        if owner is None:
            raise UsageError(f"there is no address {address}")
        known_user(settings, owner)

        def make(tx: Connection) -> MailboxUser:
            members = shared_mailboxes.accounts_named(tx, owner, arguments.member)
            made = shared_mailboxes.create(tx, address, owner, members, time.time())
            shared_mailboxes.set_names_sender(tx, made.account, names=arguments.names_sender)
            user = _user(tx, made)
            _note(tx, user, "shared-mailbox.create", members=_shown(members))
            return user

        try:
            made = database.write(make)
        except MailboxUserError as error:
            return complain(str(error), NOTHING)
        if arguments.move_mail:
            mailbox_changes.move_earlier_mail(database, made)
    return _show(arguments, settings)


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.quota is None and arguments.names_sender is None:
        raise UsageError("nothing to set: give --quota or --names-sender")
    limit = None if arguments.quota is None else octets(arguments.quota)

    def change(tx: Connection, found: SharedMailbox) -> None:
        if limit is not None:
            quotas.put(tx, "owner", found.account, limit)
            _note(tx, _user(tx, found), "quota.set", quota=limit)
        if arguments.names_sender is not None:
            shared_mailboxes.set_names_sender(tx, found.account, names=arguments.names_sender == "yes")
            _note(tx, _user(tx, found), "shared-mailbox.change", names_sender=arguments.names_sender)

    return DONE if _changed(arguments, settings, change) else NOTHING


def _members(arguments: argparse.Namespace, settings: Settings) -> int:
    def change(tx: Connection, found: SharedMailbox) -> None:
        coming = shared_mailboxes.accounts_named(tx, found.owner, arguments.add)
        leaving = shared_mailboxes.accounts_named(tx, found.owner, arguments.remove)
        if strange := sorted(set(leaving) - set(found.members)):
            raise UsageError(f"{mailbox_accounts.shown(strange[0])} is no member of {found.address}")
        if coming or leaving:
            members = [each for each in dict.fromkeys([*found.members, *coming]) if each not in leaving]
            shared_mailboxes.set_members(tx, found, members)
            _note(tx, _user(tx, found), "shared-mailbox.change", members=_shown(members))

    try:
        if arguments.add or arguments.remove:
            found = _changed(arguments, settings, change)
        else:
            found = read(settings, lambda tx: shared_mailboxes.by_address(tx, Address.parse(arguments.address), None))
    except MailboxUserError as error:
        raise UsageError(str(error)) from None
    if found is None:
        return _none(arguments)
    return show_rows(arguments, ({"member": each} for each in _shown(found.members)))


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    def change(tx: Connection, found: SharedMailbox) -> None:
        mailbox_changes.remove(tx, Change(audited.actor(), time.time()), _user(tx, found), arguments.mail)

    if _changed(arguments, settings, change) is None:
        return NOTHING
    with opened(settings) as database:
        moving.finish(database, _PATIENCE)
    return DONE


def _changed(
    arguments: argparse.Namespace, settings: Settings, fn: Callable[[Connection, SharedMailbox], None]
) -> SharedMailbox | None:
    """The shared mailbox, once it is changed; None, and a complaint, where there is none."""
    address = Address.parse(arguments.address)

    def change(tx: Connection) -> SharedMailbox | None:
        found = shared_mailboxes.by_address(tx, address, None)
        if found is None:
            return None
        fn(tx, found)
        return shared_mailboxes.by_address(tx, address, None) or found

    found = write(settings, change)
    if found is None:
        _none(arguments)
    return found


def _none(arguments: argparse.Namespace) -> int:
    return complain(f"{arguments.address} is no shared mailbox", NOTHING)


def _user(tx: Connection, found: SharedMailbox) -> MailboxUser:
    user = mailbox_users.find(tx, found.account)
    if user is None:
        raise UsageError(f"{found.address} is no shared mailbox")
    return user


def _note(tx: Connection, user: MailboxUser, action: str, **details: object) -> None:
    """A line for the panel user, whose the mailbox is."""
    told = f"shared-mailbox:{user.address}"
    audit.record(tx, audited.actor(), action, owner=user.owner, object=told, details=details, now=time.time())


def _row(tx: Connection, found: SharedMailbox, settings: Settings) -> dict[str, Any]:
    quota = quotas.of(tx, "owner", found.account, settings)
    return {
        "address": found.address,
        "owner": found.owner,
        "members": _shown(found.members),
        "names_sender": found.names_sender,
        "unread": counts.of(tx, found.account)["inbox"].unread,
        "messages": quota.messages,
        "bytes": quota.used,
        "quota": quota.limit,
    }


def _line(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"members": " ".join(row["members"])}


def _shown(accounts: Any) -> list[str]:
    return [mailbox_accounts.shown(each) for each in accounts]
