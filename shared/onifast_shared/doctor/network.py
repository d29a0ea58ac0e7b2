"""The checks that ask the network: names of addresses, port 25 out and in, block lists. None of them sends mail."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable
from typing import TypeVar

from onifast_shared.doctor.leaving import WaysOut
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine import dns
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver
from onifast_shared.values import block_lists

PATIENCE = 10.0
"""Seconds for a server to greet us."""

_MOST_HOSTS = 3
_LINE = 512

T = TypeVar("T")


async def reverse_names(settings: Settings, ways: WaysOut, resolver: Resolver) -> list[HealthFinding]:
    """Whether each address that mail leaves from has a name that leads back to it, the one that EHLO says."""
    if ways.relay:
        return [_by_relay("reverse", ways)]
    leaving = await leaving_addresses(settings, ways, resolver)
    if not leaving:
        text = f"{settings.hostname} has no address in DNS, and this machine has no public one"
        return [_bad("reverse", settings.hostname, text, f"publish an A record of {settings.hostname}")]
    return [await _reverse(resolver, address, name) for address, name in leaving.items()]


async def leaving_addresses(settings: Settings, ways: WaysOut, resolver: Resolver) -> dict[str, str]:
    """The addresses that mail leaves from, with the name of each: those that are set, else this host's."""
    if ways.chosen:
        return ways.chosen
    named = await _addresses(resolver, settings.hostname)
    return dict.fromkeys([*ways.own, *(each for each in named if each not in ways.own)], settings.hostname)


async def _reverse(resolver: Resolver, address: str, name: str) -> HealthFinding:
    remedy = f"have the provider of the address {address} give it the name {name}"
    try:
        found = await resolver.ptr(address)
    except (dns.NoSuchDomain, dns.NoData):
        return _bad("reverse", address, f"{address} has no name: many sites refuse its mail", remedy)
    except dns.Temporary:
        return _unknown("reverse", address, f"DNS gave no answer about the name of {address}")
    if name not in found:
        text = f"{address} is called {found[0]}, and says {name} in EHLO"
        return HealthFinding("reverse", State.WARNING, text, remedy, address)
    if address not in await _addresses(resolver, name):
        remedy = f"publish {address} as an address of {name}"
        return _bad("reverse", address, f"{address} is called {name}, which does not lead back to it", remedy)
    return HealthFinding("reverse", State.OK, f"{address} is called {name}, and that leads back", "", address)


async def port_out(settings: Settings, ways: WaysOut, resolver: Resolver) -> list[HealthFinding]:
    """Whether other sites' servers can be reached: the relay, or those of a domain that always has some."""
    if ways.relay:
        hosts, port, greets = [ways.relay.host], ways.relay.port, ways.relay.tls != "tls"
        remedy = "see whether the relay runs, and onifast-mailctl relay show"
    else:
        if not settings.doctor_probe_domain:
            return []
        hosts, port, greets = await _exchangers(resolver, settings.doctor_probe_domain), settings.outbound_port, True
        remedy = "ask the provider to open port 25 outwards, or send by another server: onifast-mailctl relay set"
    if not hosts:
        text = f"DNS gave no mail server of {settings.doctor_probe_domain}"
        return [_unknown("port-out", settings.doctor_probe_domain, text)]
    problems = []
    for host in hosts[:_MOST_HOSTS]:
        for address in (await _addresses(resolver, host))[:_MOST_HOSTS]:
            said = await _greeting(address, port, greets=greets)
            if not said.problem:
                return [HealthFinding("port-out", State.OK, f"{host}, port {port}, answers")]
            problems.append(f"{host} [{address}]: {said.problem}")
    if not problems:
        return [_unknown("port-out", "", f"DNS gave no address of {', '.join(hosts[:_MOST_HOSTS])}")]
    return [_bad("port-out", "", f"no server answers at port {port} ({'; '.join(problems)})", remedy)]


async def port_in(settings: Settings, ways: WaysOut, resolver: Resolver) -> list[HealthFinding]:
    """Whether this host answers at the addresses that its name leads to."""
    del ways
    listen = next((each for each in settings.smtp_listen if each.port), None)
    if listen is None:
        return [HealthFinding("port-in", State.OK, "smtpd takes no mail from other sites (smtp_listen)")]
    if all(each.host and ipaddress.ip_address(each.host).is_loopback for each in settings.smtp_listen):
        text = "smtpd listens to this machine alone (smtp_listen)"
        return [_bad("port-in", "", text, 'set smtp_listen to "0.0.0.0:25,[::]:25"')]
    found = await _addresses(resolver, settings.hostname)
    if not found:
        text = f"{settings.hostname} has no address in DNS: nobody finds it"
        return [_bad("port-in", "", text, f"publish an A record of {settings.hostname}")]
    return [await _answers(settings, address, listen.port or 25) for address in found]


async def _answers(settings: Settings, address: str, port: int) -> HealthFinding:
    said = await _greeting(address, port, greets=True)
    if said.problem:
        text = f"{settings.hostname} does not answer at {address}, port {port}: {said.problem}"
        remedy = "open the port in the firewall, here and at the provider; from here alone it cannot be told for sure"
        return HealthFinding("port-in", State.WARNING, text, remedy, address)
    if settings.hostname.lower() not in said.line.lower():
        text = f"at {address}, port {port}, another server answers: {said.line}"
        return _bad("port-in", address, text, f"let {settings.hostname} lead to this machine, or end the other server")
    return HealthFinding("port-in", State.OK, f"this host answers at {address}, port {port}", "", address)


async def listings(settings: Settings, ways: WaysOut, resolver: Resolver) -> list[HealthFinding]:
    """Whether block lists have an address that mail leaves from."""
    if ways.relay:
        return [_by_relay("blocklists", ways)]
    leaving = await leaving_addresses(settings, ways, resolver)
    public = [address for address in leaving if ipaddress.ip_address(address).is_global]
    asked = [(address, zone) for address in public for zone in settings.doctor_blocklists]
    found = await asyncio.gather(*(_listing(resolver, address, zone) for address, zone in asked))
    problems = [each for each in found if each is not None]
    if problems or not asked:
        return problems
    return [
        HealthFinding(
            "blocklists", State.OK, f"none of {len(settings.doctor_blocklists)} lists has {', '.join(public)}"
        )
    ]


async def _listing(resolver: Resolver, address: str, zone: str) -> HealthFinding | None:
    name = block_lists.query_name(ipaddress.ip_address(address), zone)
    found = await _nothing_if_none(resolver.a(name), [])
    if block_lists.is_listing(found):
        texts = await _nothing_if_none(resolver.txt(name), [])
        said = texts[0].decode("utf-8", "replace") if texts else "it does not say why"
        remedy = "mend what it names, then ask the list to take the address off"
        return _bad("blocklists", f"{address} {zone}", f"{zone} lists {address}: {said}", remedy)
    if block_lists.is_refusal(found):
        return _unknown("blocklists", zone, f"{zone} does not answer this resolver: use one of your own (dns_servers)")
    return None


# The network


class _Said:
    """What a server said, or why nothing was heard."""

    def __init__(self, line: str = "", problem: str = "") -> None:
        self.line = line
        self.problem = problem


async def _greeting(host: str, port: int, *, greets: bool) -> _Said:
    """The first line of a server (RFC 5321 section 4.2); of one that greets after TLS alone, that it is there."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port, limit=_LINE)
            try:
                if not greets:
                    return _Said()
                line = (await reader.readuntil(b"\n")).decode("utf-8", "replace").strip()
                writer.write(b"QUIT\r\n")
                await writer.drain()
            finally:
                writer.close()
    except TimeoutError:
        return _Said(problem=f"no answer within {PATIENCE:.0f} s")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return _Said(problem=getattr(error, "strerror", None) or "it hangs up without a greeting")
    return _Said(line) if line.startswith("220") else _Said(line, f"it says {line}")


async def _exchangers(resolver: Resolver, domain: str) -> list[str]:
    return [each.host for each in await _nothing_if_none(resolver.mx(domain), []) if each.host]


async def _addresses(resolver: Resolver, name: str) -> list[str]:
    """The addresses of a host, IPv4 first; itself where it is one. Raises Temporary where DNS gives no answer."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(name.strip("[]")))]
    four, six = await asyncio.gather(_none_if_unanswered(resolver.a(name)), _none_if_unanswered(resolver.aaaa(name)))
    if not four and not six and None in (four, six):
        raise dns.Temporary(f"DNS gave no answer about {name}")
    return [*(four or []), *(six or [])]


async def _none_if_unanswered(look_up: Awaitable[list[str]]) -> list[str] | None:
    try:
        return await look_up
    except (dns.NoSuchDomain, dns.NoData):
        return []
    except dns.Temporary:
        return None


async def _nothing_if_none(look_up: Awaitable[T], nothing: T) -> T:
    with contextlib.suppress(dns.DNSError):
        return await look_up
    return nothing


# Findings


def _by_relay(check: str, ways: WaysOut) -> HealthFinding:
    host = ways.relay.host if ways.relay else ""
    return HealthFinding(check, State.OK, f"mail leaves by the relay {host}, whose operator sees to that")


def _bad(check: str, subject: str, text: str, remedy: str) -> HealthFinding:
    return HealthFinding(check, State.FAILED, text, remedy, subject)


def _unknown(check: str, subject: str, text: str) -> HealthFinding:
    """What could not be found out is no trouble of this host's."""
    return HealthFinding(check, State.OK, f"not known: {text}", "", subject)
