"""Fixtures: a receiver on real sockets, with users, addresses, certificates and a DNS server of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from fakes.certificates import Authority, Certificate
from fakes.dns import DnsServer, ZoneData

from .helpers import World, start_world

ZONE: ZoneData = {
    "remote.test": {"TXT": "v=spf1 ip4:127.0.0.9 -all", "MX": "10 mx.remote.test"},
    "mx.remote.test": {"A": "127.0.0.25"},
    "forged.test": {"TXT": "v=spf1 ip4:192.0.2.1 -all"},
    "strict.test": {"TXT": "v=spf1 -all"},
    "_dmarc.strict.test": {"TXT": "v=DMARC1; p=reject"},
    "9.0.0.127.block.test": {"A": "127.0.0.2", "TXT": "ask the list's keeper"},
}
HASTE = 2.0  # seconds; those that do answer need far less, even on a busy machine
PASSWORDS = {"alice": "alice's secret", "bob": "bob's secret", "chief": "chief's secret", "gone": "gone's secret"}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS server that a test may change."""
    with DnsServer(ZONE) as server:
        yield server


@pytest.fixture
def smtpd_settings(settings: Settings, dns: DnsServer) -> Settings:
    """Settings where 127.0.0.1 is this machine and every other loopback address is a foreign one.

    Nothing but a silent name server runs into the time-out.
    """
    for name, password in PASSWORDS.items():
        write_user(settings.users_dir, name, password, is_admin=name == "chief", disabled=name == "gone")
    return replace(
        settings,
        dns_servers=((dns.host, dns.port),),
        dns_timeout=20.0,
        login_delay=0.0,
        loopback_networks=(ip_network("127.0.0.1/32"), ip_network("::1/128")),
    )


@pytest.fixture
def populated(database: Database) -> Database:
    """The database, with the addresses of alice and bob in it."""

    def fill(tx: Connection) -> None:
        addresses.add(tx, Address.parse("alice@here.test"), "alice")
        addresses.add(tx, Address.parse("bob@here.test"), "bob")
        addresses.add(tx, Address.parse("bob@second.test"), "bob")

    database.write(fill)
    return database


@pytest.fixture
def certificate(settings: Settings) -> Certificate:
    """A certificate for the host name, where the receiver looks for it."""
    return Authority(settings.certs_dir).issue(settings.hostname)


@pytest.fixture
async def start(smtpd_settings: Settings, populated: Database) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Starts a receiver with some settings changed; every one ends with the test."""
    worlds: list[World] = []

    async def start_with(**changes: Any) -> World:
        world = await start_world(replace(smtpd_settings, **changes), populated)
        worlds.append(world)
        return world

    yield start_with
    for world in worlds:
        await world.stop()


@pytest.fixture
async def world(start: Callable[..., Awaitable[World]]) -> World:
    """A receiver with the settings as they are."""
    return await start()


@pytest.fixture
async def hasty(start: Callable[..., Awaitable[World]]) -> World:
    """A receiver for tests with a silent name server, which it waits HASTE seconds for."""
    return await start(dns_timeout=HASTE)


def write_user(directory: Path, name: str, password: str, **more: object) -> None:
    """A panel user's file; the cheapest hash will do."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (directory / f"{name}.json").write_text(json.dumps({"username": name, "password": hashed, **more}))
