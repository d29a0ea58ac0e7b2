"""Queue ids: the one name that a message has from the moment it is taken in to the last attempt at its delivery.

Replies, Received fields, delivery reports and the log lines of all three programs carry it. It says nothing of how much
mail there is, and nobody can guess another's.
"""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""No i, l, o, u: an id can be read out on the telephone."""

LENGTH = 12
"""Characters, of five bits each: among a hundred million ids, two are the same with a chance of one in two hundred."""


def new() -> str:
    """A name that no other message has."""
    bits = secrets.randbits(5 * LENGTH)
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in range(LENGTH))
