"""Pending logins: who has shown the first factor and not yet the second. They open nothing else."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from onifast_shared.accounts.cookies import credential, hashed
from onifast_shared.db.database import Connection

LIFETIME = 600
"""Seconds to show the second factor in."""


@dataclass(frozen=True)
class PendingLogin:
    """`shown` is the first factor, `password` or `sso`; `target` the path to go to in the end."""

    username: str
    shown: str
    target: str
    credential: str

    def is_current(self, token: str, password_hash: str) -> bool:
        """Whether the user's password is still the one that they had at the first step."""
        return hmac.compare_digest(self.credential, credential(token, password_hash))


def begin(tx: Connection, username: str, shown: str, target: str, *, password_hash: str, now: float) -> str:
    """Notes that the first factor was shown; returns the cookie's value, which is not kept."""
    token = secrets.token_urlsafe(32)
    tx.execute("DELETE FROM pending_logins WHERE expires_ts <= ?", (int(now),))
    tx.execute(
        "INSERT INTO pending_logins (token_hash, username, shown, credential, target, expires_ts)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (hashed(token), username, shown, credential(token, password_hash), target, int(now) + LIFETIME),
    )
    return token


def find(tx: Connection, token: str, now: float) -> PendingLogin | None:
    """The pending login of a cookie; None if it is over."""
    sql = "SELECT username, shown, target, credential FROM pending_logins WHERE token_hash = ? AND expires_ts > ?"
    row = tx.execute(sql, (hashed(token), int(now))).fetchone()
    return None if row is None else PendingLogin(*map(str, row))


def end(tx: Connection, token: str) -> bool:
    """Ends it; False if it was over already: of two requests with one cookie, one goes on."""
    tx.execute("DELETE FROM pending_logins WHERE token_hash = ?", (hashed(token),))
    return tx.changes() > 0
