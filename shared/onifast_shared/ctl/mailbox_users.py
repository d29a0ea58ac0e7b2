"""The commands of onifast-mailctl about mailbox users: who reads an address of a panel user's in their place."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onifast_shared.accounts import audit, mailbox_users, passwords
from onifast_shared.accounts.mailbox_users import MailboxUser, MailboxUserError, MailboxUserFilter
from onifast_shared.ctl import audited
from onifast_shared.ctl.domains import used
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    PASSWORD_FILE,
    UsageError,
    add,
    complain,
    how_many,
    known_user,
    new_password,
    octets,
    opened,
    read,
    show_one,
    show_rows,
    show_values,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.departed import moving
from onifast_shared.limits import consumption
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses, mailbox_changes, quotas
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.values import times
from onifast_shared.values.address import Address, parse_domain
from onifast_shared.values.paging import MOST_ROWS

_PATIENCE = 10.0


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "address, owner, state, password, made, messages, octets, quota")
    listing.add_argument("--owner", metavar="USER", help="only this panel user's")
    listing.add_argument("--domain", help="only this domain's")
    listing.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of")
    listing.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by address")
    add(area, "show", _show, "a mailbox user, what they use, and what their limits leave", "address")
    making = add(area, "add", _add, "make an address a mailbox user; a password that is made is shown now", "address")
    _declare_password(making)
    making.add_argument("--move-mail", action="store_true", help="mail that came to the address before goes to them")
    _declare_password(add(area, "password", _password, "another password; all their logins end", "address"))
    add(area, "disable", _disable, "shut them out; mail comes in all the same", "address")
    add(area, "enable", _enable, "let them in again", "address")
    setting = add(area, "set", _set, "space, and further addresses that they may send from", "address")
    setting.add_argument("--quota", metavar="SIZE", help="octets, or with a unit: 500 MiB; 0 for no limit")
    setting.add_argument("--send-as", action="append", metavar="ADDRESS", help="several; none for no other address")
    removing = add(area, "remove", _remove, "end a mailbox user; the address stays", "address")
    removing.add_argument("--mail", choices=("owner", "delete"), required=True, help="what becomes of their mail")


def _declare_password(command: argparse.ArgumentParser) -> None:
    kinds = command.add_mutually_exclusive_group()
    kinds.add_argument("--password-file", type=Path, metavar="FILE", help=PASSWORD_FILE)
    kinds.add_argument("--no-password", action="store_true", help="app passwords and single sign-on alone")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain) if arguments.domain else None
    wanted = MailboxUserFilter(arguments.owner, domain, arguments.q)

    def rows(tx: Connection) -> list[dict[str, Any]]:
        return [_row(tx, each, settings) for each in mailbox_users.list_page(tx, None, wanted, arguments.limit).rows]

    return show_rows(arguments, read(settings, rows))


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    address = Address.parse(arguments.address)

    def look(tx: Connection) -> dict[str, Any] | None:
        found = mailbox_users.find_for(tx, address, None)
        if found is None or found.is_shared:
            return None
        return _row(tx, found, settings) | used(consumption.of_user(tx, found.account, settings, time.time()))

    found = read(settings, look)
    return show_values(arguments, found) if found else complain(f"{address} has no mailbox user", NOTHING)


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    address, (password, hashed) = Address.parse(arguments.address), _new_password(arguments)
    with opened(settings) as database:
        owner = next(iter(database.read(lambda tx: addresses.owners_of(tx, address))), None)
        if owner is None:
            raise UsageError(f"there is no address {address}")
        known_user(settings, owner)
        try:
            made = database.write(lambda tx: mailbox_changes.create(tx, _by_shell(), address, owner, hashed))
        except MailboxUserError as error:
            return complain(str(error), NOTHING)
        moved = mailbox_changes.move_earlier_mail(database, made) if arguments.move_mail else 0
    values = {"address": made.address, "owner": made.owner, "password": password, "moved": moved}
    return show_one(arguments, values, password or made.address)


def _password(arguments: argparse.Namespace, settings: Settings) -> int:
    password, hashed = _new_password(arguments)
    found = _change(
        arguments, settings, lambda tx, change, user: mailbox_changes.reset_password(tx, change, user, hashed)
    )
    if found is None:
        return NOTHING
    return show_one(arguments, {"address": found.address, "password": password}, password or found.address)


def _disable(arguments: argparse.Namespace, settings: Settings) -> int:
    return _switch(arguments, settings, disabled=True)


def _enable(arguments: argparse.Namespace, settings: Settings) -> int:
    return _switch(arguments, settings, disabled=False)


def _switch(arguments: argparse.Namespace, settings: Settings, *, disabled: bool) -> int:
    return _done(
        _change(
            arguments,
            settings,
            lambda tx, change, user: mailbox_changes.set_disabled(tx, change, user, disabled=disabled),
        )
    )


def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.quota is None and arguments.send_as is None:
        raise UsageError("nothing to set: give --quota or --send-as")
    limit = None if arguments.quota is None else octets(arguments.quota)
    given = [each for each in arguments.send_as or [] if each != "none"]
    senders = [Address.parse(each) for each in given]

    def change(tx: Connection, made: Change, user: MailboxUser) -> None:
        if limit is not None:
            quotas.put(tx, "owner", user.account, limit)
            audit.record(tx, made.by, "quota.set", owner=user.account, details={"quota": limit}, now=made.now)
        if arguments.send_as is not None:
            mailbox_changes.set_senders(tx, made, user, senders)

    try:
        return _done(_change(arguments, settings, change))
    except MailboxUserError as error:
        raise UsageError(str(error)) from None


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    found = _change(
        arguments, settings, lambda tx, change, user: mailbox_changes.remove(tx, change, user, arguments.mail)
    )
    if found is not None:
        with opened(settings) as database:
            moving.finish(database, _PATIENCE)
    return _done(found)


def _change(
    arguments: argparse.Namespace, settings: Settings, fn: Callable[[Connection, Change, MailboxUser], None]
) -> MailboxUser | None:
    """The mailbox user, once they are changed; None, and a complaint, where there is none."""
    address = Address.parse(arguments.address)

    def change(tx: Connection) -> MailboxUser | None:
        found = mailbox_users.find_for(tx, address, None)
        found = None if found is not None and found.is_shared else found
        if found is not None:
            fn(tx, _by_shell(), found)
        return found

    found = write(settings, change)
    if found is None:
        complain(f"{address} has no mailbox user", NOTHING)
    return found


def _done(found: MailboxUser | None) -> int:
    return NOTHING if found is None else DONE


def _new_password(arguments: argparse.Namespace) -> tuple[str | None, str | None]:
    """The password to show, if it is made here, and its hash; raises UsageError."""
    if arguments.no_password:
        return None, None
    shown, password = new_password(arguments.password_file)
    try:
        return shown, passwords.hashed(password)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except ImportError:
        raise UsageError("passwords are hashed by argon2-cffi, which comes with onifast-mail[web]") from None


def _row(tx: Connection, user: MailboxUser, settings: Settings) -> dict[str, Any]:
    quota = quotas.of(tx, "owner", user.account, settings)
    state = "disabled" if user.is_disabled else "active"
    return {
        "address": user.address,
        "owner": user.owner,
        "state": state if user.is_listed else "address_gone",
        "has_password": user.has_password,
        "created_at": times.rfc3339(user.created_ts),
        "messages": quota.messages,
        "bytes": quota.used,
        "quota": quota.limit,
        "send_as": " ".join(mailbox_users.senders_of(tx, user.account)),
    }


def _by_shell() -> Change:
    return Change(audited.actor(), time.time())
