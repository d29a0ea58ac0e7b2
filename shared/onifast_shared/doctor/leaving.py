"""How mail leaves this host: from which addresses, and by which servers."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection, Database
from onifast_shared.machine import own_addresses
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.transport import relay, sources
from onifast_shared.transport.relay import Relay, RelayError


@dataclass(frozen=True)
class WaysOut:
    """`chosen` are addresses that are set to leave from, each with the name that it says in EHLO."""

    chosen: dict[str, str]
    own: tuple[str, ...]
    relay: Relay | None
    domains: tuple[str, ...]


def ways_out(database: Database, settings: Settings) -> WaysOut:
    """What is known here; raises DatabaseError."""
    return database.read(lambda tx: _read(tx, settings))


def _read(tx: Connection, settings: Settings) -> WaysOut:
    chosen = {each.address: each.helo_name or settings.hostname for each in settings.source_addresses}
    chosen |= {each.address: each.helo_name or settings.hostname for each in sources.list_all(tx)}
    try:
        smart_host = relay.get(tx)
    except RelayError:
        smart_host = None
    return WaysOut(chosen, own_addresses.public(), smart_host, tuple(addresses.domains_of(tx, None)))
