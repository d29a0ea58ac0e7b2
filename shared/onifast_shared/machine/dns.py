"""DNS look-ups of every program: one configured resolver, a cache, and errors that say how long they last."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Protocol

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
import idna

MAX_NAME = 254
"""Characters of the longest name, with a final dot (RFC 1035 section 2.3.4)."""

_CACHE_SIZE = 10_000
_TRY_AT_MOST = 2.0  # seconds for one server, so that a dead one leaves time for the next
_EDNS_PAYLOAD = 1232  # octets: what passes unfragmented (DNS flag day 2020)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class DNSError(Exception):
    """A look-up brought nothing."""


class NoSuchDomain(DNSError):
    """The name does not exist (NXDOMAIN, RFC 2308 section 2.1), or cannot be one."""


class NoData(DNSError):
    """The name exists, without records of that type (RFC 2308 section 2.2)."""


class Temporary(DNSError):
    """No answer now: a time-out, SERVFAIL, or no server to ask."""


class DNSSettings(Protocol):
    """What is needed of Settings."""

    @property
    def dns_servers(self) -> tuple[tuple[str, int], ...]:
        """(address, port) of each server; none means the system's."""

    @property
    def dns_timeout(self) -> float:
        """Seconds for a whole look-up."""


@dataclass(frozen=True)
class MX:
    """A mail exchanger. `host` is "" for the null MX, which says that the domain takes no mail (RFC 7505)."""

    preference: int
    host: str


class _Cache(dns.resolver.LRUCache):
    """dnspython's cache, which knows when it was last given something: only what servers do know comes into it."""

    filled = float("-inf")

    def put(self, key: Any, value: dns.resolver.Answer) -> None:
        """Keeps an answer, with records or without, that has just come."""
        self.filled = time.monotonic()
        super().put(key, value)


class Resolver:
    """Look-ups that raise NoSuchDomain, NoData or Temporary. `sync` and `raw` are dnspython's own, configured alike.

    Names are absolute; no search list is used. Answers are cached for their time to live.
    """

    def __init__(self, settings: DNSSettings) -> None:
        self._cache = _Cache(_CACHE_SIZE)
        self.sync = dns.resolver.Resolver(configure=False)
        self.raw = dns.asyncresolver.Resolver(configure=False)
        self._probing = dns.resolver.Resolver(configure=False)
        for resolver in (self.sync, self.raw, self._probing):
            _configure(resolver, settings)
        self.sync.cache = self.raw.cache = self._cache

    @property
    def answered(self) -> float:
        """When a server last gave an answer, be it "no such name", by the monotonic clock; errors are none."""
        return self._cache.filled

    def is_there(self, seconds: float) -> bool:
        """Whether any of the servers says anything at all, be it an error, within so many seconds. Blocks."""
        try:
            self._probing.resolve(dns.name.root, "NS", lifetime=seconds, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return True
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as error:
            return any(response is not None for *_, response in error.kwargs["errors"])
        except (dns.exception.DNSException, OSError, EOFError):
            return False
        return True

    async def mx(self, domain: str) -> list[MX]:
        """The mail exchangers, the most preferred first."""
        answer = await self._lookup(domain, "MX")
        found = (MX(record.preference, _host(record.exchange)) for record in answer)
        return sorted(found, key=lambda mx: mx.preference)

    async def a(self, host: str) -> list[str]:
        """The IPv4 addresses."""
        return [record.address for record in await self._lookup(host, "A")]

    async def aaaa(self, host: str) -> list[str]:
        """The IPv6 addresses."""
        return [record.address for record in await self._lookup(host, "AAAA")]

    async def txt(self, name: str) -> list[bytes]:
        """The text records, each one's strings joined."""
        return [b"".join(record.strings) for record in await self._lookup(name, "TXT")]

    async def ptr(self, address: str) -> list[str]:
        """The host names of an IP address (RFC 1035 section 3.5)."""
        name = dns.reversename.from_address(address).to_text()
        return [_host(record.target) for record in await self._lookup(name, "PTR")]

    async def srv(self, name: str) -> list[str]:
        """The servers of a service, each as `PRIORITY WEIGHT PORT HOST.` (RFC 2782)."""
        found = await self._lookup(name, "SRV")
        return [f"{each.priority} {each.weight} {each.port} {_host(each.target)}." for each in found]

    async def _lookup(self, name: str, kind: str) -> dns.resolver.Answer:
        asked = dns_name(name)
        if asked is None:
            raise NoSuchDomain("not a domain name")
        try:
            return await self.raw.resolve(asked, kind, search=False)
        except dns.resolver.NXDOMAIN:
            raise NoSuchDomain(f"{name} does not exist") from None
        except dns.resolver.YXDOMAIN:
            raise NoSuchDomain(f"{name} leads to a name that cannot exist") from None
        except dns.resolver.NoAnswer:
            raise NoData(f"{name} has no {kind} record") from None
        except (dns.exception.DNSException, OSError, EOFError):
            raise Temporary(f"no answer about the {kind} records of {name}") from None


def dns_name(text: str) -> dns.name.Name | None:
    """The absolute name that a host name means, or None for what cannot be one, and so has no records.

    Labels stand between dots, as they are: a backslash is a backslash, since the escapes of zone files (RFC 1035
    section 5.1) are no part of what mail carries (RFC 7208 section 4.8). Labels in other scripts become A-labels
    (RFC 5890). The final dot is optional.
    """
    if len(text) > MAX_NAME or _CONTROL.search(text):
        return None
    try:
        labels = [_ascii(label) for label in text.removesuffix(".").split(".")]
        return dns.name.Name((*b".".join(labels).split(b"."), b""))
    except (idna.IDNAError, UnicodeError, IndexError):
        return None
    except (dns.name.EmptyLabel, dns.name.LabelTooLong, dns.name.NameTooLong):
        return None


def _ascii(label: str) -> bytes:
    return label.encode() if label.isascii() else idna.encode(label, uts46=True)


def resolver(settings: DNSSettings) -> Resolver:
    """The resolver that the settings describe; a program makes one and keeps it."""
    return Resolver(settings)


def _configure(resolver: dns.resolver.BaseResolver, settings: DNSSettings) -> None:
    if settings.dns_servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in settings.dns_servers]
    else:
        _use_system(resolver)
    resolver.lifetime = settings.dns_timeout
    resolver.timeout = min(_TRY_AT_MOST, settings.dns_timeout)
    resolver.use_edns(0, 0, _EDNS_PAYLOAD)
    # Has a validating server say that it has validated, without sending the signatures along (RFC 6840 section 5.7).
    resolver.set_flags(dns.flags.RD | dns.flags.AD)


def _use_system(resolver: dns.resolver.BaseResolver) -> None:
    try:
        resolver.read_resolv_conf("/etc/resolv.conf")
    except dns.resolver.NoResolverConfiguration:
        resolver.nameservers = ["127.0.0.1"]  # as resolv.conf(5) has it for a missing file


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")
