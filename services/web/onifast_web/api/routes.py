"""Routes of single domains, and the addresses that mail leaves from: administrators decide about both."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.transport import names, routes, sources
from onifast_shared.transport.names import BadField
from onifast_shared.transport.routes import StoredRoute
from onifast_shared.transport.sources import StoredSource
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import routes as actions
from onifast_web.actions.routes import Name, RouteBody, Scope, SourceBody, Tls
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found, unprocessable


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
    """All of them."""

    routes: list[RouteInfo]


class RemoveRouteQuery(Model):
    """Which route."""

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
        return _route(call.web.database.write(lambda tx: actions.store_route(tx, body, now)))
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
        return _source(call.web.database.write(actions.store_source(call.body, int(call.web.clock()))))
    except BadField as error:
        raise unprocessable(error.field, str(error)) from None


def remove_source(call: Call) -> None:
    """Has a domain's mail leave from the settings' addresses again."""
    query: RemoveSourceQuery = call.query
    domain = _name(query.domain, "domain")
    family: sources.Family | None = None if query.family is None else 6 if query.family == 6 else 4
    if not call.web.database.write(lambda tx: sources.remove(tx, domain, family)):
        raise not_found("source address")


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/routes",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Routes of single domains",
        list_routes,
        answer=RouteList,
    ),
    Endpoint(
        "POST",
        "/api/mail/routes",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Set a route",
        set_route,
        body=RouteBody,
        answer=RouteInfo,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/routes",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Take a route away",
        remove_route,
        RemoveRouteQuery,
        failures={404: "There is no such route."},
    ),
    Endpoint(
        "GET",
        "/api/mail/sources",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "The addresses that mail of single domains leaves from",
        list_sources,
        answer=SourceList,
    ),
    Endpoint(
        "POST",
        "/api/mail/sources",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Set a domain's source address",
        set_source,
        body=SourceBody,
        answer=SourceInfo,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/sources",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Take a domain's source addresses away",
        remove_source,
        RemoveSourceQuery,
        failures={404: "The domain has no such address."},
    ),
)


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
