"""How many descriptors this process may open: a program that holds many connections takes what it may have."""

from __future__ import annotations

import contextlib
import resource


def raise_limit(most: int) -> int:
    """Raises the soft limit to the hard one, or to `most`; gives the limit that holds now.

    The soft limit is 1,024 by habit, for programs that use select(2); none of ours does for its connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return most if soft == resource.RLIM_INFINITY else soft
