"""Sign-in: browser sessions, and single sign-on tokens.

Each is 256 random bits, of which the database holds the SHA-256 hash only.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from onifast_shared.db.database import Connection

SEEN_INTERVAL = 60
"""Seconds within which a session's or token's last use is not written again: reading mail is not a write each time."""


@dataclass(frozen=True)
class BrowserSession:
    """A browser's login. `credential` tells whether its user's password is still the same (see `is_current`)."""

    username: str
    csrf_token: str
    created_ts: int
    seen_ts: int
    expires_ts: int
    credential: str | None


def create_session(
    tx: Connection, username: str, now: float, lifetime: float, password_hash: str
) -> tuple[str, BrowserSession]:
    """Begins a session; returns the cookie's value, which is not kept, and the session."""
    token = secrets.token_urlsafe(32)
    credential = _credential(token, password_hash)
    session = BrowserSession(username, secrets.token_urlsafe(32), int(now), int(now), int(now + lifetime), credential)
    tx.execute("DELETE FROM web_sessions WHERE expires_ts <= ?", (int(now),))
    tx.execute(
        """
        INSERT INTO web_sessions (token_hash, username, csrf_token, created_ts, seen_ts, expires_ts, credential)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (_hash(token), username, session.csrf_token, int(now), int(now), session.expires_ts, credential),
    )
    return token, session


def find_session(tx: Connection, token: str, now: float) -> BrowserSession | None:
    """The session of a cookie; None if it has ended."""
    sql = """
        SELECT username, csrf_token, created_ts, seen_ts, expires_ts, credential FROM web_sessions
        WHERE token_hash = ? AND expires_ts > ?
    """
    row = tx.execute(sql, (_hash(token), int(now))).fetchone()
    return None if row is None else BrowserSession(*row)


def is_current(session: BrowserSession, token: str, password_hash: str) -> bool:
    """Whether the user's password is the one that they had when this session began."""
    return hmac.compare_digest(session.credential or "", _credential(token, password_hash))


def touch_session(tx: Connection, token: str, now: float, lifetime: float) -> None:
    """A session was used: it lasts `lifetime` seconds from now."""
    sql = "UPDATE web_sessions SET seen_ts = ?, expires_ts = ? WHERE token_hash = ?"
    tx.execute(sql, (int(now), int(now + lifetime), _hash(token)))


def end_session(tx: Connection, token: str) -> None:
    """Logs a browser out."""
    tx.execute("DELETE FROM web_sessions WHERE token_hash = ?", (_hash(token),))


def issue_sso(tx: Connection, username: str, now: float, lifetime: float) -> str:
    """A token that signs a user in once, within `lifetime` seconds."""
    token = secrets.token_urlsafe(32)
    tx.execute("DELETE FROM sso_tokens WHERE expires_ts <= ?", (int(now),))
    sql = "INSERT INTO sso_tokens (token_hash, username, expires_ts) VALUES (?, ?, ?)"
    tx.execute(sql, (_hash(token), username, int(now + lifetime)))
    return token


def redeem_sso(tx: Connection, token: str, now: float) -> str | None:
    """The user of a token, which is used up by this; None for one that is wrong, used or too old."""
    sql = "DELETE FROM sso_tokens WHERE token_hash = ? AND expires_ts > ? RETURNING username"
    row = tx.execute(sql, (_hash(token), int(now))).fetchall()
    return str(row[0][0]) if row else None


def _credential(token: str, password_hash: str) -> str:
    # The token, which only the browser has, is the key: who reads the database learns nothing about the password.
    key = token.encode("utf-8", "surrogateescape")
    return hmac.new(key, password_hash.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
