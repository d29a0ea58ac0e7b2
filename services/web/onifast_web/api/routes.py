"""Routes of single domains, and the addresses that mail leaves from: administrators decide about both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from onifast_shared.db.database import Connection
from onifast_shared.transport import names, routes, sources
from onifast_shared.transport.names import BadField
from onifast_shared.transport.routes import StoredRoute
from onifast_shared.transport.sources import StoredSource
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.auth import Who
from onifast_web.api.endpoint import Call, Endpoint, Model, Moment, unprocessable
from onifast_web.http.problems import not_found

Scope = Literal["recipient_domain", "sender_domain"]
Name = Annotated[str, Field(max_length=320)]
Tls = Literal["none", "starttls", "tls"]


class RouteInfo(Model):
    """`name` is a domain, or `*.` and one for all below it. An empty `host` means straight to the MX hosts."""

    scope: Scope
    name: str
    host: str
    port: int
    tls: Tls
    user: str
    password_set: bool
    created_at: Moment


class RouteList(Model):
    routes: list[RouteInfo]


class RouteBody(Model):
    """An empty `host` sends straight to the MX hosts, whatever the relay is. Without `port`, the usual one for `tls`.

    Without `password` the stored one stays, unless host or user change. "" forgets it.
    """

    scope: Scope
    name: Name
    host: Annotated[str, Field(max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Tls = "starttls"
    user: Annotated[str, Field(max_length=255)] = ""
    password: Annotated[str, Field(max_length=1024)] | None = None


class RemoveRouteQuery(Model):
    scope: Scope
    name: Name


class SourceInfo(Model):
    """`helo_name` is empty where the settings say what the address is called in EHLO."""

    domain: str
    address: str
    helo_name: str
    created_at: Moment


class SourceList(Model):
    """`settings` are those that mail of all other domains leaves from: `ADDRESS` or `ADDRESS=NAME`."""

    sources: list[SourceInfo]
    settings: list[str]


class SourceBody(Model):
    """A domain has at most one address in each family; another one takes its place."""

    domain: Name
    address: Annotated[str, Field(max_length=64)]
    helo_name: Annotated[str, Field(max_length=255)] = ""


class RemoveSourceQuery(Model):
    """Without `family` (4 or 6) both addresses of the domain are taken away."""

    domain: Name
    family: Annotated[int, Field(ge=4, le=6, multiple_of=2)] | None = None


def list_routes(call: Call) -> RouteList:
    """Every route, without passwords."""
    return RouteList(routes=[_route(row) for row in call.web.database.read(routes.list_all)])


def set_route(call: Call) -> RouteInfo:
    """Sets a route, or changes the one of its name; it counts from the next attempt on."""
    body: RouteBody = call.body
    now = int(call.web.clock())
    try:
        return _route(call.web.database.write(lambda tx: store_route(tx, body, now)))
    except BadField as error:
        raise unprocessable(error.field, str(error)) from None


def remove_route(call: Call) -> None:
    """Takes a route away."""
    query: RemoveRouteQuery = call.query
    name = _name(query.name, "name")
    if not call.web.database.write(lambda tx: routes.remove(tx, query.scope, name)):
        raise not_found("route")


def list_sources(call: Call) -> SourceList:
    """Every domain's source addresses, and the settings'."""
    rows = call.web.database.read(sources.list_all)
    return SourceList(
        sources=[_source(row) for row in rows], settings=list(map(str, call.web.settings.source_addresses))
    )


def set_source(call: Call) -> SourceInfo:
    """Sets the address of this machine that a domain's mail leaves from; it counts from the next attempt on."""
    try:
        return _source(call.web.database.write(store_source(call.body, int(call.web.clock()))))
    except BadField as error:
        raise unprocessable(error.field, str(error)) from None


def remove_source(call: Call) -> None:
    """Has a domain's mail leave from the settings' addresses again."""
    query: RemoveSourceQuery = call.query
    domain = _name(query.domain, "domain")
    family: sources.Family | None = None if query.family is None else 6 if query.family == 6 else 4
    if not call.web.database.write(lambda tx: sources.remove(tx, domain, family)):
        raise not_found("source address")


def store_route(tx: Connection, body: RouteBody, now: int) -> StoredRoute:
    """Stores what a request or a form says. Raises BadField."""
    name = names.checked(body.name)
    password = _password(tx, body, name)
    server = routes.checked_server(body.host, body.port, body.user, password, body.tls)
    routes.put(tx, StoredRoute(body.scope, name, server, now))
    stored = routes.get(tx, body.scope, name)
    assert stored is not None  # noqa: S101 - written in this transaction
    return stored


def store_source(body: SourceBody, now: int) -> Callable[[Connection], StoredSource]:
    """What stores a checked request or form. Raises BadField at once."""
    checked = sources.checked(body.domain, body.address, body.helo_name)
    source = StoredSource(checked.domain, checked.address, checked.helo_name, now)

    def write(tx: Connection) -> StoredSource:
        sources.put(tx, source)
        return source

    return write


ENDPOINTS = (
    Endpoint("GET", "/api/mail/routes", Who.ADMINISTRATOR, "Routes of single domains", list_routes, answer=RouteList),
    Endpoint("POST", "/api/mail/routes", Who.ADMINISTRATOR, "Set a route", set_route, body=RouteBody, answer=RouteInfo),
    Endpoint(
        "DELETE",
        "/api/mail/routes",
        Who.ADMINISTRATOR,
        "Take a route away",
        remove_route,
        RemoveRouteQuery,
        failures={404: "There is no such route."},
    ),
    Endpoint(
        "GET",
        "/api/mail/sources",
        Who.ADMINISTRATOR,
        "The addresses that mail of single domains leaves from",
        list_sources,
        answer=SourceList,
    ),
    Endpoint(
        "POST",
        "/api/mail/sources",
        Who.ADMINISTRATOR,
        "Set a domain's source address",
        set_source,
        body=SourceBody,
        answer=SourceInfo,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/sources",
        Who.ADMINISTRATOR,
        "Take a domain's source addresses away",
        remove_source,
        RemoveSourceQuery,
        failures={404: "The domain has no such address."},
    ),
)


def _password(tx: Connection, body: RouteBody, name: str) -> str:
    if body.password is not None:
        return body.password
    old = routes.get(tx, body.scope, name)
    # A password goes nowhere that it was not given for.
    if old is None or old.server is None or (old.server.host, old.server.user) != (body.host.strip(), body.user):
        return ""
    return old.server.password.reveal()


def _name(text: str, field: str) -> str:
    try:
        return names.checked(text, field)
    except BadField as error:
        raise unprocessable(field, str(error)) from None


def _route(route: StoredRoute) -> RouteInfo:
    server = route.server
    return RouteInfo(
        scope=route.scope,
        name=route.name,
        host=server.host if server else "",
        port=server.port if server else 25,
        tls=server.tls if server else "none",
        user=server.user if server else "",
        password_set=bool(server and server.password.reveal()),
        created_at=times.rfc3339(route.created_ts),
    )


def _source(source: StoredSource) -> SourceInfo:
    return SourceInfo(
        domain=source.domain,
        address=source.address,
        helo_name=source.helo_name,
        created_at=times.rfc3339(source.created_ts),
    )
