"""Where mail is forwarded to, and the domains that are aliases of others."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses, forwards
from onifast_shared.recipients.forwards import AliasRow, ForwardRow
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError, parse_domain
from pydantic import Field

from onifast_web.access.caller import Caller, Who
from onifast_web.actions import forwards as actions
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable

Text = Annotated[str, Field(max_length=320)]


class ForwardInfo(Model):
    """Mail for `address` goes to `target`; an address that keeps a copy has itself as one of its targets."""

    address: str
    target: str
    owner: str
    created_at: Moment | None


class ForwardList(Model):
    """All of them, by address."""

    forwards: list[ForwardInfo]


class ForwardBody(Model):
    """`address` may be `*@domain`, the domain's catch-all."""

    address: Text
    target: Text


class RemoveForwardQuery(Model):
    """Without `target` all forwards of the address end."""

    address: Text
    target: Text | None = None


class AliasInfo(Model):
    """All addresses of `domain` exist at `alias` too."""

    alias: str
    domain: str
    created_at: Moment | None


class AliasList(Model):
    """All of them, by name."""

    domain_aliases: list[AliasInfo]


class AliasBody(Model):
    """All addresses of `domain` are to exist at `alias` too."""

    alias: Text
    domain: Text


class RemoveAliasQuery(Model):
    """Which alias."""

    alias: Text


def list_forwards(call: Call) -> ForwardList:
    """The forwards of the caller's addresses and domains; every forward for administrators."""
    rows = call.web.database.read(lambda tx: forwards.list_for(tx, call.caller.manages))
    return ForwardList(forwards=[_forward(row) for row in rows])


def add_forward(call: Call) -> ForwardInfo:
    """Sends an address' mail on, instead of into its mailbox; it counts from the next message on."""
    address, target = parsed("address", call.body.address), parsed("target", call.body.target)
    return _forward(call.web.database.write(lambda tx: actions.add(tx, call.caller, address, target)))


def remove_forward(call: Call) -> None:
    """Ends a forward."""
    query: RemoveForwardQuery = call.query
    address = parsed("address", query.address)
    target = parsed("target", query.target) if query.target else None
    if not call.web.database.write(lambda tx: actions.remove(tx, call.caller, address, target)):
        raise not_found("forward")


def list_aliases(call: Call) -> AliasList:
    """The aliases of the caller's domains; all for administrators."""
    rows = call.web.database.read(lambda tx: forwards.list_aliases(tx, call.caller.manages))
    return AliasList(domain_aliases=[_alias(row) for row in rows])


def set_alias(call: Call) -> AliasInfo:
    """Makes a domain an alias of another. A user can do it for two domains that they own."""
    alias, domain = _domain("alias", call.body.alias), _domain("domain", call.body.domain)
    if alias == domain:
        raise unprocessable("alias", "a domain cannot be an alias of itself")

    def change(tx: Connection) -> AliasRow:
        _check_domains(tx, call.caller, alias, domain)
        forwards.set_alias(tx, alias, domain)
        return next(row for row in forwards.list_aliases(tx, None) if row.alias == alias)

    return _alias(call.web.database.write(change))


def remove_alias(call: Call) -> None:
    """Ends an alias."""
    alias = _domain("alias", call.query.alias)

    def change(tx: Connection) -> bool:
        mine = [row for row in forwards.list_aliases(tx, call.caller.manages) if row.alias.lower() == alias]
        return bool(mine) and forwards.remove_alias(tx, alias)

    if not call.web.database.write(change):
        raise not_found("domain alias")


def parsed(field: str, text: str) -> Address:
    """The address that a field holds; raises Problem(422)."""
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise unprocessable(field, str(error)) from None


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/forwards",
        Who.PANEL_USER,
        TokenScope.READ,
        "The forwards of the caller's addresses; all for administrators",
        list_forwards,
        answer=ForwardList,
    ),
    Endpoint(
        "POST",
        "/api/mail/forwards",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Forward an address' mail",
        add_forward,
        body=ForwardBody,
        answer=ForwardInfo,
        status=201,
        failures={409: "It is forwarded there already, or has too many forwards."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/forwards",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "End a forward, or all of an address",
        remove_forward,
        RemoveForwardQuery,
        status=204,
        failures={404: "There is no such forward."},
    ),
    Endpoint(
        "GET",
        "/api/mail/domain-aliases",
        Who.PANEL_USER,
        TokenScope.READ,
        "The aliases of the caller's domains; all for administrators",
        list_aliases,
        answer=AliasList,
    ),
    Endpoint(
        "POST",
        "/api/mail/domain-aliases",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Make a domain an alias of another",
        set_alias,
        body=AliasBody,
        answer=AliasInfo,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/domain-aliases",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "End an alias of a domain",
        remove_alias,
        RemoveAliasQuery,
        status=204,
        failures={404: "There is no such alias."},
    ),
)


def _check_domains(tx: Connection, caller: Caller, *domains: str) -> None:
    for domain in domains:
        if caller.manages is not None and addresses.domain_owner(tx, domain) != caller.manages:
            raise Problem(403, f"{domain} is not one of your domains.")


def _domain(field: str, text: str) -> str:
    try:
        return parse_domain(text.strip())
    except AddressError as error:
        raise unprocessable(field, str(error)) from None


def _forward(row: ForwardRow) -> ForwardInfo:
    return ForwardInfo(address=row.address, target=row.target, owner=row.owner, created_at=_moment(row.created_at))


def _alias(row: AliasRow) -> AliasInfo:
    return AliasInfo(alias=row.alias, domain=row.domain, created_at=_moment(row.created_at))


def _moment(text: str) -> str | None:
    created = times.parse(text)
    return optional_moment(created)
