"""Who is at the other end of a connection: found out once, when it is accepted."""

from __future__ import annotations

import ipaddress
import os
import pwd
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.machine import sockets
from onifast_shared.machine.sock_diag import Finder

Endpoint = tuple[str, int]

# Of IPv6, one customer has a /64 at the least, and one site may have a /48.
_IPV6_NETWORKS = (64, 56, 48)


@dataclass(frozen=True)
class Peer:
    """Who connected: `client` is the key of an address or of a Unix user, as far as it could be told."""

    client: str
    is_trusted_proxy: bool = False
    places: tuple[str, ...] = ()
    """What its share of the connections is counted by, the narrowest first; a trusted proxy is not counted."""


class Peers:
    """Tells peers apart. A Unix socket's permissions say who may connect; on loopback the kernel says who did."""

    def __init__(
        self,
        trusted_users: Iterable[str],
        owner_of: Callable[[Endpoint, Endpoint], int | None] | None = None,
    ) -> None:
        self._trusted = frozenset({os.getuid(), *_uids(trusted_users)})
        # Its netlink socket stays open: when descriptors run short, a proxy must still be known as one.
        self._finder = Finder()
        self._owner_of = owner_of or self._ask_kernel

    def find(self, local: Any, remote: Any) -> Peer:
        """The peer at the end `remote` of an accepted connection; both ends as the socket gives them."""
        if not isinstance(local, tuple):
            return Peer("address:unix", is_trusted_proxy=True)
        address = str(remote[0])
        # A closed socket has no owner: whoever hangs up at once is counted with the others who did.
        owner = self._owner_of((local[0], local[1]), (address, remote[1])) if is_loopback(address) else None
        if owner is None:
            return Peer(f"address:{address}", places=places(address))
        client = f"uid:{owner}"
        return Peer(client, owner in self._trusted, () if owner in self._trusted else (client,))

    def close(self) -> None:
        """Lets go of what it asks the kernel with."""
        self._finder.close()

    def _ask_kernel(self, local: Endpoint, remote: Endpoint) -> int | None:
        try:
            return sockets.socket_owner_at_once(local, remote, self._finder.find)
        except OSError:  # a sandbox without netlink
            return sockets.socket_owner(local, remote)


def places(address: str) -> tuple[str, ...]:
    """The keys that an address is counted by: itself, or with IPv6 its networks; () for what is no address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ()
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.version == 4:
        return (str(ip),)
    return tuple(str(ipaddress.ip_network((ip, length), strict=False)) for length in _IPV6_NETWORKS)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's own; IPv4-mapped addresses count as IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def _uids(users: Iterable[str]) -> Iterable[int]:
    for user in users:
        try:
            yield pwd.getpwnam(user).pw_uid
        except KeyError:
            continue  # A user who does not exist on this machine owns no socket.
