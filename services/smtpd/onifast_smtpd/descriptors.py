"""How many sessions the limit of open files allows: a process that has no descriptor left can accept nobody."""

from __future__ import annotations

import resource

SPARE = 512  # for the database, DNS, filters, and connections that wait or are being closed


def sessions_allowed(wanted: int) -> int:
    """As many sessions as wanted, or as there can be descriptors for in one process, which may get them all.

    The soft limit is raised as far as that needs and the hard one allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted + SPARE
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(wanted, max(soft - SPARE, soft // 4))
