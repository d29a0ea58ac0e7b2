"""How many connections the limit of open files allows: a process that holds many takes what descriptors it may have."""

from __future__ import annotations

import contextlib
import resource


def connections_allowed(wanted: int, *, spare: int, each: int = 1) -> int:
    """As many connections as wanted, or as there can be descriptors for, `each` for one and `spare` for all else.

    The soft limit is raised as far as that needs and the hard one allows. It is 1,024 by habit, for programs that use
    select(2); none of ours does for its connections.
    """
    needed = spare + each * wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < needed:
        higher = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (higher, hard))
            soft = higher
    return min(wanted, max(soft - spare, soft // 4) // each)
