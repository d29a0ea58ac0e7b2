"""Whether this machine's clock is kept right, as the kernel knows it."""

from __future__ import annotations

import ctypes

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_OCTETS = 4096  # more than struct timex has anywhere; zeros ask and change nothing


def is_synchronised() -> bool | None:
    """Whether somebody keeps the clock right (NTP, or the host of a virtual machine); None where that is not told."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS)))
    return None if state < 0 else state != _TIME_ERROR
