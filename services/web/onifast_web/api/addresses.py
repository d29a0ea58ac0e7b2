"""Mail addresses and their owners."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.recipients import address_changes, addresses, quotas
from onifast_shared.recipients.addresses import AddressFilter, AddressRow
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.actions import audited
from onifast_web.api.chosen import any_of
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.api.paged import DomainText, NextCursor, OwnerName, PagedQuery, Part, domain_in_field
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable


class AddressInfo(Model):
    """An address of this server, and the panel user whose mailbox it leads to."""

    address: str
    domain: str
    local_part: str
    owner: str
    created_at: Moment | None


class AddressDetails(AddressInfo):
    """An address with its quota: `quota` octets may lie there, 0 for no limit, of which `bytes` are used."""

    quota: int
    bytes: int
    messages: int


class AddressQuery(PagedQuery):
    """Which addresses: those of an owner, of a domain, and those that `q` is a part of, or of whose owner's name."""

    owner: OwnerName | None = None
    domain: DomainText | None = None
    q: Part | None = None


class AddressList(Model):
    """Addresses, by name."""

    addresses: list[AddressInfo]
    next_cursor: NextCursor


AddressText = Annotated[str, Field(max_length=320, examples=["shop@example.test"])]


class AddBody(Model):
    """A new address, and the panel user who is to own it."""

    address: AddressText
    owner: OwnerName


class AddressPatchBody(Model):
    """What is to be another: the owner, or the quota in octets (0 for no limit, null for the settings')."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [*any_of("owner")["anyOf"], {"required": ["quota"]}]})

    address: AddressText
    owner: OwnerName | None = None
    quota: Annotated[int, Field(ge=0, le=2**53, examples=[1073741824])] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> AddressPatchBody:
        if self.owner is None and "quota" not in self.model_fields_set:
            raise ValueError("give owner or quota")
        return self


class RemoveAddressQuery(Model):
    """Which address."""

    address: AddressText


def list_addresses(call: Call) -> AddressList:
    """The caller's addresses; every address for administrators. Without `limit` all at once."""
    query: AddressQuery = call.query
    domain = domain_in_field("domain", query.domain) if query.domain is not None else None
    wanted = AddressFilter(query.owner, domain, query.q or "")
    page = call.web.database.read(
        lambda tx: addresses.list_page(tx, call.caller.manages, wanted, query.rows, query.cursor)
    )
    return AddressList(addresses=[_info(row) for row in page.rows], next_cursor=page.next_cursor)


def add_address(call: Call) -> AddressInfo:
    """Gives an address to a panel user; it counts from the next RCPT on."""
    body: AddBody = call.body
    address = parsed(body.address)
    owner = auth.user_in_field(call.web, "owner", body.owner)

    def add(tx: Connection) -> AddressRow:
        if not addresses.add(tx, address, owner):
            raise Problem(409, f"{address} exists already.")
        return next(row for row in addresses.list_for(tx, owner) if row.address == str(address))

    return _info(call.web.database.write(add))


def change_address(call: Call) -> AddressDetails:
    """Gives an address another owner, or another quota; both count from the next RCPT on. Mail that came stays."""
    body: AddressPatchBody = call.body
    address = parsed(body.address)
    owner = None if body.owner is None else auth.user_in_field(call.web, "owner", body.owner)
    made = Change(audited.actor(call.caller), call.web.clock())

    def change(tx: Connection) -> AddressDetails:
        before = addresses.find(tx, address)
        if before is None:
            raise not_found("address")
        if owner is not None and owner != before.owner:
            address_changes.give(tx, made, before, owner)
        if "quota" in body.model_fields_set:
            address_changes.set_quota(tx, made, before, body.quota)
        quota = quotas.of(tx, "address", str(address), call.web.settings)
        row = _info(addresses.find(tx, address) or before)
        return AddressDetails(**row.model_dump(), quota=quota.limit, bytes=quota.used, messages=quota.messages)

    return call.web.database.write(change)


def remove_address(call: Call) -> None:
    """Takes an address away. Mail that came to it stays with its owner."""
    address = parsed(call.query.address)
    if not call.web.database.write(lambda tx: addresses.remove(tx, address)):
        raise not_found("address")


def parsed(text: str) -> Address:
    """The address that a field holds; raises Problem(422)."""
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise unprocessable("address", str(error)) from None


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/addresses",
        Who.USER,
        TokenScope.READ,
        "The caller's addresses; all for administrators",
        list_addresses,
        AddressQuery,
        answer=AddressList,
    ),
    Endpoint(
        "POST",
        "/api/mail/addresses",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Give an address to a panel user",
        add_address,
        body=AddBody,
        answer=AddressInfo,
        status=201,
        failures={409: "The address exists already."},
    ),
    Endpoint(
        "PATCH",
        "/api/mail/addresses",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Give an address another owner or quota",
        change_address,
        body=AddressPatchBody,
        answer=AddressDetails,
        failures={404: "There is no such address."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/addresses",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Take an address away",
        remove_address,
        RemoveAddressQuery,
        status=204,
        failures={404: "There is no such address."},
    ),
)


def _info(row: AddressRow) -> AddressInfo:
    created = times.parse(row.created_at)
    return AddressInfo(
        address=row.address,
        domain=row.domain,
        local_part=row.local_part,
        owner=row.owner,
        created_at=optional_moment(created),
    )
