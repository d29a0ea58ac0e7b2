"""The second factor: each user's TOTP secret (RFC 6238) and recovery codes, and what has been used of them.

The secret is kept sealed with a key that all processes share, recovery codes as SHA-256 only. How codes follow from a
secret and the time is the caller's to know: `StepOf`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onifast_shared.accounts import remembered_devices
from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection
from onifast_shared.machine.log import Secret

RECOVERY_CODES = 10
BEGUN_FOR = 900
"""Seconds to confirm a new secret in."""

_NONCE_OCTETS = 12
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET_LENGTH = 32  # 160 bits, as RFC 4226 section 4 recommends
# Nothing that looks like something else; sixteen letters are 79 bits, which a plain hash protects.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUPS, _GROUP = 4, 4
_BOUND = b"onifast-mail TOTP secret"

StepOf = Callable[[Secret, str, float], int | None]
"""The time step that a code is of, by a secret, at a time; None where it fits none."""


class CodeKind(Enum):
    """What a code was."""

    TOTP = "totp"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class SecondFactor:
    """What there is of a user's second factor: since when it is on (None for off), and what is left."""

    confirmed_ts: int | None = None
    recovery_left: int = 0

    @property
    def is_on(self) -> bool:
        """Whether logins with the password ask for it."""
        return self.confirmed_ts is not None


def find(tx: Connection, username: str) -> SecondFactor:
    """What a user has."""
    sql = "SELECT confirmed_ts, recovery FROM totp_secrets WHERE username = ? AND sealed IS NOT NULL"
    row: tuple[Any, ...] | None = tx.execute(sql, (username,)).fetchone()
    return SecondFactor() if row is None else SecondFactor(row[0], len(row[1].split()))


def is_on(tx: Connection, username: str) -> bool:
    """Whether a user has a second factor."""
    return find(tx, username).is_on


def begin(tx: Connection, username: str, now: float) -> Secret:
    """A new secret, which counts once it is confirmed; what was confirmed before counts until then."""
    secret = Secret("".join(secrets.choice(_BASE32) for _ in range(_SECRET_LENGTH)))
    sql = """
        INSERT INTO totp_secrets (username, begun, begun_ts) VALUES (?1, ?2, ?3)
        ON CONFLICT (username) DO UPDATE SET begun = ?2, begun_ts = ?3
    """
    tx.execute(sql, (username, _seal(tx, secret), int(now)))
    return secret


def begun(tx: Connection, username: str, now: float) -> Secret | None:
    """The secret that waits to be confirmed, if there is one."""
    sql = "SELECT begun FROM totp_secrets WHERE username = ? AND begun_ts > ?"
    return _unseal(tx, tx.execute(sql, (username, int(now) - BEGUN_FOR)).get)


def give_up(tx: Connection, username: str) -> None:
    """Forgets the secret that waits to be confirmed."""
    tx.execute("UPDATE totp_secrets SET begun = NULL, begun_ts = NULL WHERE username = ?", (username,))


def confirm(tx: Connection, username: str, code: str, now: float, step_of: StepOf) -> tuple[Secret, ...]:
    """Makes the new secret count by a code of it; returns the recovery codes, () for a wrong code."""
    secret = begun(tx, username, now)
    step = step_of(secret, _plain(code), now) if secret else None
    if step is None:
        return ()
    sql = """
        UPDATE totp_secrets SET sealed = begun, confirmed_ts = ?, last_step = ?, begun = NULL, begun_ts = NULL
        WHERE username = ?
    """
    tx.execute(sql, (int(now), step, username))
    remembered_devices.forget_all(tx, username)
    return renew_recovery(tx, username)


def redeem(tx: Connection, username: str, code: str, now: float, step_of: StepOf) -> CodeKind | None:
    """Uses a code up; None for one that is wrong or was used before (RFC 6238 section 5.2)."""
    sql = "SELECT sealed, last_step, recovery FROM totp_secrets WHERE username = ? AND sealed IS NOT NULL"
    row: tuple[Any, ...] | None = tx.execute(sql, (username,)).fetchone()
    if row is None:
        return None
    sealed, last_step, recovery = row
    given, secret = _plain(code), _unseal(tx, sealed)
    step = step_of(secret, given, now) if secret else None
    if step is not None and step > last_step:
        tx.execute("UPDATE totp_secrets SET last_step = ? WHERE username = ?", (step, username))
        return CodeKind.TOTP
    unused = recovery.split()
    if (hashed := _hash(given)) in unused:
        unused.remove(hashed)
        tx.execute("UPDATE totp_secrets SET recovery = ? WHERE username = ?", (" ".join(unused), username))
        return CodeKind.RECOVERY
    return None


def renew_recovery(tx: Connection, username: str) -> tuple[Secret, ...]:
    """New recovery codes, which are not kept; those of before are void."""
    codes = tuple(_new_code() for _ in range(RECOVERY_CODES))
    kept = " ".join(_hash(_plain(code.reveal())) for code in codes)
    tx.execute("UPDATE totp_secrets SET recovery = ? WHERE username = ?", (kept, username))
    return codes


def remove(tx: Connection, username: str) -> bool:
    """Takes a user's second factor away, with what came of it; False if they had none."""
    had = is_on(tx, username)
    tx.execute("DELETE FROM totp_secrets WHERE username = ?", (username,))
    remembered_devices.forget_all(tx, username)
    return had


def list_on(tx: Connection) -> list[tuple[str, SecondFactor]]:
    """The users who have one, by name."""
    sql = "SELECT username, confirmed_ts, recovery FROM totp_secrets WHERE sealed IS NOT NULL ORDER BY username"
    rows: list[tuple[Any, ...]] = tx.execute(sql).fetchall()
    return [(name, SecondFactor(confirmed, len(recovery.split()))) for name, confirmed, recovery in rows]


def _seal(tx: Connection, secret: Secret) -> bytes:
    nonce = secrets.token_bytes(_NONCE_OCTETS)
    key = shared_keys.obtain(tx, shared_keys.TOTP)
    return nonce + AESGCM(key).encrypt(nonce, secret.reveal().encode("ascii"), _BOUND)


def _unseal(tx: Connection, stored: object) -> Secret | None:
    """The secret; None where there is none, or the key that it was sealed with is gone."""
    key = shared_keys.find(tx, shared_keys.TOTP)
    if key is None or not isinstance(stored, bytes):
        return None
    try:
        return Secret(AESGCM(key).decrypt(stored[:_NONCE_OCTETS], stored[_NONCE_OCTETS:], _BOUND).decode("ascii"))
    except (InvalidTag, ValueError):
        return None


def _plain(code: str) -> str:
    """A code as it is compared: people type spaces, dashes and capitals."""
    return re.sub(r"[\s-]+", "", code[:64]).lower()


def _new_code() -> Secret:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return Secret("-".join(groups))


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
