"""Sign-in: browser sessions, and single sign-on tokens.

Each is 256 random bits, of which the database holds the SHA-256 hash only.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import cookies
from onifast_shared.accounts.cookies import credential, mark_of
from onifast_shared.db.database import Connection

SEEN_INTERVAL = 60
"""Seconds within which a session's or token's last use is not written again: reading mail is not a write each time."""


@dataclass(frozen=True)
class BrowserSession:
    """A browser's login. `credential` tells whether its user's password is still the same (see `is_current`).

    `visiting` is the account of their mailbox user whose mailbox is open in it.
    """

    username: str
    csrf_token: str
    created_ts: int
    seen_ts: int
    expires_ts: int
    credential: str | None
    visiting: str | None = None


@dataclass(frozen=True)
class SessionLimits:
    """Seconds that a session lasts: `idle` after its last use, `longest` after its beginning, used or not."""

    idle: float
    longest: float

    def end(self, created_ts: float, seen_ts: float) -> int:
        """When a session ends unless it is used; epoch seconds."""
        return int(min(seen_ts + self.idle, created_ts + self.longest))


@dataclass(frozen=True)
class OpenSession:
    """A session as its user sees it. `id` tells it from others, and opens nothing."""

    id: str
    created_ts: int
    seen_ts: int
    expires_ts: int
    started_from: str
    user_agent: str


def session_id(token: str) -> str:
    """The id of the session of a cookie."""
    return cookies.id_of(token)


def create_session(
    tx: Connection,
    username: str,
    now: float,
    limits: SessionLimits,
    password_hash: str,
    *,
    started_from: str = "",
    user_agent: str = "",
) -> tuple[str, BrowserSession]:
    """Begins a session; returns the cookie's value, which is not kept, and the session."""
    token = secrets.token_urlsafe(32)
    bound = credential(token, password_hash)
    session = BrowserSession(username, secrets.token_urlsafe(32), int(now), int(now), limits.end(now, now), bound)
    tx.execute("DELETE FROM web_sessions WHERE expires_ts <= ?", (int(now),))
    tx.execute(
        """
        INSERT INTO web_sessions
            (token_hash, username, csrf_token, created_ts, seen_ts, expires_ts, credential, started_from, user_agent,
             password_mark)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            *(cookies.hashed(token), username, session.csrf_token, int(now), int(now), session.expires_ts, bound),
            *(started_from, cookies.shown_agent(user_agent), cookies.make_mark(tx, password_hash)),
        ),
    )
    return token, session


def find_session(tx: Connection, token: str, now: float, limits: SessionLimits) -> BrowserSession | None:
    """The session of a cookie; None if it has ended, by the limits of its last use or by those of now."""
    sql = """
        SELECT username, csrf_token, created_ts, seen_ts, expires_ts, credential, visiting FROM web_sessions
        WHERE token_hash = ? AND expires_ts > ?
    """
    row = tx.execute(sql, (cookies.hashed(token), int(now))).fetchone()
    found = None if row is None else BrowserSession(*row)
    return found if found and limits.end(found.created_ts, found.seen_ts) > now else None


def is_current(session: BrowserSession, token: str, password_hash: str) -> bool:
    """Whether the user's password is the one that they had when this session began."""
    return hmac.compare_digest(session.credential or "", credential(token, password_hash))


def touch_session(tx: Connection, token: str, session: BrowserSession, now: float, limits: SessionLimits) -> None:
    """A session was used: it lasts longer, within its limits."""
    sql = "UPDATE web_sessions SET seen_ts = ?, expires_ts = ? WHERE token_hash = ?"
    tx.execute(sql, (int(now), limits.end(session.created_ts, now), cookies.hashed(token)))


def visit(tx: Connection, token: str, account: str | None) -> None:
    """Opens a mailbox user's mailbox in the session of their panel user; None leaves it."""
    tx.execute("UPDATE web_sessions SET visiting = ? WHERE token_hash = ?", (account, cookies.hashed(token)))


def end_session(tx: Connection, token: str) -> None:
    """Logs a browser out."""
    tx.execute("DELETE FROM web_sessions WHERE token_hash = ?", (cookies.hashed(token),))


def list_for(tx: Connection, username: str, now: float, limits: SessionLimits, password_hash: str) -> list[OpenSession]:
    """A user's sessions that last, the one that was used last first; without those of a password of before."""
    sql = """
        SELECT lower(hex(substr(token_hash, 1, ?))), created_ts, seen_ts, expires_ts, started_from, user_agent
        FROM web_sessions WHERE username = ? AND expires_ts > ? AND (password_mark IS NULL OR password_mark IS ?)
        ORDER BY seen_ts DESC, created_ts DESC
    """
    bind = (cookies.ID_OCTETS, username, int(now), mark_of(tx, password_hash))
    rows: list[tuple[Any, ...]] = tx.execute(sql, bind).fetchall()
    found = [OpenSession(*row) for row in rows]
    return [each for each in found if limits.end(each.created_ts, each.seen_ts) > now]


def end_by_id(tx: Connection, username: str, wanted: str) -> bool:
    """Ends a session; False if the user has none of that id."""
    sql = "DELETE FROM web_sessions WHERE username = ? AND lower(hex(substr(token_hash, 1, ?))) = ?"
    tx.execute(sql, (username, cookies.ID_OCTETS, wanted))
    return tx.changes() > 0


def end_others(tx: Connection, username: str, kept: str) -> int:
    """Ends all sessions of a user but the one with this id; how many."""
    sql = "DELETE FROM web_sessions WHERE username = ? AND lower(hex(substr(token_hash, 1, ?))) <> ?"
    tx.execute(sql, (username, cookies.ID_OCTETS, kept))
    return tx.changes()


def issue_sso(tx: Connection, username: str, now: float, lifetime: float) -> str:
    """A token that signs a user in once, within `lifetime` seconds."""
    token = secrets.token_urlsafe(32)
    tx.execute("DELETE FROM sso_tokens WHERE expires_ts <= ?", (int(now),))
    sql = "INSERT INTO sso_tokens (token_hash, username, expires_ts) VALUES (?, ?, ?)"
    tx.execute(sql, (cookies.hashed(token), username, int(now + lifetime)))
    return token


def redeem_sso(tx: Connection, token: str, now: float) -> str | None:
    """The user of a token, which is used up by this; None for one that is wrong, used or too old."""
    sql = "DELETE FROM sso_tokens WHERE token_hash = ? AND expires_ts > ? RETURNING username"
    row = tx.execute(sql, (cookies.hashed(token), int(now))).fetchall()
    return str(row[0][0]) if row else None
