"""The client of a session: where it comes from, on which service, and what that alone allows it."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import IPNetwork
from onifast_shared.values import submitters
from onifast_shared.values.lazy import lazy

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class Service(Enum):
    """What a listener is for; the value is its name in settings (`smtp_listen`), systemd's sockets and the log."""

    MX = "smtp"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"

    def __init__(self, name: str) -> None:
        # Plain attributes: of an Enum, Python 3.11 computes `value` and `hash` in functions of its own.
        self.label = name
        """The same as `value`."""
        self.implicit_tls = name == "submissions"
        """Whether TLS comes before the greeting (RFC 8314 section 3)."""
        self.needs_login = name != "smtp"
        """Whether nobody may send without AUTH (RFC 6409 section 4.3)."""
        self.group = len(type(self).__members__) + 1
        """The number of its strangers' group; 0 is this machine's."""


GROUPS = 1 + len(Service)
WIDEST = 4  # how many addresses' sessions a /48 may have, or a Unix user of this machine


@dataclass(frozen=True)
class Tls:
    """What TLS a session runs over: protocol version and cipher suite as OpenSSL names them.

    `end_point` is the channel binding that the client sees too, None where the certificate has none.
    """

    version: str
    cipher: str
    end_point: bytes | None = None


@dataclass(frozen=True)
class Client:
    """One connected client. `unix_user` is who owns the other end of a loopback connection, None where unknown."""

    service: Service
    ip: IP
    port: int
    is_loopback: bool
    is_trusted: bool
    unix_user: str | None = None

    def of_user(self, unix_user: str | None) -> Client:
        """The same client, whose connection is that Unix user's."""
        return Client(self.service, self.ip, self.port, self.is_loopback, self.is_trusted, unix_user)

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, or one that is trusted as much."""
        return self.is_loopback or self.is_trusted

    @property
    def group(self) -> int:
        """Whose slots its session takes: 0 for this machine, else one number for each listener's strangers."""
        return 0 if self.is_loopback else self.service.group

    @property
    def shares(self) -> tuple[tuple[Hashable, int], ...]:
        """What its sessions are counted by, and how many times as many as of one address may be of each.

        Of IPv6 a /64 is one network, while a site may hold a /56 or a /48. On this machine all programs share the
        addresses, and each can take many of them, so their Unix user counts.
        """
        if self.is_loopback and (self.unix_user is not None or self.ip.is_loopback):
            return ((("user", self.unix_user), WIDEST),)
        if self.is_loopback:
            return ((("here", int(self.ip)), WIDEST),)
        if self.is_trusted:
            return ()
        number = int(self.ip)
        if self.ip.version == 4:
            return (((4, number), 1),)
        return (((64, number >> 64), 1), ((56, number >> 72), 2), ((48, number >> 80), WIDEST))

    @lazy
    def address(self) -> str:
        """The IP address as text; an IPv4-mapped one is IPv4."""
        return _text(self.ip)

    @property
    def literal(self) -> str:
        """The address literal of RFC 5321 section 4.1.3, without brackets."""
        return f"IPv6:{self.address}" if self.ip.version == 6 else self.address


def identify(service: Service, peer: tuple[str, int], settings: Settings) -> Client:
    """The client at `peer` (host, port), seen with the settings' networks."""
    ip = canonical_ip(peer[0])
    return Client(
        service,
        ip,
        peer[1],
        is_loopback=any(ip in network for network in settings.loopback_networks),
        is_trusted=any(ip in network for network in settings.trusted_networks),
    )


def identify_proxied(proxy: Client, peer: tuple[str, int], settings: Settings) -> Client:
    """The client that a proxy speaks for. That it is on this machine is believed of a proxy on this machine alone."""
    client = identify(proxy.service, peer, settings)
    return replace(client, is_loopback=client.is_loopback and proxy.is_loopback)


def speaks_for_others(client: Client, networks: Sequence[IPNetwork], settings: Settings) -> bool:
    """Whether a client is one of the proxies in `networks`.

    On this machine anybody can connect from a loopback address; there the Unix user must be a proxy's.
    """
    if not any(client.ip in network for network in networks):
        return False
    return not client.is_loopback or client.unix_user in settings.trusted_proxy_users


@lru_cache(maxsize=1024)
def _text(ip: IP) -> str:
    return str(ip)


@lru_cache(maxsize=1024)
def canonical_ip(text: str) -> IP:
    """An IP address without scope; IPv4-mapped IPv6 counts as IPv4."""
    ip = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        return ip.ipv4_mapped
    return ip


@dataclass(frozen=True)
class Origin:
    """Where a message comes from: the client, what it calls itself, and who logged in."""

    session: str
    client: Client
    helo: str
    extended: bool
    tls: Tls | None = None
    user: PanelUser | None = None

    @lazy
    def may_relay(self) -> bool:
        """Whether mail from here may go to any domain; such mail is a submission, all other is incoming mail."""
        if self.user is not None:
            return True
        client = self.client
        return not client.service.needs_login and (client.is_loopback or client.is_trusted)

    @property
    def account(self) -> str | None:
        """The user behind the message: who logged in, else the Unix user of a local program."""
        return self.user.username if self.user else self.client.unix_user

    @property
    def submitted_by(self) -> str:
        """How the account is known, for administrators."""
        if self.user:
            return submitters.by_user(self.user.username)
        if self.client.unix_user:
            return submitters.by_unix_user(self.client.unix_user)
        return self.client.address
