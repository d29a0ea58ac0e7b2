"""DKIM keys as their owners see them: the DNS record to publish, and whether it is published."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from onifast_shared import addresses, dkim_keys, dns, log
from onifast_shared.address import AddressError, parse_domain
from onifast_shared.config import Settings
from onifast_shared.db import Connection

from onifast_web.auth import Caller
from onifast_web.context import Web
from onifast_web.problems import Problem, not_found

_logger = log.get("web")


@dataclass(frozen=True)
class KeyState:
    """A domain's RSA key: `dns_value` is '' where there is none. `problem` says why a key cannot be used."""

    domain: str
    selector: str
    exists: bool
    dns_name: str
    dns_value: str = ""
    problem: str = ""


def domains_of(tx: Connection, caller: Caller) -> list[str]:
    """The domains whose keys the caller may see: those he owns or has an address in; all for administrators."""
    owner = caller.manages
    found = set(addresses.domains_of(tx, owner))
    for row in addresses.list_for(tx, owner):
        found.add(row.domain or row.address.rpartition("@")[2])
    return sorted(filter(None, (_domain(text) for text in found)))


def visible_domain(web: Web, caller: Caller, text: str) -> str:
    """The domain that a request names; raises Problem(404) for one that is not the caller's."""
    domain = _domain(text.strip())
    if domain is None:
        raise Problem(422, "domain: not a domain name", errors=[{"field": "domain", "message": "not a domain name"}])
    if caller.is_admin or domain in web.database.read(lambda tx: domains_of(tx, caller)):
        return domain
    raise not_found("domain")


def may_change(tx: Connection, caller: Caller, domain: str) -> bool:
    """Whether the caller may make keys for a domain: its owner and administrators may."""
    return caller.is_admin or addresses.domain_owner(tx, domain) == caller.username


def state(settings: Settings, domain: str) -> KeyState:
    """What lies in certs/ for a domain."""
    selector = settings.dkim_selector
    name = f"{selector}._domainkey.{domain}"
    try:
        keys = dkim_keys.load(settings.certs_dir, domain, selector)
    except dkim_keys.DkimKeyError as error:
        return KeyState(domain, selector, exists=True, dns_name=name, problem=_for_users(settings, error))
    for key in keys:
        if key.algorithm == "rsa-sha256":
            record = dkim_keys.dns_record(key)
            return KeyState(domain, selector, exists=True, dns_name=record.name, dns_value=record.value)
    return KeyState(domain, selector, exists=False, dns_name=name)


def is_published(settings: Settings, key: KeyState) -> bool | None:
    """Whether DNS has the key's record; None where DNS does not answer within `dns_timeout`, or there is no key."""
    if not key.dns_value:
        return None
    try:
        # A new resolver each time: whoever asks has just changed the record, and a cache would deny it.
        records = asyncio.run(_texts(settings, key.dns_name))
    except (dns.NoSuchDomain, dns.NoData):
        return False
    except (dns.Temporary, TimeoutError):
        return None
    return _public_key(key.dns_value) in [_public_key(record.decode("latin-1")) for record in records]


def generate(web: Web, domain: str) -> KeyState:
    """Makes the domain's first key; raises Problem(409) if it has one."""
    try:
        dkim_keys.generate(web.settings.certs_dir, domain, web.settings.dkim_selector)
    except dkim_keys.DkimKeyExists:
        raise Problem(409, f"{domain} has a key already; rotate replaces it.") from None
    except dkim_keys.DkimKeyError as error:
        raise _failed(web, domain, error) from None
    return state(web.settings, domain)


def rotate(web: Web, domain: str) -> KeyState:
    """Puts a new key in the old one's place; the old file stays beside it under a name with the time."""
    if not state(web.settings, domain).exists:
        raise Problem(409, f"{domain} has no key yet; generate makes one.")
    try:
        dkim_keys.rotate(web.settings.certs_dir, domain, web.settings.dkim_selector)
    except dkim_keys.DkimKeyError as error:
        raise _failed(web, domain, error) from None
    return state(web.settings, domain)


def _failed(web: Web, domain: str, error: dkim_keys.DkimKeyError) -> Problem:
    log.event(_logger, "dkim-key-not-written", 40, domain=domain, error=str(error))
    detail = f"{_for_users(web.settings, error)} An administrator can run `onifast-mailctl dkim generate {domain}`."
    return Problem(503, detail)


def _for_users(settings: Settings, error: Exception) -> str:
    """The error without where the file lies."""
    return str(error).replace(f"{settings.certs_dir}/", "") + "."


async def _texts(settings: Settings, name: str) -> list[bytes]:
    async with asyncio.timeout(settings.dns_timeout):
        return await dns.resolver(settings).txt(name)


def _public_key(record: str) -> str:
    """The p= tag of a key record, without the spaces that DNS panels put in (RFC 6376 section 3.6.1)."""
    for tag in record.split(";"):
        name, _, value = tag.partition("=")
        if name.strip() == "p":
            return "".join(value.split())
    return ""


def _domain(text: str) -> str | None:
    try:
        domain = parse_domain(text)
    except AddressError:
        return None
    return None if domain.startswith("[") else domain
