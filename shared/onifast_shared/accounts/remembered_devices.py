"""Remembered devices: browsers in which their user chose to be asked for no second factor, for some days."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import cookies
from onifast_shared.db.database import Connection

MAX_PER_USER = 50


@dataclass(frozen=True)
class RememberedDevice:
    """A remembered device as its user sees it. `id` tells it from others, and opens nothing."""

    id: str
    created_ts: int
    used_ts: int
    expires_ts: int
    used_from: str
    user_agent: str


def remember(
    tx: Connection, username: str, password_hash: str, now: float, seconds: float, *, used_from: str, user_agent: str
) -> str:
    """Remembers a browser; returns the cookie's value, which is not kept. The oldest ones give way."""
    token = secrets.token_urlsafe(32)
    tx.execute("DELETE FROM remembered_devices WHERE expires_ts <= ?", (int(now),))
    tx.execute(
        "DELETE FROM remembered_devices WHERE rowid IN (SELECT rowid FROM remembered_devices WHERE username = ?"
        " ORDER BY used_ts DESC LIMIT -1 OFFSET ?)",
        (username, MAX_PER_USER - 1),
    )
    tx.execute(
        "INSERT INTO remembered_devices (token_hash, username, credential, created_ts, used_ts, expires_ts, used_from,"
        " user_agent, password_mark) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(cookies.hashed(token), username, cookies.credential(token, password_hash)),
            *(int(now), int(now), int(now + seconds), used_from, cookies.shown_agent(user_agent)),
            cookies.make_mark(tx, password_hash),
        ),
    )
    return token


def is_remembered(tx: Connection, token: str, username: str, password_hash: str, *, now: float, longest: float) -> bool:
    """Whether a cookie is a device's of that user, who has the same password still; `longest` is what holds now."""
    sql = (
        "SELECT credential, created_ts FROM remembered_devices WHERE token_hash = ? AND username = ? AND expires_ts > ?"
    )
    row = tx.execute(sql, (cookies.hashed(token), username, int(now))).fetchone()
    if row is None or int(str(row[1])) + longest <= now:
        return False
    return hmac.compare_digest(str(row[0]), cookies.credential(token, password_hash))


def touch(tx: Connection, token: str, now: float, used_from: str) -> None:
    """A remembered device was signed in with."""
    sql = "UPDATE remembered_devices SET used_ts = ?, used_from = ? WHERE token_hash = ?"
    tx.execute(sql, (int(now), used_from, cookies.hashed(token)))


def list_for(tx: Connection, username: str, now: float, longest: float, password_hash: str) -> list[RememberedDevice]:
    """A user's remembered devices, the one that was used last first; without those of a password of before."""
    sql = """
        SELECT lower(hex(substr(token_hash, 1, ?))), created_ts, used_ts, expires_ts, used_from, user_agent
        FROM remembered_devices
        WHERE username = ? AND expires_ts > ? AND created_ts > ? AND (password_mark IS NULL OR password_mark IS ?)
        ORDER BY used_ts DESC, created_ts DESC
    """
    mark = cookies.mark_of(tx, password_hash)
    rows: list[tuple[Any, ...]] = tx.execute(
        sql, (cookies.ID_OCTETS, username, int(now), int(now - longest), mark)
    ).fetchall()
    return [RememberedDevice(*row) for row in rows]


def forget(tx: Connection, username: str, wanted: str) -> bool:
    """Forgets a device; False if the user has none of that id."""
    sql = "DELETE FROM remembered_devices WHERE username = ? AND lower(hex(substr(token_hash, 1, ?))) = ?"
    tx.execute(sql, (username, cookies.ID_OCTETS, wanted))
    return tx.changes() > 0


def forget_all(tx: Connection, username: str, but: str = "") -> int:
    """Forgets all of a user's devices, but the one of this cookie; how many."""
    sql = "DELETE FROM remembered_devices WHERE username = ? AND token_hash <> ?"
    tx.execute(sql, (username, cookies.hashed(but)))
    return tx.changes()
