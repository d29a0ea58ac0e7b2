"""Fixtures: a deliverer with a DNS server that a test may change."""

from __future__ import annotations

import ipaddress
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

from fakes.certificates import Authority
from fakes.dns import DnsServer
from peers.ports import free_port

from .helpers import Outbox, patience, start
from .programs import Program


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """remote.test has one mail exchanger, on 127.0.0.25."""
    with DnsServer({"remote.test": {"MX": "10 mx.remote.test"}, "mx.remote.test": {"A": "127.0.0.25"}}) as server:
        yield server


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one authority that is trusted: to read the system's 140 would take each deliverer a tenth of a second."""
    return Authority(tmp_path_factory.mktemp("trusted")).issue("nobody.test").authority


@pytest.fixture
def outbox_settings(settings: Settings, dns: DnsServer, trusted: Path) -> Settings:
    """Mail exchangers listen on a port that is free on 127.0.0.25; nothing but a stalling peer runs into a timeout."""
    return replace(
        settings,
        dns_servers=((dns.host, dns.port),),
        dns_timeout=20.0,
        connect_timeout=10.0,
        outbound_tls_ca=trusted,
        mta_sts_networks=(ipaddress.ip_network("127.0.0.0/8"),),
        **patience(20),
        outbound_port=free_port("127.0.0.25"),
        file_copies=False,
    )


@pytest.fixture
async def outbox(outbox_settings: Settings, database: Database, dns: DnsServer) -> AsyncIterator[Outbox]:
    """The deliverer, wired but not running: a test steps it."""
    running = start(outbox_settings, database, dns)
    yield running
    await running.program.dispatcher.finish(0)  # while there is a database to give claims back to
    await running.program.connections.close()


@pytest.fixture
def port() -> int:
    """Where mail exchangers listen."""
    return free_port("127.0.0.25")


@pytest.fixture
def run(settings: Settings, dns: DnsServer, port: int) -> Iterator[Callable[..., Program]]:
    """Starts the program, with further settings."""
    started: list[Program] = []

    def start_one(**more: str) -> Program:
        values = {
            "root": str(settings.root),
            "home_root": str(settings.home_root),
            "hostname": "mail.host.test",
            "run_as": "root",
            "dns_servers": dns.address,
            "outbound_port": str(port),
            "lease_seconds": "2s",
            "smtp_listen": "127.0.0.1:2525",
            **more,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ONIFAST_")}
        program = Program(environment | {f"ONIFAST_MAIL_{name.upper()}": value for name, value in values.items()})
        started.append(program)
        return program

    yield start_one
    for program in started:
        if program.process.poll() is None:
            program.stop(signal.SIGKILL)
