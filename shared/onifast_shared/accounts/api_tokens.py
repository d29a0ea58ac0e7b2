"""Personal API tokens: each lets one program of a user's do what its scopes say, until it expires or is revoked.

Each is 256 random bits, of which the database holds the SHA-256 hash only.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from onifast_shared.db.database import Connection

MAX_PER_USER = 100
MAX_NAME = 64
LONGEST_LIFE = 10 * 365 * 86400
"""Seconds."""

_COLUMNS = "id, username, name, scopes, created_ts, expires_ts, used_ts, used_from"


class TokenScope(Enum):
    """What a token may be for; each by itself, none is part of another."""

    READ = "read"
    SEND = "send"
    MANAGE = "manage"
    ADMIN = "admin"


ALL_SCOPES = frozenset(TokenScope)

SCOPE_MEANINGS = {
    TokenScope.READ: "Read mail, and see what became of it",
    TokenScope.SEND: "Write drafts and send mail",
    TokenScope.MANAGE: "Move and delete mail, change settings",
    TokenScope.ADMIN: "Do what only administrators may, and see everybody’s queue",
}


class TokenError(ValueError):
    """A token cannot be made; `field` is what is wrong with it, and the text one line for who asked."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class TokenRefused(TokenError):
    """A token may not be made by who asked for it."""


@dataclass(frozen=True)
class ApiToken:
    """A token without its secret. `expires_ts` is None for never; `used_ts` and `used_from` where it was never used."""

    id: int
    username: str
    name: str
    scopes: frozenset[TokenScope]
    created_ts: int
    expires_ts: int | None
    used_ts: int | None
    used_from: str | None

    def is_over(self, now: float) -> bool:
        """Whether it has expired."""
        return self.expires_ts is not None and self.expires_ts <= now

    @property
    def scope_names(self) -> list[str]:
        """Its scopes' names, the least first."""
        return [scope.value for scope in TokenScope if scope in self.scopes]


def scopes_from(names: Iterable[str]) -> frozenset[TokenScope]:
    """The scopes of these names; raises TokenError."""
    known = {scope.value: scope for scope in TokenScope}
    asked = list(names)
    if unknown := [name for name in asked if name not in known]:
        raise TokenError("scopes", f"{unknown[0]!r} is no scope: use {', '.join(known)}")
    return frozenset(known[name] for name in asked)


def create(
    tx: Connection,
    username: str,
    name: str,
    now: float,
    *,
    scopes: Iterable[TokenScope] = ALL_SCOPES,
    expires_ts: int | None = None,
) -> tuple[str, ApiToken]:
    """A new token; its text, which is not kept, and its description. Raises TokenError."""
    label, wanted = _checked_name(name), frozenset(scopes)
    if not wanted:
        raise TokenError("scopes", "choose what the token may do")
    if expires_ts is not None and not now < expires_ts <= now + LONGEST_LIFE:
        raise TokenError("expires_at", "a token ends in the future, within ten years")
    if tx.execute("SELECT count(*) FROM api_tokens WHERE username = ?", (username,)).get >= MAX_PER_USER:
        raise TokenError("name", f"there are {MAX_PER_USER} tokens already; revoke one first")
    token = "onifast_" + secrets.token_urlsafe(32)
    names = " ".join(scope.value for scope in TokenScope if scope in wanted)
    sql = """
        INSERT INTO api_tokens (token_hash, username, name, scopes, created_ts, expires_ts) VALUES (?, ?, ?, ?, ?, ?)
    """
    tx.execute(sql, (_hash(token), username, label, names, int(now), expires_ts))
    return token, ApiToken(tx.last_insert_rowid(), username, label, wanted, int(now), expires_ts, None, None)


def find(tx: Connection, token: str) -> ApiToken | None:
    """The token that a request carries, expired or not; None for an unknown or revoked one."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM api_tokens WHERE token_hash = ?", (_hash(token),)).fetchone()
    return None if row is None else _token(row)


def touch(tx: Connection, token_id: int, now: float, where: str) -> None:
    """A token was used from `where`."""
    tx.execute("UPDATE api_tokens SET used_ts = ?, used_from = ? WHERE id = ?", (int(now), where, token_id))


def list_for(tx: Connection, username: str) -> list[ApiToken]:
    """A user's tokens, oldest first, those that have expired too."""
    sql = f"SELECT {_COLUMNS} FROM api_tokens WHERE username = ? ORDER BY id"
    return [_token(row) for row in tx.execute(sql, (username,))]


def revoke(tx: Connection, username: str, token_id: int) -> ApiToken | None:
    """Ends a token, which is returned; None if the user has none of that id."""
    sql = f"DELETE FROM api_tokens WHERE id = ? AND username = ? RETURNING {_COLUMNS}"
    rows = tx.execute(sql, (token_id, username)).fetchall()
    return _token(rows[0]) if rows else None


def _checked_name(text: str) -> str:
    name = text.strip()
    if not name:
        raise TokenError("name", "give it a name, such as the program's")
    if len(name) > MAX_NAME or not name.isprintable():
        raise TokenError("name", f"a name has {MAX_NAME} characters at the most, and no control characters")
    return name


def _token(row: tuple[Any, ...]) -> ApiToken:
    token_id, username, name, scopes, *times = row
    # A scope of a later version is none that this one could grant.
    held = frozenset(scope for scope in TokenScope if scope.value in str(scopes).split())
    return ApiToken(token_id, username, name, held, *times)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
