"""Addresses, and the relay for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses as address_store
from onifast_shared.recipients import quotas
from onifast_shared.recipients.addresses import AddressRow
from onifast_shared.recipients.quotas import Quota
from onifast_shared.transport import relay as relay_store
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.auth import Who, allow
from onifast_web.access.context import current
from onifast_web.actions import relay as actions
from onifast_web.http.problems import Problem
from onifast_web.reading.render import sentence
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import field_errors, page, user

TLS_CHOICES = (
    ("starttls", "STARTTLS", "usual on port 587"),
    ("tls", "TLS", "usual on port 465"),
    ("none", "None", "only on a network that you trust"),
)


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
    caller, _ = user()
    if request.method == "GET":
        return _address_page()
    if not caller.is_admin:
        raise Problem(403, "Only administrators may do this.")
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
        return _address_page({"address": "This address exists already."})
    return redirect(url_for("webmail.addresses", did="added"), 303)


@allow(Who.ADMINISTRATOR)
def relay() -> AnyResponse:
    """The smart host. The stored password goes into no page."""
    if request.method == "GET":
        return _relay_page(_stored_relay())
    form = {name: request.form.get(name, "") for name in ("relay_host", "relay_port", "relay_user", "relay_tls")}
    try:
        body = actions.RelayBody.model_validate(form | _optional(form))
    except ValidationError as error:
        return _relay_page(form, field_errors(error))
    current().database.write(lambda tx: actions.store(tx, body))
    return redirect(url_for("webmail.relay", did="relay"), 303)


ROUTES = (
    ("GET POST", "/addresses", addresses),
    ("GET POST", "/relay", relay),
)


def _address_page(errors: dict[str, str] | None = None) -> Response:
    caller, _ = user()
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


def _optional(form: dict[str, str]) -> dict[str, Any]:
    """Fields whose absence means something: an empty port is the usual one, an empty password the stored one."""
    given: dict[str, Any] = {"relay_port": form["relay_port"].strip() or None}
    if password := request.form.get("relay_password", ""):
        given["relay_password"] = password
    elif request.form.get("forget_password"):
        given["relay_password"] = ""
    return given


def _stored_relay() -> dict[str, str]:
    try:
        found = current().database.read(relay_store.get)
    except relay_store.RelayError:
        found = None
    if found is None:
        return {"relay_host": "", "relay_port": "587", "relay_user": "", "relay_tls": "starttls"}
    return {
        "relay_host": found.host,
        "relay_port": str(found.port),
        "relay_user": found.user,
        "relay_tls": found.tls,
    }


def _relay_page(form: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    try:
        found = current().database.read(relay_store.get)
    except relay_store.RelayError as error:
        found, errors = None, {"relay_host": f"{error}. Save this form to mend it."} | (errors or {})
    password_set = found is not None and bool(found.password.reveal())
    status = 422 if errors and request.method == "POST" else 200
    return page(
        "relay.html",
        "relay",
        status,
        form=form,
        errors=errors or {},
        tls_choices=TLS_CHOICES,
        password_set=password_set,
    )
