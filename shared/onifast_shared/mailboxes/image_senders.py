"""Image senders: the authors whose messages' remote images a user wants to see without being asked."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.values.address import Address

MOST = 1000
"""Image senders of one user that are kept: the latest."""


@dataclass(frozen=True)
class ImageSender:
    """An author, and since when their images are shown, in epoch seconds."""

    address: str
    since_ts: int


def list_all(tx: Connection, username: str) -> list[ImageSender]:
    """A user's image senders, in the order of their addresses."""
    sql = "SELECT address, since_ts FROM image_senders WHERE username = ? ORDER BY address"
    return [ImageSender(*row) for row in tx.execute(sql, (username,))]


def has(tx: Connection, username: str, address: Address) -> bool:
    """Whether a user always wants to see an author's images."""
    sql = "SELECT 1 FROM image_senders WHERE username = ? AND address = ?"
    return tx.execute(sql, (username, address.key)).get is not None


def add(tx: Connection, username: str, address: Address, now: float) -> None:
    """Shows an author's images from now on."""
    sql = "INSERT INTO image_senders (username, address, since_ts) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    tx.execute(sql, (username, address.key, int(now)))
    tx.execute(
        "DELETE FROM image_senders WHERE username = ?1 AND address IN ("
        " SELECT address FROM image_senders WHERE username = ?1 ORDER BY since_ts DESC, rowid DESC LIMIT -1 OFFSET ?2)",
        (username, MOST),
    )


def remove(tx: Connection, username: str, address: str) -> bool:
    """Asks again before an author's images are shown; False if they were not shown always."""
    tx.execute("DELETE FROM image_senders WHERE username = ? AND address = ?", (username, address))
    return tx.changes() > 0
