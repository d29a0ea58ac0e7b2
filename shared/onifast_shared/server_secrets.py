"""Keys that all processes of this server share, each made at its first use: the store of the table `secrets`."""

from __future__ import annotations

import secrets

from onifast_shared.db import Connection

KEY_OCTETS = 32


def find(tx: Connection, name: str) -> bytes | None:
    """The key of that name, if there is one yet."""
    row = tx.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def ensure(tx: Connection, name: str) -> bytes:
    """The key of that name, made now where there was none; for a write transaction."""
    tx.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, secrets.token_bytes(KEY_OCTETS)))
    return bytes(tx.execute("SELECT value FROM secrets WHERE name = ?", (name,)).get)
