"""The kinds of value that settings have: each turns text or a TOML value into a typed one, or says what is allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOOPBACK: tuple[IPNetwork, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_UNITS = {"": 1, "k": 1024, "kib": 1024, "m": 1024**2, "mib": 1024**2, "g": 1024**3, "gib": 1024**3}
_SPANS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_HOSTNAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")


class Listen(NamedTuple):
    """Where a program listens: a TCP host and port, or a Unix socket's path (then host is empty and port 0)."""

    host: str
    port: int
    unix_path: Path | None = None

    def __str__(self) -> str:
        if self.unix_path is not None:
            return f"unix:{self.unix_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Source(NamedTuple):
    """An address of this machine to connect from, and the name to say in EHLO there; "" for the host's own."""

    address: str
    helo_name: str = ""

    def __str__(self) -> str:
        return f"{self.address}={self.helo_name}" if self.helo_name else self.address


@dataclass(frozen=True)
class Kind:
    """How a setting's value is read: `parse` raises ValueError for what is not allowed; `allowed` says what is."""

    allowed: str
    parse: Callable[[Any], Any]


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return str(value).strip()


def _items(value: Any) -> list[str]:
    """A TOML list, or text with commas between the items."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    return [item.strip() for item in _text(value).split(",") if item.strip()]


def text(allowed: str = "text", pattern: str | None = None) -> Kind:
    """Text without white space around it; `allowed` says in words what `pattern`, a regular expression, wants."""

    def parse(value: Any) -> str:
        result = _text(value)
        if pattern is not None and not re.fullmatch(pattern, result):
            raise ValueError
        return result

    return Kind(allowed, parse)


def path() -> Kind:
    """An absolute path."""

    def parse(value: Any) -> Path:
        result = Path(_text(value))
        if not result.is_absolute():
            raise ValueError
        return result

    return Kind("an absolute path", parse)


def optional_path() -> Kind:
    """An absolute path; None for empty."""

    def parse(value: Any) -> Path | None:
        return path().parse(value) if _text(value) else None

    return Kind("an absolute path, or empty", parse)


def hostname() -> Kind:
    """A host name in lower case, without the root's dot."""

    def parse(value: Any) -> str:
        result = _text(value).lower().rstrip(".")
        if not _HOSTNAME.fullmatch(result):
            raise ValueError
        return result

    return Kind("a host name, such as mail.example.com", parse)


def optional_hostname() -> Kind:
    """A host name in lower case, without the root's dot; "" for empty."""

    def parse(value: Any) -> str:
        return str(hostname().parse(value)) if _text(value) else ""

    return Kind("a host name, such as mail.example.com, or empty", parse)


def boolean() -> Kind:
    """True or false, in the words that people use for them."""
    words = {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }

    def parse(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        try:
            return words[_text(value).lower()]
        except KeyError:
            raise ValueError from None

    return Kind("true or false", parse)


def choice(*names: str) -> Kind:
    """One of the names."""

    def parse(value: Any) -> str:
        result = _text(value).lower()
        if result not in names:
            raise ValueError
        return result

    return Kind("one of " + ", ".join(names), parse)


def choices(*names: str) -> Kind:
    """Some of the names, at least one, in the order given here."""

    def parse(value: Any) -> tuple[str, ...]:
        chosen = {item.upper() for item in _items(value)}
        if not chosen or not chosen <= set(names):
            raise ValueError
        return tuple(name for name in names if name in chosen)

    return Kind("some of " + ", ".join(names), parse)


def number(low: int, high: int) -> Kind:
    """A whole number, both bounds included."""

    def parse(value: Any) -> int:
        result = int(_text(value))
        if not low <= result <= high:
            raise ValueError
        return result

    return Kind(f"a whole number from {low} to {high}", parse)


def seconds(low: float, high: float) -> Kind:
    """A span of time, bounds in seconds; a number alone is seconds."""

    def parse(value: Any) -> float:
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", _text(value).lower())
        if match is None or match[2] not in _SPANS:
            raise ValueError
        result = float(match[1]) * _SPANS[match[2]]
        if not low <= result <= high:
            raise ValueError
        return result

    return Kind(f"seconds from {low:g} to {high:g}, or with a unit: 30s, 5m, 4h, 2d", parse)


def size(low: int, high: int) -> Kind:
    """A number of bytes, both bounds included; a unit counts by 1024."""

    def parse(value: Any) -> int:
        match = re.fullmatch(r"([0-9]+)\s*([a-z]*)", _text(value).lower())
        if match is None or match[2] not in _UNITS:
            raise ValueError
        result = int(match[1]) * _UNITS[match[2]]
        if not low <= result <= high:
            raise ValueError
        return result

    return Kind(f"bytes from {low} to {high}, or with a unit: 512 KiB, 50 MiB", parse)


def sources() -> Kind:
    """Addresses to connect from, each with its name for EHLO; () for none."""
    name = hostname()

    def parse(value: Any) -> tuple[Source, ...]:
        found = []
        for item in _items(value):
            address, equals, helo_name = item.partition("=")
            ip = ipaddress.ip_address(address.strip().strip("[]"))
            if ip.is_unspecified or ip.is_multicast:
                raise ValueError
            found.append(Source(str(ip), name.parse(helo_name) if equals else ""))
        return tuple(found)

    return Kind("IP addresses of this machine, each with =NAME or not, with commas between them, or empty", parse)


def names() -> Kind:
    """Names as they were written; () for none."""

    def parse(value: Any) -> tuple[str, ...]:
        return tuple(_items(value))

    return Kind("names with commas between them, or empty", parse)


def networks() -> Kind:
    """IP networks; () for none."""

    def parse(value: Any) -> tuple[IPNetwork, ...]:
        return tuple(ipaddress.ip_network(item) for item in _items(value))

    return Kind("networks such as 127.0.0.0/8 or ::1/128 with commas between them, or empty", parse)


def unguarded_loopback(proxies: Iterable[IPNetwork], loopback: Sequence[IPNetwork]) -> IPNetwork | None:
    """Addresses of this machine that `proxies` have and that no network of `loopback` covers; None where all is well.

    Only of what counts as this machine is it looked up whose program connects; elsewhere any user would be a proxy.
    """
    for proxy in proxies:
        for real in _LOOPBACK:
            shared = max(proxy, real, key=lambda network: network.prefixlen)
            if proxy.overlaps(real) and not any(_covers(network, shared) for network in loopback):
                return shared
    return None


def _covers(network: IPNetwork, other: IPNetwork) -> bool:
    return other.network_address in network and network.prefixlen <= other.prefixlen


def host_port(item: str, default_port: int | None = None) -> tuple[str, int]:
    """`HOST:PORT`, `[IPv6]:PORT` or, where there is a default port, the host alone. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:\s]*))(?::([0-9]{1,5}))?", item)
    if match is None:
        raise ValueError
    host = match[1] or match[2] or ""
    port = int(match[3]) if match[3] else default_port
    if port is None or not 0 <= port <= 65535:
        raise ValueError
    return host, port


def _listen(item: str) -> Listen:
    if item.startswith("unix:/"):
        return Listen("", 0, Path(item.removeprefix("unix:")))
    host, port = host_port(item)
    return Listen(host or "0.0.0.0", port)  # noqa: S104 - "HOST:PORT" with no host means every IPv4 address


def listens(*, unix: bool = False) -> Kind:
    """Where to listen; () for nowhere. Unix sockets only where `unix` says so."""

    def parse(value: Any) -> tuple[Listen, ...]:
        result = tuple(_listen(item) for item in _items(value))
        if not unix and any(listen.unix_path for listen in result):
            raise ValueError
        return result

    more = ", or unix:/PATH" if unix else ""
    return Kind(f"HOST:PORT (IPv6: [::]:PORT){more}, with commas between several, empty for none", parse)


def milters() -> Kind:
    """Where milters listen; () for none."""

    def parse(value: Any) -> tuple[Listen, ...]:
        result = tuple(_listen(item) for item in _items(value))
        if any(not item.unix_path and (item.host == "0.0.0.0" or not item.port) for item in result):  # noqa: S104
            raise ValueError
        return result

    return Kind("HOST:PORT or unix:/PATH, with commas between several, empty for none", parse)


class ScannerAddress(NamedTuple):
    """Where a junk filter answers, and what it speaks: `rspamd` or `spamd`."""

    protocol: str
    host: str
    port: int


def scanner() -> Kind:
    """The junk filter, on this machine unless an address says otherwise; None for none."""
    defaults = {"rspamd": 11333, "spamd": 783}

    def parse(value: Any) -> ScannerAddress | None:
        given = _text(value)
        if not given:
            return None
        protocol, _, where = given.partition(":")
        if protocol not in defaults:
            raise ValueError
        return ScannerAddress(protocol, *host_port(where or "127.0.0.1", defaults[protocol]))

    return Kind("rspamd or spamd, with :HOST[:PORT] if it runs elsewhere, or empty for none", parse)


def zones() -> Kind:
    """Domain names in lower case, without the root's dot; () for none."""

    def parse(value: Any) -> tuple[str, ...]:
        found = tuple(item.lower().rstrip(".") for item in _items(value))
        if not all(_HOSTNAME.fullmatch(item) for item in found):
            raise ValueError
        return found

    return Kind("domain names with commas between them, or empty", parse)


def servers(default_port: int) -> Kind:
    """IP addresses with ports; () for the system's."""

    def parse(value: Any) -> tuple[tuple[str, int], ...]:
        result = []
        for item in _items(value):
            bare_ipv6 = item.count(":") > 1 and not item.startswith("[")
            host, port = (item, default_port) if bare_ipv6 else host_port(item, default_port)
            ipaddress.ip_address(host)
            result.append((host, port))
        return tuple(result)

    return Kind("IP addresses, HOST[:PORT], with commas between them, or empty for the system's", parse)
