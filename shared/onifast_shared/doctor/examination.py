"""The whole examination: what health sees at this moment, and what other sites see of this host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from onifast_shared.db import inspection
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.doctor import chains, domains, network
from onifast_shared.doctor.leaving import WaysOut, ways_out
from onifast_shared.health import checks as health
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine import clock, dns
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver

INTEGRITY_SECONDS = 60.0
"""For how long the database's pages are looked at; `onifast-mailctl database check` looks at all."""

LARGE_WAL = 256 * 1024 * 1024

_NetworkCheck = Callable[[Settings, WaysOut, Resolver], Awaitable[list[HealthFinding]]]

NETWORK: dict[str, _NetworkCheck] = {
    "reverse": network.reverse_names,
    "port-out": network.port_out,
    "port-in": network.port_in,
    "blocklists": network.listings,
}
LOCAL = ("chains", "clock", "integrity", "wal")
CHECKS = (*health.CHECKS, *LOCAL, "domains", *NETWORK)
"""Every check by its name, in the order in which they are shown."""


def examine(settings: Settings, only: Sequence[str] = ()) -> list[HealthFinding]:
    """Carries out all checks, or those of that name; takes up to some minutes. Blocks, and changes nothing but the
    memory of what DNS said of domains.

    A host whose mail stays on it (`delivery` is `sandbox`) is not held against what the Internet sees.
    """
    wanted = [name for name in CHECKS if not only or name in only]
    found = health.look(settings, tuple(each for each in wanted if each in health.CHECKS) or ("",))
    for name, check in _LOCAL.items():
        if name in wanted:
            found += check(settings)
    asked = [name for name in wanted if name == "domains" or name in NETWORK]
    if settings.delivery != "sandbox" and asked and settings.database.exists():
        found += _outside(settings, asked)
    return found


def _outside(settings: Settings, asked: Sequence[str]) -> list[HealthFinding]:
    try:
        database = Database.open(settings.database, timeout=settings.database_timeout)
    except DatabaseError:
        return []  # the check of the database has told it
    try:
        ways = ways_out(database, settings)
        found = list(domains.look_at(settings, database, ways.domains)) if "domains" in asked else []
        return found + asyncio.run(_ask(settings, ways, [name for name in asked if name in NETWORK]))
    finally:
        database.close()


async def _ask(settings: Settings, ways: WaysOut, names: Sequence[str]) -> list[HealthFinding]:
    resolver = dns.resolver(settings)

    async def one(name: str) -> list[HealthFinding]:
        try:
            return await NETWORK[name](settings, ways, resolver)
        except dns.Temporary as error:  # no answer is no failure
            return [HealthFinding(name, State.OK, f"not known: {error}")]

    answers = await asyncio.gather(*map(one, names))
    return [finding for answer in answers for finding in answer]


def _clock(settings: Settings) -> Iterator[HealthFinding]:
    del settings
    state = clock.is_synchronised()
    if state is False:
        remedy = (
            "apt-get install systemd-timesyncd, or chrony: signatures, certificates and one-time codes need the time"
        )
        yield HealthFinding("clock", State.WARNING, "nobody keeps this machine's clock right", remedy)
    elif state:
        yield HealthFinding("clock", State.OK, "the clock is kept right")


def _integrity(settings: Settings) -> Iterator[HealthFinding]:
    if not settings.database.exists():
        return
    try:
        found = inspection.soundness(settings.database, settings.database_timeout, INTEGRITY_SECONDS)
    except DatabaseError:
        return  # the check of the database has told it
    if found.findings:
        remedy = "docs/operations.md, The database is not what it was; first make a backup of what is there"
        yield HealthFinding("integrity", State.FAILED, f"the database is damaged: {found.findings[0]}", remedy)
    else:
        yield HealthFinding(
            "integrity", State.OK, "the database is sound" if found.complete else "no damage was found so far"
        )


def _wal(settings: Settings) -> Iterator[HealthFinding]:
    wal = settings.database.with_name(f"{settings.database.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    mib = size / (1 << 20)
    if size > LARGE_WAL:
        remedy = "somebody reads the database for long: onifast-mailctl database show names them"
        yield HealthFinding("wal", State.WARNING, f"{wal} has grown to {mib:.0f} MiB", remedy)
    else:
        yield HealthFinding("wal", State.OK, f"{mib:.0f} MiB")


_LOCAL: dict[str, Callable[[Settings], Iterator[HealthFinding]]] = {
    "chains": chains.look_at,
    "clock": _clock,
    "integrity": _integrity,
    "wal": _wal,
}
