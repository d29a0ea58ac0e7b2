"""Whose program a connection of this machine is."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from onifast_smtpd.clients.client import Client, Service
from onifast_smtpd.clients.unix_owner import Owners

OURS, OTHER = "127.5.5.5", "127.5.5.6"


@contextlib.contextmanager
def connected(source: str) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """A connection from `source` to our address: our end, and the client's."""
    with socket.create_server((OURS, 0)) as server:
        local = server.getsockname()
        with socket.create_connection(local, source_address=(source, 0)) as client, server.accept()[0]:
            yield local, client.getsockname()


@pytest.mark.parametrize(("source", "is_ours"), [(OURS, True), (OTHER, False)])
async def test_a_trusted_client_with_our_own_address_is_a_program_of_this_machine(source: str, is_ours: bool) -> None:
    with connected(source) as (local, peer):
        client = Client(Service.MX, ip_address(peer[0]), peer[1], is_loopback=False, is_trusted=True)
        with contextlib.closing(Owners()) as owners:
            found = await owners.find(client, local)
    assert found.is_loopback == is_ours
    assert found.unix_user == (pwd.getpwuid(os.getuid()).pw_name if is_ours else None)


async def test_a_client_with_our_own_address_that_nobody_trusts_is_a_stranger() -> None:
    with connected(OURS) as (local, peer):
        client = Client(Service.MX, ip_address(peer[0]), peer[1], is_loopback=False, is_trusted=False)
        with contextlib.closing(Owners()) as owners:
            assert await owners.find(client, local) == client
