"""Shared mailboxes: opened by their members, made and changed by their panel user; and the marks of a message."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.accounts import mailbox_users, shared_mailboxes
from onifast_shared.accounts.mailbox_users import MailboxUserError, MailboxUserFilter
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses as address_store
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.expansion import ANYBODY
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import mailbox_users as users
from onifast_web.actions import team
from onifast_web.actions.team import TeamChange
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user


@allow(Who.USER)
def shared_mailboxes_page() -> AnyResponse:
    """The shared mailboxes that the user opens or owns, with what a panel user changes there."""
    caller, username = user()
    if request.method == "GET":
        return _list_page(caller)
    try:
        address = Address.parse(request.form.get("address", "").strip())
    except AddressError as error:
        return _list_page(caller, {"address": sentence(error)})
    do = request.form.get("do", "")
    if do == "open":
        return _open(caller.member or username, address)
    if caller.belongs_to is not None:
        raise Problem(403, _("Only panel users may do this."))
    if do == "remove":
        return _remove(caller, address)
    try:
        _put(caller, address)
    except MailboxUserError as error:
        return _list_page(caller, {"address": sentence(error)})
    return redirect(url_for("webmail.shared_mailboxes_page", did="shared-mailbox-saved"), 303)


@allow(Who.USER)
def team_marks(email_id: int) -> AnyResponse:
    """Assigns a message of a shared mailbox, or marks it as done, and shows it again."""
    caller, _username = user()
    do, assigned = request.form.get("do", ""), request.form.get("assigned_to", "")
    web = current()
    if do == "assign":
        mailbox = web.database.read(lambda tx: team.mailbox_of(tx, caller))
        try:
            wanted = TeamChange(assigned_to=team.member_named(mailbox, assigned) if assigned else None)
        except ValueError as error:
            raise Problem(422, sentence(error)) from None
    elif do in ("done", "not-done"):
        wanted = TeamChange(done=do == "done")
    else:
        raise Problem(400, _("That is not known."))
    if not 0 < email_id < 2**63:
        raise not_found()
    team.change(web, caller, [email_id], wanted)
    return redirect(_where(email_id), 303)


def _where(email_id: int) -> str:
    """Where the marks were set: on the message's page, or on its conversation's."""
    number = request.form.get("conversation", 0, type=int)
    if not 0 < number < 2**63:
        return url_for("webmail.message", email_id=email_id)
    place, there = request.form.get("place") or None, f"message-{email_id}"
    return url_for("webmail.conversation", conversation_id=number, place=place, _anchor=there)


ROUTES = (
    PageRoute("GET POST", "/shared-mailboxes", shared_mailboxes_page),
    PageRoute("POST", "/messages/<int:email_id>/team", team_marks, off_menu="the message's page posts to it"),
)
NAV = (
    NavEntry(
        "shared-mailboxes",
        marked("Shared mailboxes"),
        shared_mailboxes_page,
        icon="users",
        group=NavGroup.ADDRESSES,
        order=30,
        hint=marked("Mailboxes that several people read together."),
    ),
)
NOTICES: Notices = {
    "shared-mailbox-saved": marked("Saved."),
    "shared-mailbox-removed": marked("Removed. The address is yours to read again."),
}


def _open(person: str, address: Address) -> AnyResponse:
    found = current().database.read(lambda tx: shared_mailboxes.opened_by(tx, person))
    mailbox = next((each for each in found if each.address == address.key), None)
    if mailbox is None:
        raise not_found("shared mailbox")
    auth.visit(mailbox.account)
    return redirect(url_for("home"), 303)


def _remove(caller: Caller, address: Address) -> AnyResponse:
    fate = request.form.get("mail", "")
    if fate not in ("owner", "delete"):
        return _list_page(
            caller, {"address": _("Say what becomes of the mail of %(display)s.", display=address.display)}
        )
    if current().database.read(lambda tx: shared_mailboxes.by_address(tx, address, caller.manages)) is None:
        raise not_found("shared mailbox")
    users.remove(current(), caller, address, "owner" if fate == "owner" else "delete")
    return redirect(url_for("webmail.shared_mailboxes_page", did="shared-mailbox-removed"), 303)


def _put(caller: Caller, address: Address) -> None:
    """Makes a shared mailbox, or changes the one that there is; raises MailboxUserError."""
    web, wanted, names = current(), request.form.getlist("members"), request.form.get("names_sender") == "1"

    def put(tx: Connection) -> None:
        found = shared_mailboxes.by_address(tx, address, caller.manages)
        owner = found.owner if found else caller.manages or next(iter(address_store.owners_of(tx, address)), "")
        members = shared_mailboxes.accounts_named(tx, owner, wanted)
        if found is None:
            found = shared_mailboxes.create(tx, address, owner, members, web.clock())
        else:
            shared_mailboxes.set_members(tx, found, members)
        shared_mailboxes.set_names_sender(tx, found.account, names=names)

    web.database.write(put)


def _list_page(caller: Caller, errors: dict[str, str] | None = None) -> Response:
    person = caller.member or caller.username or ""

    def read(tx: Connection) -> dict[str, object]:
        owned = [] if caller.belongs_to else shared_mailboxes.of_owner(tx, caller.manages)
        opens = shared_mailboxes.opened_by(tx, person)
        others = mailbox_users.list_page(tx, person, MailboxUserFilter()).rows if caller.belongs_to is None else []
        taken = {each.address for each in owned} | {each.address for each in others}
        return {
            "opens": opens,
            "owned": owned,
            "people": [person, *(each.address for each in others)],
            "free": [
                row.address
                for row in (address_store.list_for(tx, person) if caller.belongs_to is None else [])
                if row.address.lower() not in taken and not row.address.startswith(ANYBODY)
            ],
        }

    found = current().database.read(read)
    status = 422 if errors else 200
    return page("shared_mailboxes.html", "shared-mailboxes", status, errors=errors or {}, **found)
