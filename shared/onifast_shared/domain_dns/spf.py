"""Whether a domain's SPF record lets addresses send for it, as far as the addresses alone decide (RFC 7208)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from onifast_shared.machine import dns
from onifast_shared.machine.dns import Resolver

_MOST_LOOKUPS = 10  # RFC 7208 section 4.6.4
_LOOKED_UP = {"a", "mx", "include"}


class _TooMany(Exception):
    """The record needs more look-ups than a verifier makes."""


async def problem_of(resolver: Resolver, domain: str, record: str, addresses: Sequence[str]) -> str:
    """What is wrong with a record for mail that leaves from these addresses, in a sentence; "" if all may send.

    What depends on the sender or on names of clients (macros, `exists`, `ptr`) counts as no match. Raises Temporary.
    """
    try:
        for address in addresses:
            if not await _Evaluation(resolver, address).passes(domain, record):
                return f"The record does not let {address} send, which mail leaves from."
    except _TooMany:
        return f"The record needs more than {_MOST_LOOKUPS} look-ups, and so counts as broken."
    return ""


class _Evaluation:
    """One address held against one record and those that it includes."""

    def __init__(self, resolver: Resolver, address: str) -> None:
        self._resolver = resolver
        self._address = ipaddress.ip_address(address)
        self._lookups = 0

    async def passes(self, domain: str, record: str) -> bool:
        """Whether the first term that matches is one that lets the address send."""
        terms = record.split()[1:]
        for term in terms:
            name, _, value = term.lstrip("+-~?").partition(":")
            if "=" not in name and await self._matches(name.lower(), value, domain):
                return term[0] not in "-~?"
        redirect = next((term[9:] for term in terms if term.lower().startswith("redirect=")), "")
        return bool(redirect) and await self._includes(redirect)

    async def _matches(self, name: str, value: str, domain: str) -> bool:
        if name == "all":
            return True
        if "%" in value:
            return False
        if name in {"ip4", "ip6"}:
            return self._is_in(value)
        name, _, prefix = name.partition("/")
        target, _, after = value.partition("/")
        if name not in _LOOKED_UP:
            return False
        if name == "include":
            return await self._includes(value)
        self._count()
        hosts = [target or domain] if name == "a" else await self._mail_hosts(target or domain)
        found = [each for host in hosts[:_MOST_LOOKUPS] for each in await self._addresses(host)]
        length = (prefix or after).split("/")
        return any(self._is_in(f"{each}/{length[0]}" if length[0] and ":" not in each else each) for each in found)

    async def _includes(self, domain: str) -> bool:
        self._count()
        try:
            texts = [text.decode("utf-8", "replace") for text in await self._resolver.txt(domain)]
        except (dns.NoSuchDomain, dns.NoData):
            return False
        found = [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]
        return len(found) == 1 and await self.passes(domain, found[0])

    async def _mail_hosts(self, domain: str) -> list[str]:
        try:
            return [each.host for each in await self._resolver.mx(domain) if each.host]
        except (dns.NoSuchDomain, dns.NoData):
            return []

    async def _addresses(self, host: str) -> list[str]:
        try:
            return await (self._resolver.a if self._address.version == 4 else self._resolver.aaaa)(host)
        except (dns.NoSuchDomain, dns.NoData):
            return []

    def _is_in(self, network: str) -> bool:
        try:
            return self._address in ipaddress.ip_network(network, strict=False)
        except ValueError:
            return False

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > _MOST_LOOKUPS:
            raise _TooMany
