"""Forwards: where the mail of the user's addresses goes besides or instead of their mailbox."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses as address_store
from onifast_shared.recipients import forwards as store
from onifast_shared.values.address import Address, AddressError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import forwards as actions
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import page, user


@dataclass(frozen=True)
class ForwardLine:
    """A forward in the table; `is_copy` says that the address keeps a copy in its own mailbox."""

    address: str
    target: str
    is_copy: bool


@allow(Who.PANEL_USER)
def forwards() -> AnyResponse:
    """The list with its form; for administrators the forwards of everybody."""
    caller, _username = user()
    if request.method == "GET":
        return _list_page(caller)
    errors: dict[str, str] = {}
    address, target = _address("address", errors), _address("target", errors)
    if address is None or target is None:
        return _list_page(caller, errors)
    if request.form.get("do") == "remove":
        if not current().database.write(lambda tx: actions.remove(tx, caller, address, target)):
            raise not_found("forward")
        return redirect(url_for("webmail.forwards", did="unforwarded", q=wanted() or None), 303)
    keep = request.form.get("keep") == "1"
    try:
        current().database.write(lambda tx: _add(tx, caller, address, target, keep=keep))
    except Problem as problem:
        return _list_page(caller, {"address": problem.detail})
    return redirect(url_for("webmail.forwards", did="forwarded"), 303)


ROUTES = (PageRoute("GET POST", "/forwards", forwards),)
NAV = (
    NavEntry(
        "forwards",
        marked("Forwards"),
        forwards,
        icon="forward",
        group=NavGroup.ADDRESSES,
        order=40,
        hint=marked("Where mail to an address goes besides, or instead."),
    ),
)
NOTICES: Notices = {
    "forwarded": marked("Forward added. It counts from the next message on."),
    "unforwarded": marked("Forward removed."),
}


def _add(tx: Connection, caller: Caller, address: Address, target: Address, *, keep: bool) -> None:
    actions.add(tx, caller, address, target)
    kept = any(known.address.key == address.key for known in store.targets_of(tx, address))
    if keep and not kept and address_store.has_mailbox(tx, address):
        actions.add(tx, caller, address, address)


def _address(name: str, errors: dict[str, str]) -> Address | None:
    try:
        return Address.parse(request.form.get(name, "").strip())
    except AddressError as error:
        errors[name] = sentence(error)
        return None


def _list_page(caller: Caller, errors: dict[str, str] | None = None) -> Response:
    rows = current().database.read(lambda tx: store.list_for(tx, caller.manages))
    found = shown(rows, lambda row: f"{row.address} {row.target}")
    own = current().database.read(lambda tx: address_store.list_for(tx, caller.username))
    return page(
        "forwards.html",
        "forwards",
        422 if errors else 200,
        rows=[ForwardLine(row.address, row.target, row.address.lower() == row.target.lower()) for row in found.rows],
        found=found,
        own=[row.address for row in own],
        errors=errors or {},
        form=request.form if errors else {},
    )
