"""How many sessions the limit of open files allows: a process that has no descriptor left can accept nobody."""

from __future__ import annotations

from onifast_shared.machine import descriptors

SPARE = 512  # for the database, DNS, filters, and connections that wait or are being closed


def sessions_allowed(wanted: int) -> int:
    """As many sessions as wanted, or as there can be descriptors for in one process, which may get them all."""
    return descriptors.connections_allowed(wanted, spare=SPARE)
