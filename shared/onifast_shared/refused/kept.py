"""Refused messages that are kept whole for a while, apart from all mail, so that their recipients can fetch them back.

Only what was refused for its authentication or its score is: `smtpd` says so. Senders have had their refusal, and are
told nothing more. What one client, and all together, can have kept for a mailbox is bounded by the day.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import contents

DAY = 86400
MOST_OF_CLIENT = 50
"""Messages of one client (an IPv4 address, or an IPv6 /64) that are kept in a day."""

MOST_OCTETS_OF_CLIENT = 64 * 1024 * 1024

MOST_OF_OWNER = 200
"""Messages for one user that are kept in a day."""

MOST_OCTETS_OF_OWNER = 64 * 1024 * 1024
"""Octets that are kept for one user at any time; the oldest make room for the next."""

_MOST_TEXT = 500


@dataclass(frozen=True)
class RefusedCopy:
    """A refused message for one mailbox: what its row in `emails` would have said. `author` and `subject` are as shown.

    `client` is the network that it came from (`network_of`).
    """

    owner: str
    recipient: str
    reverse_path: str
    trace: bytes
    client: str
    author: str
    subject: str
    queue_id: str


@dataclass(frozen=True)
class KeptMessage:
    """A refused message that is kept; `size` is in octets."""

    id: int
    author: str
    subject: str
    size: int
    kept_ts: int


COLUMNS = "k.id, k.author, k.subject, k.size, k.kept_ts"
"""What a query selects of a row `k` of `refused_messages` for `of_row`."""


def of_row(columns: Sequence[Any]) -> KeptMessage | None:
    """The message of a row; None for one of NULLs."""
    return None if columns[0] is None else KeptMessage(*columns)


def network_of(client: str) -> str:
    """The network that a client's address counts for: itself, of IPv6 its /64."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    return client if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def has_room(tx: Connection, copy: RefusedCopy, size: int, now: float) -> bool:
    """Whether what was kept in the last day leaves room for a message of so many octets."""
    sql = "SELECT count(*), total(size) FROM refused_messages WHERE client = ? AND kept_ts > ?"
    found: list[tuple[Any, ...]] = tx.execute(sql, (copy.client, int(now) - DAY)).fetchall()
    of_client, octets = found[0]
    if of_client >= MOST_OF_CLIENT or octets + size > MOST_OCTETS_OF_CLIENT or size > MOST_OCTETS_OF_OWNER:
        return False
    sql = "SELECT count(*) FROM refused_messages WHERE owner = ? AND kept_ts > ?"
    return bool(tx.execute(sql, (copy.owner, int(now) - DAY)).get < MOST_OF_OWNER)


def octets_of(tx: Connection, owner: str) -> int:
    """What is kept for a user, in octets."""
    return int(tx.execute("SELECT total(size) FROM refused_messages WHERE owner = ?", (owner,)).get)


def add(tx: Connection, copy: RefusedCopy, content_id: int, size: int, now: float) -> int:
    """Keeps a message, whose bytes are stored; its number. The oldest of its owner's make room."""
    _make_room(tx, copy.owner, MOST_OCTETS_OF_OWNER - size)
    sql = """
        INSERT INTO refused_messages (owner, recipient, reverse_path, content_id, trace, size, client, author, subject,
                                      queue_id, kept_ts)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """
    texts = (copy.author[:_MOST_TEXT], copy.subject[:_MOST_TEXT], copy.queue_id)
    envelope = (copy.owner, copy.recipient, copy.reverse_path)
    tx.execute(sql, (*envelope, content_id, copy.trace, size, copy.client, *texts, int(now)))
    return tx.last_insert_rowid()


def take(tx: Connection, kept_id: int, owner: str) -> tuple[RefusedCopy, int, int] | None:
    """A message, the number of its bytes and how many they are, taken out of what is kept; None where it is gone."""
    sql = """
        DELETE FROM refused_messages WHERE id = ? AND owner = ?
        RETURNING owner, recipient, reverse_path, trace, client, author, subject, queue_id, content_id, size
    """
    row = tx.execute(sql, (kept_id, owner)).fetchone()
    return None if row is None else (RefusedCopy(*row[:8]), row[8], row[9])


def expire(tx: Connection, before: float, limit: int = 50) -> int:
    """Forgets some of what was kept before then; how many."""
    rows: list[tuple[Any, ...]] = tx.execute(
        "DELETE FROM refused_messages WHERE id IN"
        " (SELECT id FROM refused_messages WHERE kept_ts <= ? ORDER BY kept_ts LIMIT ?) RETURNING content_id",
        (int(before), limit),
    ).fetchall()
    contents.remove_unused(tx, [int(row[0]) for row in rows])
    return len(rows)


def _make_room(tx: Connection, owner: str, most: int) -> None:
    while (used := octets_of(tx, owner)) > most:
        sql = """
            DELETE FROM refused_messages WHERE id =
                (SELECT id FROM refused_messages WHERE owner = ? ORDER BY kept_ts, id LIMIT 1) RETURNING content_id
        """
        row = tx.execute(sql, (owner,)).fetchone()
        if row is None or not used:
            return
        contents.remove_unused(tx, [row[0]])
