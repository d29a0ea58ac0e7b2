"""The commands of onifast-mailctl about mail on its way out: relay, routes, and the addresses that it leaves from."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    outcome,
    read,
    read_password,
    show_rows,
    write,
)
from onifast_shared.machine.config import Settings
from onifast_shared.transport import names, relay, routes, sources
from onifast_shared.transport.names import BadField
from onifast_shared.transport.relay import Relay
from onifast_shared.transport.routes import Scope, StoredRoute
from onifast_shared.transport.sources import StoredSource

_SCOPES: dict[str, Scope] = {"to": "recipient_domain", "from": "sender_domain"}


def declare_relay(area: Any) -> None:
    """Adds the commands about the relay to their area."""
    add(area, "show", _relay_show, "host, port, TLS, user, whether a password is set")
    setting = add(area, "set", _relay_set, "send through this host from the next message on", "host")
    _add_server(setting)
    add(area, "clear", _relay_clear, "send straight to the MX hosts again")


def declare_routes(area: Any) -> None:
    """Adds the commands about routes to their area."""
    add(area, "list", _route_list, "scope, domain, host, port, TLS, user, whether a password is set")
    setting = add(area, "set", _route_set, "send mail to (or from) a domain through a host, or direct to its MX hosts")
    _add_scope(setting)
    setting.add_argument("host", help="a host name or address; direct for MX hosts whatever the relay is")
    _add_server(setting)
    _add_scope(add(area, "remove", _route_remove, "take a route away"))


def declare_sources(area: Any) -> None:
    """Adds the commands about source addresses to their area."""
    add(area, "list", _source_list, "domain, address, name in EHLO")
    setting = add(area, "set", _source_set, "send a domain's mail from an address of this machine", "domain", "address")
    setting.add_argument("--helo", default="", metavar="NAME", help="the name that the address' reverse DNS has")
    removing = add(area, "remove", _source_remove, "send a domain's mail from the settings' addresses again", "domain")
    removing.add_argument("--family", type=int, choices=(4, 6), help="IPv4 or IPv6 alone")


def _add_server(setting: argparse.ArgumentParser) -> None:
    setting.add_argument("--port", type=int, help="25, 587 for starttls or 465 for tls unless given")
    setting.add_argument("--tls", choices=relay.TLS_MODES, default="starttls")
    setting.add_argument("--user", default="", help="the name to log in with")
    setting.add_argument("--password-file", type=Path, metavar="FILE", help="its first line; - is standard input")


def _add_scope(command: argparse.ArgumentParser) -> None:
    command.add_argument("direction", choices=tuple(_SCOPES), help="whether the domain is the recipient's or sender's")
    command.add_argument("domain", help="a domain, or *.DOMAIN for all below it")


def _relay_show(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, relay.get)
    if found is None:
        return complain("no relay is set: mail goes to the MX hosts of its domains", NOTHING)
    return show_rows(arguments, [_shown(found)])


def _shown(server: Relay) -> dict[str, Any]:
    shown = {"host": server.host, "port": server.port, "tls": server.tls, "user": server.user}
    return shown | {"password_set": bool(server.password)}


def _relay_set(arguments: argparse.Namespace, settings: Settings) -> int:
    chosen = _server(arguments)
    if chosen is None:
        raise UsageError("host: not a host name or address")
    write(settings, lambda tx: relay.put(tx, chosen))
    return DONE


def _relay_clear(_arguments: argparse.Namespace, settings: Settings) -> int:
    write(settings, lambda tx: relay.put(tx, None))
    return DONE


def _route_list(arguments: argparse.Namespace, settings: Settings) -> int:
    return show_rows(arguments, map(_route_row, read(settings, routes.list_all)))


def _route_row(route: StoredRoute) -> dict[str, Any]:
    server = route.server
    if server is None:
        return {"scope": route.scope, "name": route.name, "host": "direct"}
    return {"scope": route.scope, "name": route.name, **_shown(server)}


def _route_set(arguments: argparse.Namespace, settings: Settings) -> int:
    name = _name(arguments)
    route = StoredRoute(_SCOPES[arguments.direction], name, _unless_direct(arguments), int(time.time()))
    write(settings, lambda tx: routes.put(tx, route))
    return DONE


def _unless_direct(arguments: argparse.Namespace) -> Relay | None:
    if arguments.host != "direct":
        return _server(arguments)
    if arguments.user or arguments.port is not None:
        raise UsageError("a direct route has neither port nor user")
    return None


def _server(arguments: argparse.Namespace) -> Relay | None:
    password = read_password(arguments.password_file).reveal()
    if bool(arguments.user) != bool(password):
        raise UsageError("--user and --password-file go together")
    try:
        return routes.checked_server(arguments.host, arguments.port, arguments.user, password, arguments.tls)
    except BadField as error:
        raise UsageError(f"{error.field}: {error}") from None


def _route_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    name = _name(arguments)
    return outcome(
        write(settings, lambda tx: routes.remove(tx, _SCOPES[arguments.direction], name)),
        f"there is no route {arguments.direction} {name}",
    )


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
    return outcome(
        write(settings, lambda tx: sources.remove(tx, domain, arguments.family)), f"{domain} has no source address"
    )


def _name(arguments: argparse.Namespace) -> str:
    try:
        return names.checked(arguments.domain)
    except BadField as error:
        raise UsageError(str(error)) from None
