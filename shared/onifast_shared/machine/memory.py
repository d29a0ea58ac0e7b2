"""Has the C library give memory back, so that what a process holds is what it uses."""

from __future__ import annotations

import ctypes

# malloc.h. Setting the threshold also stops the library from raising it to the size of what was freed last.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8

LARGE = 256 * 1024
ARENAS = 2
_LIBRARY = ctypes.CDLL(None)


def give_back_large_blocks() -> None:
    """Call it before any thread starts. Where the C library knows no such option (musl), nothing changes.

    Without it each thread that a message of 10 MiB has passed through keeps a multiple of that for itself: measured
    with 200 of them in the queue, the process grew to three times of what it needed.
    """
    mallopt = getattr(_LIBRARY, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Gives back what has become free between what is used; takes some milliseconds, in which others go on."""
    malloc_trim = getattr(_LIBRARY, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
