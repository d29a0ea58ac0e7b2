"""The commands of onifast-mailctl about mail on its way out: routes, and the addresses that it leaves from."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from onifast_shared import relay
from onifast_shared.config import Settings
from onifast_shared.ctl.tools import DONE, NOTHING, UsageError, add, complain, read, read_password, show_rows, write
from onifast_shared.relay import Relay
from onifast_shared.transport import names, routes, sources
from onifast_shared.transport.names import BadField
from onifast_shared.transport.routes import Scope, StoredRoute
from onifast_shared.transport.sources import StoredSource

_SCOPES: dict[str, Scope] = {"to": "recipient_domain", "from": "sender_domain"}


def declare_routes(area: Any) -> None:
    """Adds the commands about routes to their area."""
    add(area, "list", _route_list, "scope, domain, host, port, TLS, user, whether a password is set")
    setting = add(area, "set", _route_set, "send mail to (or from) a domain through a host, or direct to its MX hosts")
    _add_scope(setting)
    setting.add_argument("host", help="a host name or address; direct for MX hosts whatever the relay is")
    setting.add_argument("--port", type=int, help="25, 587 for starttls or 465 for tls unless given")
    setting.add_argument("--tls", choices=relay.TLS_MODES, default="starttls")
    setting.add_argument("--user", default="", help="the name to log in with")
    setting.add_argument("--password-file", type=Path, metavar="FILE", help="its first line; - is standard input")
    _add_scope(add(area, "remove", _route_remove, "take a route away"))


def declare_sources(area: Any) -> None:
    """Adds the commands about source addresses to their area."""
    add(area, "list", _source_list, "domain, address, name in EHLO")
    setting = add(area, "set", _source_set, "send a domain's mail from an address of this machine", "domain", "address")
    setting.add_argument("--helo", default="", metavar="NAME", help="the name that the address' reverse DNS has")
    removing = add(area, "remove", _source_remove, "send a domain's mail from the settings' addresses again", "domain")
    removing.add_argument("--family", type=int, choices=(4, 6), help="IPv4 or IPv6 alone")


def _add_scope(command: argparse.ArgumentParser) -> None:
    command.add_argument("direction", choices=tuple(_SCOPES), help="whether the domain is the recipient's or sender's")
    command.add_argument("domain", help="a domain, or *.DOMAIN for all below it")


def _route_list(arguments: argparse.Namespace, settings: Settings) -> int:
    return show_rows(arguments, map(_route_row, read(settings, routes.list_all)))


def _route_row(route: StoredRoute) -> dict[str, Any]:
    server = route.server
    if server is None:
        return {"scope": route.scope, "name": route.name, "host": "direct"}
    shown = {"host": server.host, "port": server.port, "tls": server.tls, "user": server.user}
    return {"scope": route.scope, "name": route.name, **shown, "password_set": bool(server.password.reveal())}


def _route_set(arguments: argparse.Namespace, settings: Settings) -> int:
    password = read_password(arguments.password_file)
    try:
        name = names.checked(arguments.domain)
        server = _server(arguments, password.reveal())
    except BadField as error:
        raise UsageError(f"{error.field}: {error}") from None
    route = StoredRoute(_SCOPES[arguments.direction], name, server, int(time.time()))
    write(settings, lambda tx: routes.put(tx, route))
    return DONE


def _server(arguments: argparse.Namespace, password: str) -> Relay | None:
    if arguments.host == "direct":
        if arguments.user or arguments.port is not None:
            raise UsageError("a direct route has neither port nor user")
        return None
    if bool(arguments.user) != bool(password):
        raise UsageError("--user and --password-file go together")
    return routes.checked_server(arguments.host, arguments.port, arguments.user, password, arguments.tls)


def _route_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    name = _name(arguments)
    if not write(settings, lambda tx: routes.remove(tx, _SCOPES[arguments.direction], name)):
        return complain(f"there is no route {arguments.direction} {name}", NOTHING)
    return DONE


def _source_list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, sources.list_all)
    return show_rows(
        arguments, [{"domain": row.domain, "address": row.address, "helo_name": row.helo_name} for row in found]
    )


def _source_set(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        checked = sources.checked(arguments.domain, arguments.address, arguments.helo)
    except BadField as error:
        raise UsageError(f"{error.field}: {error}") from None
    source = StoredSource(checked.domain, checked.address, checked.helo_name, int(time.time()))
    write(settings, lambda tx: sources.put(tx, source))
    return DONE


def _source_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = _name(arguments)
    if not write(settings, lambda tx: sources.remove(tx, domain, arguments.family)):
        return complain(f"{domain} has no source address", NOTHING)
    return DONE


def _name(arguments: argparse.Namespace) -> str:
    try:
        return names.checked(arguments.domain)
    except BadField as error:
        raise UsageError(str(error)) from None
