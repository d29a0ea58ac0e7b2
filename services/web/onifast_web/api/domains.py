"""Domains of this server: their owners, and what is taken away with one."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts import audit
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.audit import Actor
from onifast_shared.db.database import Connection
from onifast_shared.recipients import domains
from onifast_shared.recipients.domains import DomainFilter, DomainRow
from onifast_shared.values import times
from pydantic import ConfigDict, Field

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.actions import audited
from onifast_web.api.chosen import any_of
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.api.paged import DomainText, NextCursor, OwnerName, PagedQuery, Part, domain_in_field
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable

OwnPolicy = Literal["default", "off", "none", "testing", "enforce"]
_OWN_POLICY = Field(
    description="The mode of the MTA-STS policy that web serves for it; `default` is the setting's.",
    examples=["enforce"],
)


class DomainInfo(Model):
    """A domain whose mail is this server's. `addresses` is their number; `alias_of` a domain that it is an alias of.

    `owner`, "" for nobody, sees its DNS records, makes its keys, and sends as all that nobody has of it. `mta_sts` is
    the mode of its MTA-STS policy. `dns` is what `GET /api/mail/domains/dns`, the webmail or the
    shell came to when it was asked last, "" for never.
    """

    domain: str
    owner: str
    addresses: int
    alias_of: str
    mta_sts: Annotated[OwnPolicy, _OWN_POLICY]
    dns: Annotated[
        Literal["", "good", "wrong", "unknown"],
        Field(description="What its DNS came to, of what its mail needs.", examples=["good"]),
    ]
    dns_checked_at: Annotated[Moment | None, Field(description="When DNS was asked; null for never.")]
    created_at: Moment | None


class DomainList(Model):
    """Domains, by name."""

    domains: list[DomainInfo]
    next_cursor: NextCursor


class DomainsQuery(PagedQuery):
    """Which domains: those of an owner, and those that `q` is a part of, or of whose owner's name."""

    owner: OwnerName | None = None
    q: Part | None = None


class DomainBody(Model):
    """A domain, and the panel user who is to own it."""

    domain: DomainText
    owner: OwnerName


class ChangeDomainBody(Model):
    """A domain, and what of it becomes another: its `owner`, its `mta_sts`, or both."""

    model_config = ConfigDict(json_schema_extra=any_of("owner", "mta_sts"))

    domain: DomainText
    owner: OwnerName | None = None
    mta_sts: Annotated[OwnPolicy | None, _OWN_POLICY] = None


class RemoveDomainQuery(Model):
    """Which domain. `addresses` says that its addresses go with it; without, one that has any is not removed."""

    domain: DomainText
    addresses: Annotated[bool, Field(description="Remove its addresses too.")] = False


def list_domains(call: Call) -> DomainList:
    """The domains that the caller owns; all for administrators. Without `limit` all at once."""
    query: DomainsQuery = call.query
    wanted = DomainFilter(query.owner, query.q or "")
    page = call.web.database.read(
        lambda tx: domains.list_page(tx, call.caller.manages, wanted, query.rows, query.cursor)
    )
    return DomainList(domains=[_info(row) for row in page.rows], next_cursor=page.next_cursor)


def add_domain(call: Call) -> DomainInfo:
    """Makes a domain this server's before it has an address; one comes by itself with its first address too."""
    body: DomainBody = call.body
    domain = domain_in_field("domain", body.domain)
    owner = auth.user_in_field(call.web, "owner", body.owner)

    def add(tx: Connection) -> DomainRow:
        if not domains.add(tx, domain, owner):
            raise Problem(409, f"{domain} is here already.")
        return _found(tx, domain)

    return _info(call.web.database.write(add))


def change_domain(call: Call) -> DomainInfo:
    """Gives a domain another owner, or another MTA-STS policy. Its addresses stay whose they are."""
    body: ChangeDomainBody = call.body
    if body.owner is None and body.mta_sts is None:
        raise unprocessable("owner", "say what to change: owner or mta_sts")
    domain = domain_in_field("domain", body.domain)
    owner = None if body.owner is None else auth.user_in_field(call.web, "owner", body.owner)
    by = audited.actor(call.caller)

    def change(tx: Connection) -> DomainRow:
        before = _found(tx, domain)
        if owner is not None:
            domains.set_owner(tx, domain, owner)
            _note(tx, call, by, before, {"from": before.owner, "to": owner})
        if body.mta_sts is not None:
            domains.set_mta_sts(tx, domain, "" if body.mta_sts == "default" else body.mta_sts)
        return _found(tx, domain)

    return _info(call.web.database.write(change))


def remove_domain(call: Call) -> None:
    """Takes a domain away: its mail goes to its MX hosts again. Mail that came, and its keys' files, stay.

    With `addresses` its addresses, forwards, aliases, quotas, limits, source addresses and sandbox go with it.
    """
    query: RemoveDomainQuery = call.query
    domain = domain_in_field("domain", query.domain)
    by = audited.actor(call.caller)

    def remove(tx: Connection) -> None:
        row = _found(tx, domain)
        if row.addresses and not query.addresses:
            many = "1 address" if row.addresses == 1 else f"{row.addresses} addresses"
            raise Problem(409, f"{domain} has {many}; addresses=true removes them with it.")
        domains.remove(tx, domain)
        _note(tx, call, by, row, {"addresses": row.addresses})

    call.web.database.write(remove)


def _found(tx: Connection, domain: str) -> DomainRow:
    row = domains.find(tx, domain)
    if row is None:
        raise not_found("domain")
    return row


def _note(tx: Connection, call: Call, by: Actor, row: DomainRow, details: dict[str, str | int]) -> None:
    """Writes who gave a domain to whom, or took it away."""
    action = "domain.owner" if "to" in details else "domain.remove"
    now, what = call.web.clock(), f"domain:{row.domain}"
    audit.record(tx, by, action, owner=row.owner or None, object=what, details=details, now=now)


def _info(row: DomainRow) -> DomainInfo:
    return DomainInfo.model_validate(
        {
            "domain": row.domain,
            "owner": row.owner,
            "addresses": row.addresses,
            "alias_of": row.alias_of,
            "mta_sts": row.mta_sts or "default",
            "dns": row.dns,
            "dns_checked_at": optional_moment(row.dns_checked_ts),
            "created_at": optional_moment(times.parse(row.created_at)),
        }
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/domains",
        Who.PANEL_USER,
        TokenScope.READ,
        "The caller's domains; all for administrators",
        list_domains,
        DomainsQuery,
        answer=DomainList,
    ),
    Endpoint(
        "POST",
        "/api/mail/domains",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Make a domain this server's",
        add_domain,
        body=DomainBody,
        answer=DomainInfo,
        status=201,
        failures={409: "The domain is here already."},
    ),
    Endpoint(
        "PATCH",
        "/api/mail/domains",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Give a domain another owner, or another MTA-STS policy",
        change_domain,
        body=ChangeDomainBody,
        answer=DomainInfo,
        failures={404: "There is no such domain."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/domains",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Take a domain away",
        remove_domain,
        RemoveDomainQuery,
        status=204,
        failures={404: "There is no such domain.", 409: "It has addresses, and `addresses` is not true."},
    ),
)
