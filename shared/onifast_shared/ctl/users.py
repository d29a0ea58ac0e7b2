"""The commands of onifast-mailctl about panel users: who there is, who is gone, and what becomes of what they left."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from onifast_shared.accounts.panel_users import AccountError, UserDirectory
from onifast_shared.accounts.user_files import UserFiles
from onifast_shared.ctl import audited
from onifast_shared.ctl.domains import used
from onifast_shared.ctl.tools import (
    NOTHING,
    PASSWORD_FILE,
    WRONG,
    UsageError,
    add,
    complain,
    how_many,
    identifier,
    new_password,
    opened,
    outcome,
    read,
    read_password,
    show_one,
    show_rows,
    show_values,
    write,
)
from onifast_shared.departed import changes, store, watching
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.departed.store import UserChangeError
from onifast_shared.limits import consumption
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import residents
from onifast_shared.recipients.login_directory import LoginDirectory
from onifast_shared.recipients.residents import UserFilter, UserRow, UserState
from onifast_shared.values import mailbox_accounts, times
from onifast_shared.values.paging import MOST_ROWS


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(
        area, "list", _list, "name, administrator, disabled, state, addresses, domains, messages, octets, since"
    )
    listing.add_argument("--state", choices=get_args(UserState), help="only those in this state")
    listing.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of the name of")
    listing.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by name")
    add(area, "show", _show, "a user's state, and what they use", "user")
    making = add(
        area, "add", _add, "write a new user's file (setting writes_users); shows a password made here", "user"
    )
    changing = add(area, "password", _password, "give a user another password (setting writes_users)", "user")
    for each in (making, changing):
        each.add_argument("--password-file", type=Path, metavar="FILE", help=PASSWORD_FILE)
    checking = add(
        area, "password-check", _check_password, "whether a password is a user's; an address does too", "user"
    )
    checking.add_argument("--password-file", type=Path, metavar="FILE", default=Path("-"), help=PASSWORD_FILE)
    removing = add(area, "remove", _remove, "set aside all that is a user's; their name is free at once", "user")
    removing.add_argument("--file", action="store_true", help="take their file away first (setting writes_users)")
    restoring = add(area, "restore", _restore, "give back what was set aside", "user")
    restoring.add_argument("--id", type=identifier, help="which of their departures; the last unless given")
    restoring.add_argument("--as", dest="new_name", metavar="NAME", help="to a user of another name")
    restoring.add_argument("--merge", action="store_true", help="though that user has something: both are one")
    add(area, "rename", _rename, "give all that is a user's to their new name", "user", "new_name")
    add(area, "departed", _departed, "number, name, gone since, deleted at, messages, octets, moving, by whom")
    add(area, "missing", _missing, "name, missing since, waits for confirmation, confirmed by whom")
    confirming = add(area, "confirm", _confirm, "say that users who vanished with many others are gone")
    confirming.add_argument("user", nargs="*")
    confirming.add_argument("--all", action="store_true", help="all who wait for it")
    add(area, "purge", _purge, "delete now what is kept of a departed user").add_argument("id", type=identifier)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    directory = UserDirectory(settings)
    wanted = UserFilter(arguments.state, arguments.q)
    page = read(settings, lambda tx: residents.list_page(tx, directory, wanted, arguments.limit))
    for row in page.rows:
        if row.state == "broken":
            _complain_of_file(directory, row.username)
    return show_rows(arguments, map(_row, page.rows))


def _row(row: UserRow) -> dict[str, Any]:
    return {
        "username": row.username,
        "is_admin": row.is_admin,
        "disabled": row.state == "disabled",
        "state": row.state,
        "addresses": row.addresses,
        "domains": row.domains,
        "messages": row.messages,
        "bytes": row.octets,
        "since": None if row.since_ts is None else times.rfc3339(row.since_ts),
    }


def _complain_of_file(directory: UserDirectory, username: str) -> None:
    try:
        directory.get(username)
    except AccountError as error:
        complain(str(error), WRONG)


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    directory, name = UserDirectory(settings), arguments.user
    row = read(settings, lambda tx: residents.find(tx, directory, name))
    if row is None:
        return complain(f"there is no user {name}", NOTHING)
    if row.state == "broken":
        _complain_of_file(directory, name)
    usage = read(settings, lambda tx: consumption.of_user(tx, name, settings, time.time()))
    return show_values(arguments, _row(row) | used(usage))


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    name, (shown, password) = arguments.user, new_password(arguments.password_file)
    files = UserFiles(settings)
    files.check()
    if read(settings, lambda tx: store.is_moving(tx, name)):
        raise UsageError(f"what an earlier user {name} left is still being set aside")
    if not _written(lambda: files.create(name, password)):
        return complain(f"there is a user {name} already", NOTHING)
    return show_one(arguments, {"username": name, "password": shown}, shown or name)


def _password(arguments: argparse.Namespace, settings: Settings) -> int:
    name, (shown, password) = arguments.user, new_password(arguments.password_file)
    files = UserFiles(settings)
    files.check()
    if not _written(lambda: files.set_password(name, password)):
        return complain(f"there is no user {name}", NOTHING)
    return show_one(arguments, {"username": name, "password": shown}, shown or name)


def _written(write_file: Callable[[], bool]) -> bool:
    try:
        return write_file()
    except ValueError as error:
        raise UsageError(str(error)) from None
    except ImportError:
        raise UsageError("passwords are hashed by bcrypt or argon2-cffi, which come with onifast-mail[web]") from None


def _check_password(arguments: argparse.Namespace, settings: Settings) -> int:
    password = read_password(arguments.password_file).reveal()
    with opened(settings) as database:
        directory = LoginDirectory(settings, database)
        user = directory.opened_by(directory.named(arguments.user), password)
    if user is None:
        if arguments.json:
            show_values(arguments, {"matches": False, "username": None, "owner": None})
        return complain(f"that is not the password of {arguments.user}, or they may not log in", NOTHING)
    name = mailbox_accounts.shown(user.username)
    return show_one(arguments, {"matches": True, "username": name, "owner": user.belongs_to}, name)


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    removed = UserFiles(settings).remove(arguments.user) if arguments.file else False
    return _change(arguments, settings, UserChangeRequest(changes.REMOVE, arguments.user, _by()), has_ended=removed)


def _restore(arguments: argparse.Namespace, settings: Settings) -> int:
    request = UserChangeRequest(
        changes.RESTORE, arguments.user, _by(), arguments.new_name, arguments.id, merge=arguments.merge
    )
    return _change(arguments, settings, request)


def _rename(arguments: argparse.Namespace, settings: Settings) -> int:
    return _change(arguments, settings, UserChangeRequest(changes.RENAME, arguments.user, _by(), arguments.new_name))


def _purge(arguments: argparse.Namespace, settings: Settings) -> int:
    return _change(arguments, settings, UserChangeRequest(changes.PURGE, "", _by(), departure_id=arguments.id))


def _change(
    arguments: argparse.Namespace, settings: Settings, request: UserChangeRequest, *, has_ended: bool = False
) -> int:
    """Does what is asked for. `has_ended`: the user's file was there, so that a removal of nothing more is one too."""
    with opened(settings) as database:
        try:
            done = changes.done_at_once(database, request, time.time(), math.inf)
        except UserChangeError as error:
            if error.status == store.NOT_FOUND:
                return complain(str(error), NOTHING)
            raise UsageError(str(error)) from None
    if request.action == changes.REMOVE and done.departure_id is None and not has_ended:
        return complain(f"there is nothing of a user {request.username}", NOTHING)
    for address in done.lost:
        complain(f"{address} is somebody else's by now", NOTHING)
    values = {"id": done.departure_id, "username": request.username, "lost": list(done.lost)}
    return show_one(arguments, values, _said(request.action, done.departure_id))


def _said(action: str, departure_id: int | None) -> str:
    if action == changes.REMOVE:
        return f"set aside as number {departure_id}" if departure_id else "removed; there was nothing to set aside"
    return {changes.RESTORE: "restored", changes.RENAME: "renamed", changes.PURGE: "being deleted"}[action]


def _departed(arguments: argparse.Namespace, settings: Settings) -> int:
    kept = settings.departed_mail_kept
    rows = [
        {
            "id": each.id,
            "username": each.username,
            "departed_at": times.rfc3339(each.departed_ts),
            "deleted_at": times.rfc3339(each.departed_ts + kept),
            "messages": each.messages,
            "bytes": each.octets,
            "moving": each.is_moving,
            "asked_by": each.asked_by,
        }
        for each in read(settings, store.list_all)
    ]
    return show_rows(arguments, rows)


def _missing(arguments: argparse.Namespace, settings: Settings) -> int:
    rows = [
        {
            "username": each.username,
            "missing_since": times.rfc3339(each.since_ts),
            "waits": each.waits,
            "confirmed_by": each.confirmed_by,
        }
        for each in read(settings, watching.list_missing)
    ]
    return show_rows(arguments, rows)


def _confirm(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.all == bool(arguments.user):
        raise UsageError("name users, or say --all")
    by = _by()
    confirmed = write(
        settings,
        lambda tx: watching.confirm(tx, watching.waiting(tx) if arguments.all else arguments.user, by),
    )
    if confirmed:
        return show_one(arguments, {"confirmed": confirmed}, "\n".join(confirmed))
    return outcome(confirmed, "nobody of that name waits to be confirmed")


def _by() -> str:
    return audited.actor().name
