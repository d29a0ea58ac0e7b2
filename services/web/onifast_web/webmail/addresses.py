"""Addresses: the user's; for administrators everybody's, with a form to add and remove."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses as address_store
from onifast_shared.recipients import quotas
from onifast_shared.recipients.addresses import AddressRow
from onifast_shared.recipients.quotas import Quota
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import page, user


@dataclass(frozen=True)
class AddressLine:
    """An address in the table."""

    address: str
    owner: str
    created_at: int | None
    quota: Quota


@allow(Who.USER)
def addresses() -> AnyResponse:
    """The user's addresses; for administrators all of them, with a form to add and remove."""
    caller, _username = user()
    if request.method == "GET":
        return _address_page()
    if not caller.is_admin:
        raise Problem(403, _("Only administrators may do this."))
    text, owner = request.form.get("address", "").strip(), request.form.get("owner", "").strip()
    try:
        address = Address.parse(text)
    except AddressError as error:
        return _address_page({"address": sentence(error)})
    if request.form.get("do") == "remove":
        current().database.write(lambda tx: address_store.remove(tx, address))
        return redirect(url_for("webmail.addresses", did="removed", q=wanted() or None), 303)
    try:
        auth.known_user(current(), owner)
    except ValueError as error:
        return _address_page({"owner": sentence(error)})
    if not current().database.write(lambda tx: address_store.add(tx, address, owner)):
        return _address_page({"address": _("This address exists already.")})
    return redirect(url_for("webmail.addresses", did="added"), 303)


ROUTES = (PageRoute("GET POST", "/addresses", addresses),)
NAV = (
    NavEntry(
        "addresses",
        marked("Addresses"),
        addresses,
        icon="at",
        group=NavGroup.ADDRESSES,
        order=10,
        hint=marked("The addresses at which you get mail."),
    ),
)
NOTICES: Notices = {
    "added": marked("Address added."),
    "removed": marked("Address removed."),
}


def _address_page(errors: dict[str, str] | None = None) -> Response:
    caller, _username = user()
    everything = current().database.read(lambda tx: address_store.list_for(tx, caller.manages))
    found = shown(everything, lambda row: f"{row.address} {in_script(row.address)} {row.owner}")
    rows = current().database.read(lambda tx: [_line(tx, row) for row in found.rows])
    form = {name: request.form.get(name, "") for name in ("address", "owner")}
    status = 422 if errors else 200
    limited = any(row.quota.limit for row in rows)
    return page(
        "addresses.html", "addresses", status, rows=rows, found=found, limited=limited, errors=errors or {}, form=form
    )


def _line(tx: Connection, row: AddressRow) -> AddressLine:
    quota = quotas.of(tx, "address", row.address, current().settings)
    return AddressLine(row.address, row.owner, times.parse(row.created_at), quota)
