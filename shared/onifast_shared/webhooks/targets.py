"""Where a webhook may lead: for ordinary users out into the world, and never to what only this machine can reach.

Whoever may name a URL that a server asks could otherwise reach what only the server can: databases, metadata services,
printers. So the name is looked up once for each call, the addresses are judged, and one that passed is connected to.
This machine's own public address is open to its web server alone: no firewall stands between a machine and itself.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from onifast_shared.machine.setting_types import IPNetwork

MAX_URL = 2000

_HTTPS = 443
_LOWEST_FREE_PORT = 1024
# IANA's registries of special-purpose addresses, those with special uses of their own that can be routed
# included; Python's `is_global` knows them as they were when it was released.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            # Teredo, 6to4 and others, whose addresses lead to the IPv4 address that stands in them, among them.
            "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        ),
    )
)  # fmt: skip
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # the only part of IPv6 of which anything is given out


class TargetError(ValueError):
    """A URL cannot be a webhook's. The text says what is wrong with it."""


def check_url(text: str, *, by_administrator: bool) -> str:
    """The URL, if it may be a webhook's; raises TargetError. What its name leads to is judged at each call."""
    if len(text) > MAX_URL or not text.isprintable() or not text.isascii() or " " in text:
        raise TargetError(f"a URL has at most {MAX_URL} ASCII characters and no spaces")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise TargetError("not a URL") from None
    if not host:
        raise TargetError("not a URL with a host, such as https://example.com/mail")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise TargetError("it may have no user name, password or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and by_administrator and is_loopback(host)):
        raise TargetError("only https is allowed" + (", and http to this machine" if by_administrator else ""))
    if not by_administrator:
        _check_for_users(host, port)
    return text


def _check_for_users(host: str, port: int | None) -> None:
    if port is not None and port != _HTTPS and port < _LOWEST_FREE_PORT:
        raise TargetError("the port has to be 443, or 1024 and above")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if "." not in host.rstrip("."):
            raise TargetError("the host has to be a full domain name") from None
        return
    if not is_public(host):
        raise TargetError("the address is not one of the public Internet")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the Internet at large, whichever way it is written."""
    ip = _parsed(address)
    if ip is None or any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and (ip.version == 4 or ip in _GLOBAL_UNICAST)


def may_be_asked(address: str, port: int) -> bool:
    """Whether a stranger, or an ordinary user, may have this server connect there."""
    return is_public(address) and (port == _HTTPS or not is_own(address))


def or_in(networks: Sequence[IPNetwork]) -> Callable[[str, int], bool]:
    """Judges like `may_be_asked`, but for the addresses of `networks`, which pass."""

    def may_ask(address: str, port: int) -> bool:
        ip = _parsed(address)
        return ip is not None and (any(ip in network for network in networks) or may_be_asked(address, port))

    return may_ask


def is_own(address: str) -> bool:
    """Whether an address is this machine's: then the way there begins where it ends. Nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, _HTTPS))
            return _parsed(probe.getsockname()[0]) == _parsed(address)
    except OSError:
        return False  # no way leads there


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text leads to: an IPv4 address in IPv6 clothes is one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by address or as `localhost`."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
