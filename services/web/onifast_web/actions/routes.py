"""Routes of single domains and the addresses that mail leaves from, as administrators set them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from onifast_shared.db.database import Connection
from onifast_shared.transport import names, routes, sources
from onifast_shared.transport.routes import StoredRoute
from onifast_shared.transport.sources import StoredSource
from pydantic import ConfigDict, Field

from onifast_web.http.models import Model

Scope = Literal["recipient_domain", "sender_domain"]
Name = Annotated[str, Field(max_length=320)]
Tls = Literal["none", "starttls", "tls"]


class RouteBody(Model):
    """An empty `host` sends straight to the MX hosts, whatever the relay is. Without `port`, the usual one for `tls`.

    Without `password` the stored one stays, unless host or user change. "" forgets it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"password": {"type": "null"}}},
                {"required": ["user"], "properties": {"user": {"minLength": 1}}},
            ]
        }
    )

    scope: Scope
    name: Name
    host: Annotated[str, Field(max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Tls = "starttls"
    user: Annotated[str, Field(max_length=255)] = ""
    password: Annotated[str, Field(max_length=1024)] | None = None


class SourceBody(Model):
    """A domain has at most one address in each family; another one takes its place."""

    domain: Name
    address: Annotated[str, Field(max_length=64)]
    helo_name: Annotated[str, Field(max_length=255)] = ""


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


def _password(tx: Connection, body: RouteBody, name: str) -> str:
    if body.password is not None:
        return body.password
    old = routes.get(tx, body.scope, name)
    # A password goes nowhere that it was not given for.
    if old is None or old.server is None or (old.server.host, old.server.user) != (body.host.strip(), body.user):
        return ""
    return old.server.password.reveal()
