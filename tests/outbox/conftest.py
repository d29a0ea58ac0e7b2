"""Fixtures: a deliverer with a DNS server that a test may change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from onifast_shared.config import Settings
from onifast_shared.db import Database

from fakes.dns import DnsServer
from peers.ports import free_port

from .helpers import Outbox, patience, start


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """remote.test has one mail exchanger, on 127.0.0.25."""
    with DnsServer({"remote.test": {"MX": "10 mx.remote.test"}, "mx.remote.test": {"A": "127.0.0.25"}}) as server:
        yield server


@pytest.fixture
def outbox_settings(settings: Settings, dns: DnsServer) -> Settings:
    """Patience is short, and mail exchangers listen on a port that is free on 127.0.0.25."""
    return replace(
        settings,
        dns_servers=((dns.host, dns.port),),
        dns_timeout=0.5,
        connect_timeout=1.0,
        **patience(20),
        outbound_port=free_port("127.0.0.25"),
        file_copies=False,
    )


@pytest.fixture
async def outbox(outbox_settings: Settings, database: Database, dns: DnsServer) -> AsyncIterator[Outbox]:
    """The deliverer, wired but not running: a test steps it."""
    running = start(outbox_settings, database, dns)
    yield running
    await running.program.connections.close()
