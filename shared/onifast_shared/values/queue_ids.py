"""Queue ids: the one name that a message has from the moment it is taken in to the last attempt at its delivery.

Replies, Received fields, delivery reports and the log lines of all three programs carry it. It says nothing of how much
mail there is, and nobody can guess another's.
"""

from __future__ import annotations

import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""No i, l, o, u: an id can be read out on the telephone."""

LENGTH = 12
"""Characters, of five bits each: among a hundred million ids, two are the same with a chance of one in two hundred."""

TICKS = 8
"""In a second. An id begins with 20 bits of them, so ids of one time lie beside each other in an index, and each commit
writes a page or two of it; wherever ids are all random, it writes one for each message. They begin anew after 36 hours.
"""

_RANDOM_OCTETS = 5
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_PLACES = range(5 * LENGTH - 10, -1, -10)


def new(now: float | None = None) -> str:
    """A name that no other message has; `now` is in epoch seconds, None for the present."""
    ticks = int((time.time() if now is None else now) * TICKS)
    bits = ticks << 8 * _RANDOM_OCTETS | int.from_bytes(os.urandom(_RANDOM_OCTETS))
    return "".join([_PAIRS[bits >> place & 1023] for place in _PLACES])
