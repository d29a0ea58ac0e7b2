"""Routes: servers that take a domain's mail in the place of its mail exchangers, or of the relay of `mail_config`.

A route is for a recipient's domain or for a sender's; its name is the domain, or `*.` and a domain for all below that.
The more specific one counts: the recipient's domain, then the sender's, then the relay, then the domain's MX records.
A route without a server means MX records whatever the relay is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from onifast_shared.db.database import Connection
from onifast_shared.machine.log import Secret
from onifast_shared.transport import relay, sending_domain
from onifast_shared.transport.names import BadField, covering
from onifast_shared.transport.relay import Relay, RelayError
from onifast_shared.values.address import AddressError, parse_domain

Scope = Literal["recipient_domain", "sender_domain"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

DecidedBy = Literal["recipient_domain", "sender_domain", "relay", "mx"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class StoredRoute:
    """A route as it is set: `server` None means straight to the MX hosts."""

    scope: Scope
    name: str
    server: Relay | None
    created_ts: int = 0


@dataclass(frozen=True)
class Way:
    """How mail to a domain goes: by `server`, or straight to its MX hosts (None); what decided that, and its name."""

    server: Relay | None
    decided_by: DecidedBy
    name: str = ""


def checked_server(host: str, port: int | None, user: str, password: str, tls: relay.RelayTls) -> Relay | None:
    """A route's server, None for an empty host; without a port the usual one for `tls`. Raises BadField."""
    text = host.strip()
    if not text:
        return None
    try:
        name = parse_domain(text).removeprefix("[").removesuffix("]").removeprefix("IPv6:")
    except AddressError:
        raise BadField("host", "not a host name or address") from None
    for field, value in (("user", user), ("password", password)):
        if _CONTROLS.search(value):
            raise BadField(field, "contains a control character")
    if password and not user:
        raise BadField("user", "a password needs a user name")
    port = relay.DEFAULT_PORTS[tls] if port is None else port
    if not 0 < port < 65536:
        raise BadField("port", "not a number from 1 to 65535")
    return Relay(name, port, user, Secret(password), tls)


def list_all(tx: Connection) -> list[StoredRoute]:
    """Every route, by scope and name."""
    return [_route(row) for row in tx.execute(f"{_SELECT} ORDER BY scope, name")]


def get(tx: Connection, scope: Scope, name: str) -> StoredRoute | None:
    """The route of just this name."""
    row = tx.execute(f"{_SELECT} WHERE scope = ? AND name = ?", (scope, name)).fetchone()
    return None if row is None else _route(row)


def put(tx: Connection, route: StoredRoute) -> None:
    """Sets a route, or changes the one of its name. It counts from the next attempt on."""
    server = route.server or Relay("", 0, "", Secret(""), "none")
    tx.execute(
        """
        INSERT INTO routes (scope, name, host, port, tls, user, password, created_ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (scope, name) DO UPDATE SET host = excluded.host, port = excluded.port, tls = excluded.tls,
                                                user = excluded.user, password = excluded.password
        """,
        (
            route.scope, route.name, server.host, server.port, server.tls, server.user, server.password.reveal(),
            route.created_ts,
        ),
    )  # fmt: skip


def remove(tx: Connection, scope: Scope, name: str) -> bool:
    """Takes a route away; False if there was none."""
    tx.execute("DELETE FROM routes WHERE scope = ? AND name = ?", (scope, name))
    return tx.changes() > 0


class Routes:
    """The routes as one transaction sees them. Each name is looked up once.

    `like` are those of an earlier one, where there is still no route and the relay is the same.
    """

    def __init__(self, tx: Connection, like: Routes | None = None) -> None:
        self._tx = tx
        self._any = False if like else bool(tx.execute("SELECT EXISTS (SELECT 1 FROM routes)").get)
        self._found: dict[tuple[Scope, str], StoredRoute | None] = {}
        self._senders: dict[tuple[str, str | None], str | None] = {}
        self._relay: Relay | RelayError | None = like._relay if like else _relay_or_error(tx)

    def way(self, domain: str, sender: str, submitted_by: str | None) -> Way:
        """The way of mail to `domain` (A-labels). `sender` and `submitted_by` are the queue row's.

        Raises RelayError where the relay counts and `mail_config` holds no valid one.
        """
        route = self._for("recipient_domain", domain) or self._for_sender(sender, submitted_by)
        if route is not None:
            return Way(route.server, route.scope, route.name)
        if isinstance(self._relay, RelayError):
            raise self._relay
        return Way(self._relay, "relay") if self._relay else Way(None, "mx")

    def next_hop(self, domain: str, sender: str, submitted_by: str | None) -> str:
        """What the queue counts and puts off by: the server's name and port where one takes it, else the domain."""
        try:
            server = self.way(domain, sender, submitted_by).server
        except RelayError:
            return domain
        return domain if server is None else f"{server.host.lower()}:{server.port}"

    def _for_sender(self, sender: str, submitted_by: str | None) -> StoredRoute | None:
        if not self._any:
            return None
        key = (sender, submitted_by)
        if key not in self._senders:
            self._senders[key] = sending_domain.of(self._tx, sender, submitted_by)
        domain = self._senders[key]
        return None if domain is None else self._for("sender_domain", domain)

    def _for(self, scope: Scope, domain: str) -> StoredRoute | None:
        if not self._any:
            return None
        key = (scope, domain)
        if key not in self._found:
            found = (get(self._tx, scope, name) for name in covering(domain))
            self._found[key] = next((route for route in found if route), None)
        return self._found[key]


_SELECT = "SELECT scope, name, host, port, tls, user, password, created_ts FROM routes"


def _route(row: tuple[Any, ...]) -> StoredRoute:
    scope, name, host, port, tls, user, password, created_ts = row
    return StoredRoute(scope, name, Relay(host, port, user, Secret(password), tls) if host else None, created_ts)


def _relay_or_error(tx: Connection) -> Relay | RelayError | None:
    try:
        return relay.get(tx)
    except RelayError as error:
        return error
