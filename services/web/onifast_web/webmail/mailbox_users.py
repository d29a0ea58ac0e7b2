"""Mailbox users: who reads an address of the user's in their place, made, reset and removed here.

Mailbox users choose their own password on a page of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, request, url_for
from onifast_shared.accounts import app_passwords, mailbox_users, passwords, second_factor
from onifast_shared.accounts.mailbox_users import MailboxUser, MailboxUserFilter
from onifast_shared.db.database import Connection
from onifast_shared.machine import setting_types
from onifast_shared.recipients import addresses as address_store
from onifast_shared.recipients import mailbox_changes, quotas
from onifast_shared.recipients.mailbox_changes import Change, Fate
from onifast_shared.recipients.quotas import Quota
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.expansion import ANYBODY
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import mailbox_users as actions
from onifast_web.actions import second_factor as second_factors
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown
from onifast_web.webmail.pages import page, user

_LARGEST_QUOTA = 2**53


@dataclass(frozen=True)
class MailboxUserLine:
    """A mailbox user in the list, with what lies in their mailbox."""

    user: MailboxUser
    quota: Quota
    senders: list[str]
    has_second_factor: bool


@dataclass(frozen=True)
class FreshPassword:
    """A password that was made just now."""

    address: str
    password: str


@allow(Who.PANEL_USER)
def mailbox_users_page() -> AnyResponse:
    """The list, and the form that makes one. A new password is in the answer to the form itself alone."""
    caller, _username = user()
    if request.method == "GET":
        return _list_page(caller)
    do = request.form.get("do", "")
    try:
        address = Address.parse(request.form.get("address", "").strip())
    except AddressError as error:
        return _list_page(caller, errors={"address": sentence(error)})
    if do == "create":
        return _create(caller, address)
    if do == "password":
        return _reset(caller, address)
    if do == "reset-second-factor":
        second_factors.reset(current(), caller, str(address))
        return redirect(url_for("webmail.mailbox_users_page", did="mailbox-user-changed"), 303)
    if do == "visit":
        actions.visit(current(), caller, address)
        return redirect(url_for("home"), 303)
    return _change(caller, address, do)


@allow(Who.USER, visitors=True)
def leave_mailbox() -> AnyResponse:
    """Back to the panel user's own mailbox."""
    auth.visit(None)
    return redirect(url_for("webmail.folder", folder="inbox", did="left"), 303)


@allow(Who.MAILBOX_USER)
def password() -> AnyResponse:
    """The page where a mailbox user chooses a password."""
    caller, username = user()
    errors: dict[str, str] = {}
    if request.method == "POST":
        new = request.form.get("new_password", "")
        try:
            actions.choose_password(current(), caller, request.form.get("current_password", ""), new)
        except ValueError as error:
            field = "current_password" if "not your" in str(error) else "new_password"
            errors[field] = sentence(error)
        else:
            return redirect(url_for("webmail.login", did="password"), 303)
    found = current().database.read(lambda tx: mailbox_users.find(tx, username))
    return page(
        "password.html",
        "password",
        422 if errors else 200,
        errors=errors,
        has_password=found is not None and found.has_password,
        shortest=passwords.SHORTEST_PASSWORD,
    )


ROUTES = (
    PageRoute("GET POST", "/mailbox-users", mailbox_users_page),
    PageRoute("POST", "/mailbox-users/leave", leave_mailbox, off_menu="the bar above a visited mailbox posts to it"),
    PageRoute("GET POST", "/password", password),
)
NAV = (
    NavEntry(
        "mailbox-users",
        marked("Mailbox users"),
        mailbox_users_page,
        icon="user",
        group=NavGroup.ADDRESSES,
        order=20,
        hint=marked("People who have a mailbox of their own at your domains."),
    ),
    NavEntry(
        "password",
        marked("Password"),
        password,
        icon="lock",
        group=NavGroup.SIGNING_IN,
        order=10,
        hint=marked("Change your password."),
    ),
)
NOTICES: Notices = {
    "mailbox-user-made": marked("The address has a mailbox of its own now."),
    "mailbox-user-changed": marked("Changed."),
    "mailbox-user-removed": marked("Removed. The address is yours to read again."),
    "left": marked("You are in your own mailbox again."),
}


def _create(caller: Caller, address: Address) -> AnyResponse:
    chosen = request.form.get("password", "")
    makes = request.form.get("kind", "make")
    text = {"choose": chosen, "make": app_passwords.new_password().reveal()}.get(makes)
    try:
        made, _ = actions.create(current(), caller, address, text, move_mail=request.form.get("move_mail") == "1")
    except mailbox_users.MailboxUserError as error:
        return _list_page(caller, errors={"address": sentence(error)})
    except ValueError as error:
        return _list_page(caller, errors={"password": sentence(error)})
    if makes == "make" and text is not None:
        return _list_page(caller, FreshPassword(made.address, text))
    return redirect(url_for("webmail.mailbox_users_page", did="mailbox-user-made"), 303)


def _reset(caller: Caller, address: Address) -> AnyResponse:
    kind = request.form.get("kind", "make")
    text = None if kind == "none" else app_passwords.new_password().reveal()
    hashed = actions.hash_of(current(), text)

    def reset(tx: Connection, change: Change, found: MailboxUser) -> None:
        mailbox_changes.reset_password(tx, change, found, hashed)

    found = actions.change(current(), caller, address, reset)
    if text is None:
        return redirect(url_for("webmail.mailbox_users_page", did="mailbox-user-changed"), 303)
    return _list_page(caller, FreshPassword(found.address, text))


def _change(caller: Caller, address: Address, do: str) -> AnyResponse:
    if do == "remove":
        fate = request.form.get("mail", "")
        if fate not in ("owner", "delete"):
            return _list_page(
                caller, errors={"mail": _("Say what becomes of the mail of %(display)s.", display=address.display)}
            )
        kept: Fate = "owner" if fate == "owner" else "delete"
        actions.remove(current(), caller, address, kept)
        return redirect(url_for("webmail.mailbox_users_page", did="mailbox-user-removed"), 303)
    try:
        limit = _quota() if do == "set" else None
        senders = [Address.parse(text) for text in request.form.getlist("send_as")]
    except ValueError as error:
        return _list_page(caller, errors={"quota": sentence(error)})

    def change(tx: Connection, made: Change, found: MailboxUser) -> None:
        if do in ("disable", "enable"):
            mailbox_changes.set_disabled(tx, made, found, disabled=do == "disable")
        elif do == "set":
            quotas.put(tx, "owner", found.account, limit)
            mailbox_changes.set_senders(tx, made, found, senders)

    actions.change(current(), caller, address, change)
    return redirect(url_for("webmail.mailbox_users_page", did="mailbox-user-changed"), 303)


def _quota() -> int | None:
    text = request.form.get("quota", "").strip()
    if not text:
        return None
    try:
        return int(setting_types.size(0, _LARGEST_QUOTA).parse(text))
    except ValueError:
        raise ValueError(_("space is a number with its unit, such as 500 MiB, or nothing")) from None


def _list_page(caller: Caller, fresh: FreshPassword | None = None, *, errors: dict[str, str] | None = None) -> Response:
    web = current()

    def read(tx: Connection) -> tuple[list[MailboxUserLine], list[str]]:
        everything = mailbox_users.list_page(tx, caller.manages, MailboxUserFilter())
        lines = [
            MailboxUserLine(
                each,
                quotas.of(tx, "owner", each.account, web.settings),
                mailbox_users.senders_of(tx, each.account),
                second_factor.is_on(tx, each.account),
            )
            for each in everything.rows
        ]
        taken = {each.address for each in everything.rows}
        free = [
            row.address
            for row in address_store.list_for(tx, caller.username)
            if row.address.lower() not in taken and not row.address.startswith(ANYBODY)
        ]
        return lines, free

    lines, free = web.database.read(read)
    found = shown(lines, lambda line: f"{line.user.address} {in_script(line.user.address)} {line.user.owner}")
    form = {name: request.form.get(name, "") for name in ("address", "kind", "move_mail")} if errors else {}
    status = 422 if errors else 201 if fresh else 200
    return page(
        "mailbox_users.html",
        "mailbox-users",
        status,
        rows=found.rows,
        found=found,
        free=free,
        fresh=fresh,
        host=web.settings.hostname,
        errors=errors or {},
        form=form,
        may_visit=web.settings.owners_read_mailboxes,
        shortest=passwords.SHORTEST_PASSWORD,
    )
