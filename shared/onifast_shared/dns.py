"""DNS look-ups of every program: one configured resolver, a cache, and errors that say how long they last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

_CACHE_SIZE = 10_000
_TRY_AT_MOST = 2.0  # seconds for one server, so that a dead one leaves time for the next
_EDNS_PAYLOAD = 1232  # octets: what passes unfragmented (DNS flag day 2020)


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


class Resolver:
    """Look-ups that raise NoSuchDomain, NoData or Temporary. `sync` and `raw` are dnspython's own, configured alike.

    Names are absolute; no search list is used. Answers are cached for their time to live.
    """

    def __init__(self, settings: DNSSettings) -> None:
        cache = dns.resolver.LRUCache(_CACHE_SIZE)
        self.sync = dns.resolver.Resolver(configure=False)
        self.raw = dns.asyncresolver.Resolver(configure=False)
        for resolver in (self.sync, self.raw):
            _configure(resolver, settings)
            resolver.cache = cache

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

    async def _lookup(self, name: str, kind: str) -> dns.resolver.Answer:
        try:
            return await self.raw.resolve(dns.name.from_text(name), kind, search=False)
        except dns.resolver.NXDOMAIN:
            raise NoSuchDomain(f"{name} does not exist") from None
        except dns.resolver.NoAnswer:
            raise NoData(f"{name} has no {kind} record") from None
        except (dns.name.BadEscape, dns.name.EmptyLabel, dns.name.LabelTooLong, dns.name.NameTooLong):
            raise NoSuchDomain("not a domain name") from None
        except (dns.name.IDNAException, UnicodeError):
            raise NoSuchDomain("not a domain name") from None
        except (dns.exception.DNSException, OSError, EOFError):
            raise Temporary(f"no answer about the {kind} records of {name}") from None


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
