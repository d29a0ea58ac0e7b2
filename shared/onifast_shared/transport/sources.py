"""The addresses of this machine that mail leaves from: the settings', and those of single sending domains."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.machine.setting_types import Source
from onifast_shared.transport import names, sending_domain
from onifast_shared.transport.names import BadField
from onifast_shared.values.address import AddressError, parse_domain

Family = Literal[4, 6]


@dataclass(frozen=True)
class StoredSource:
    """The address that a domain's mail leaves from in its family; `helo_name` "" leaves the name to the settings."""

    domain: str
    address: str
    helo_name: str = ""
    created_ts: int = 0

    @property
    def family(self) -> Family:
        """4 or 6."""
        return family_of(self.address)


@dataclass(frozen=True)
class Sources:
    """Where one message leaves from: at most one address in each family; without any, the system chooses."""

    by_family: Mapping[Family, Source] = field(default_factory=dict)

    def can_reach(self, address: str) -> bool:
        """Whether a server's address is of a family that the message may leave in."""
        return not self.by_family or family_of(address) in self.by_family

    def towards(self, address: str) -> Source | None:
        """Where to leave from for a server's address; None where the system chooses."""
        return self.by_family.get(family_of(address))

    @property
    def key(self) -> str:
        """Tells connections apart that leave from different addresses."""
        return ",".join(f"{source.address}={source.helo_name}" for _, source in sorted(self.by_family.items()))


def family_of(address: str) -> Family:
    """An IP address' family, as text has it."""
    return 6 if ":" in address else 4


def checked(domain: str, address: str, helo_name: str) -> StoredSource:
    """A domain's source address, which this machine has. Raises BadField."""
    name = names.checked(domain, "domain")
    try:
        ip = str(ipaddress.ip_address(address.strip().strip("[]")))
    except ValueError:
        raise BadField("address", "not an IPv4 or IPv6 address") from None
    if why := why_unusable(ip):
        raise BadField("address", why)
    try:
        helo = parse_domain(helo_name.strip()) if helo_name.strip() else ""
    except AddressError:
        raise BadField("helo_name", "not a host name") from None
    return StoredSource(name, ip, helo)


def why_unusable(address: str) -> str:
    """Why nothing can be sent from an address now, in words; "" where it is this machine's."""
    if ipaddress.ip_address(address).is_unspecified or ipaddress.ip_address(address).is_multicast:
        return f"{address} is no address to send from"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return f"this machine does not have the address {address}"
        return f"{address} cannot be used: {os.strerror(error.errno or 0).lower()}"
    return ""


def list_all(tx: Connection) -> list[StoredSource]:
    """Every domain's, by name and family."""
    return [_stored(row) for row in tx.execute(f"{_SELECT} ORDER BY domain, family")]


def put(tx: Connection, source: StoredSource) -> None:
    """Sets a domain's address in its family. It counts from the next attempt on."""
    tx.execute(
        """
        INSERT INTO source_addresses (domain, family, address, helo_name, created_ts) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (domain, family) DO UPDATE SET address = excluded.address, helo_name = excluded.helo_name
        """,
        (source.domain, source.family, source.address, source.helo_name, source.created_ts),
    )


def remove(tx: Connection, domain: str, family: Family | None = None) -> bool:
    """Takes a domain's addresses away, or the one of a family; False if there was none."""
    sql = "DELETE FROM source_addresses WHERE domain = ?1 AND (?2 IS NULL OR family = ?2)"
    tx.execute(sql, (domain, family))
    return tx.changes() > 0


def sources_for(
    tx: Connection, sender: str, submitted_by: str | None, settings: Iterable[Source], *, any_stored: bool | None = None
) -> Sources:
    """Where a message leaves from: its sending domain's addresses if it has any, else those of the setting.

    `sender` and `submitted_by` are the queue row's; `any_stored` is whether any domain has any, if the caller knows.
    """
    configured = tuple(settings)
    has_any = _any(tx) if any_stored is None else any_stored
    domain = sending_domain.of(tx, sender, submitted_by) if has_any else None
    stored = _of_domain(tx, domain) if domain else []
    helo_names = {source.address: source.helo_name for source in configured}
    chosen = [Source(each.address, each.helo_name or helo_names.get(each.address, "")) for each in stored] or configured
    by_family: dict[Family, Source] = {}
    for source in chosen:
        by_family.setdefault(family_of(source.address), source)
    return Sources(by_family)


_SELECT = "SELECT domain, address, helo_name, created_ts FROM source_addresses"


def _any(tx: Connection) -> bool:
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM source_addresses)").get)


def _of_domain(tx: Connection, domain: str) -> list[StoredSource]:
    """Those of the most specific name that has any."""
    for name in names.covering(domain):
        rows = tx.execute(f"{_SELECT} WHERE domain = ? ORDER BY family", (name,)).fetchall()
        if rows:
            return [_stored(row) for row in rows]
    return []


def _stored(row: tuple[Any, ...]) -> StoredSource:
    return StoredSource(*row)
