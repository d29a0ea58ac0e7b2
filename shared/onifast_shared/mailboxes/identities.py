"""Identities: as whom a user writes from an address of theirs, with which signature, and where answers go."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection

LONGEST_NAME = 200
LONGEST_SIGNATURE = 200_000  # characters of HTML


@dataclass(frozen=True)
class Identity:
    """What goes with one address, by its key. `signature_html` is "" where the signature is plain text alone.

    Messages are written from the default one unless another is chosen.
    """

    address: str
    name: str = ""
    signature_html: str = ""
    signature_text: str = ""
    reply_to: str = ""
    is_default: bool = False


def of(tx: Connection, owner: str) -> dict[str, Identity]:
    """A user's identities by the key of their address; those alone that say something."""
    sql = f"SELECT {_COLUMNS} FROM identities WHERE owner = ?"
    rows = tx.execute(sql, (owner,)).fetchall()
    found = [(list(map(str, row[:5])), bool(row[5])) for row in rows]
    return {each[0]: Identity(each[0], each[1], each[2], each[3], each[4], is_default=flag) for each, flag in found}


def put(tx: Connection, owner: str, identity: Identity) -> None:
    """Writes an identity in the place of the one before. One is the default at the most."""
    if identity.is_default:
        tx.execute("UPDATE identities SET is_default = 0 WHERE owner = ?", (owner,))
    tx.execute(
        f"INSERT OR REPLACE INTO identities (owner, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            owner,
            identity.address,
            identity.name,
            identity.signature_html,
            identity.signature_text,
            identity.reply_to,
            int(identity.is_default),
        ),
    )


_COLUMNS = "address, name, signature_html, signature_text, reply_to, is_default"
