"""What the database keeps of the secrets in browsers' cookies: nothing that could be shown in their place."""

from __future__ import annotations

import hashlib
import hmac

from onifast_shared.accounts import passwords
from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection

ID_OCTETS = 8
_LONGEST_USER_AGENT = 300


def hashed(token: str) -> bytes:
    """What is kept of a token of 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def id_of(token: str) -> str:
    """What tells a token's row from others, and opens nothing."""
    return hashed(token)[:ID_OCTETS].hex()


def credential(token: str, password_hash: str) -> str:
    """What tells, to who has the token, whether the user's password is still the one that it was."""
    # The token, which only the browser has, is the key: who reads the database learns nothing about the password.
    key = token.encode("utf-8", "surrogateescape")
    return hmac.new(key, password_hash.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def mark_of(tx: Connection, password_hash: str) -> bytes | None:
    """The same for lists, where the token is not at hand; None where nothing was marked yet, or nothing may be.

    A password that the panel keeps as it is has no mark: who reads the database could try words on it.
    """
    return _mark(shared_keys.find(tx, shared_keys.CREDENTIAL_MARKS), password_hash)


def make_mark(tx: Connection, password_hash: str) -> bytes | None:
    """The same for a new row."""
    return _mark(shared_keys.obtain(tx, shared_keys.CREDENTIAL_MARKS), password_hash)


def shown_agent(user_agent: str) -> str:
    """How a browser named itself (RFC 9110 section 10.1.5), as text that can be shown."""
    text = "".join(each if each.isprintable() else " " for each in user_agent)
    return text[:_LONGEST_USER_AGENT]


def _mark(key: bytes | None, password_hash: str) -> bytes | None:
    if key is None or not passwords.is_supported(password_hash, allow_plaintext=False):
        return None
    return hmac.digest(key, password_hash.encode("utf-8", "surrogatepass"), "sha256")
