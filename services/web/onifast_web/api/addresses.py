"""Mail addresses and their owners."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses
from onifast_shared.recipients.addresses import AddressRow
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from pydantic import Field

from onifast_web.access import auth
from onifast_web.access.auth import Who
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable


class AddressInfo(Model):
    """An address of this server, and the panel user whose mailbox it leads to."""

    address: str
    domain: str
    local_part: str
    owner: str
    created_at: Moment | None


class AddressList(Model):
    """All of them, by name."""

    addresses: list[AddressInfo]


class AddBody(Model):
    """A new address, and the panel user who is to own it."""

    address: Annotated[str, Field(max_length=320)]
    owner: Annotated[str, Field(max_length=128)]


class RemoveAddressQuery(Model):
    """Which address."""

    address: Annotated[str, Field(max_length=320)]


def list_addresses(call: Call) -> AddressList:
    """The caller's addresses; every address for administrators."""
    rows = call.web.database.read(lambda tx: addresses.list_for(tx, call.caller.manages))
    return AddressList(addresses=[_info(row) for row in rows])


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
        "The caller's addresses; all for administrators",
        list_addresses,
        answer=AddressList,
    ),
    Endpoint(
        "POST",
        "/api/mail/addresses",
        Who.ADMINISTRATOR,
        "Give an address to a panel user",
        add_address,
        body=AddBody,
        answer=AddressInfo,
        status=201,
        failures={409: "The address exists already."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/addresses",
        Who.ADMINISTRATOR,
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
