"""Keys that all processes share, made at first use: the store of `secrets`."""

from __future__ import annotations

import secrets

from onifast_shared.db.database import Connection

SRS = "srs"
SCRAM_SALT = "scram-salt"
ENVELOPE_IDS = "envelope-ids"
CREDENTIAL_MARKS = "credential-marks"
TOTP = "totp"
BACKUP_CHUNKS = "backup-chunks"
_OCTETS = 32


def find(tx: Connection, name: str) -> bytes | None:
    """The key; None where nothing has been made with it yet."""
    value = tx.execute("SELECT value FROM secrets WHERE name = ?", (name,)).get
    return value.encode() if isinstance(value, str) else bytes(value) if value else None


def obtain(tx: Connection, name: str) -> bytes:
    """The key, made now if need be. Needs a transaction that writes."""
    tx.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, secrets.token_bytes(_OCTETS)))
    found = find(tx, name)
    assert found is not None  # noqa: S101 - the line before has seen to it
    return found
