"""Who is to be told by mail of their junk and of refused mail, and of what: reads and marks for outbox's digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import RefusalRow
from onifast_shared.values.set_aside import SET_ASIDE

DAY = 86400
MOST_LISTED = 50
"""Messages of each kind that one digest lists; the rest is counted."""


@dataclass(frozen=True)
class DueDigest:
    """A user to be told of what came after `since`, in epoch seconds."""

    username: str
    since: int


@dataclass(frozen=True)
class DigestContent:
    """What there is to tell: the newest of each kind, and how many there are in all."""

    junk: Sequence[EmailRow]
    refused: Sequence[RefusalRow]
    junk_count: int
    refused_count: int


def due(tx: Connection, now: float, limit: int = 20) -> list[DueDigest]:
    """Users whose digest is due, the longest waiting first."""
    sql = f"""
        SELECT username, digested_ts FROM user_preferences
        WHERE junk_digest IS NOT NULL AND digested_ts <= ?1 - {DAY}
          AND digested_ts <= ?1 - CASE junk_digest WHEN 'weekly' THEN {7 * DAY} ELSE {DAY} END
          AND username NOT GLOB '{SET_ASIDE}*'
        ORDER BY digested_ts LIMIT ?2
    """
    return [DueDigest(*row) for row in tx.execute(sql, (int(now), limit))]


def content(tx: Connection, digest: DueDigest) -> DigestContent:
    """What came for a user since their last digest."""
    owner, since = digest.username, digest.since
    newer = "FROM emails WHERE owner = ? AND folder = 'junk' AND received_ts > ?"
    sql = f"SELECT id {newer} ORDER BY received_ts DESC LIMIT ?"
    ids = [row[0] for row in tx.execute(sql, (owner, since, MOST_LISTED))]
    junk = [row for email_id in ids if (row := mailbox.get(tx, owner, email_id))]
    refused = refusals.list_page(tx, owner, since=since + 1, limit=MOST_LISTED, only_missing=True).rows
    number = int(tx.execute(f"SELECT count(*) {newer}", (owner, since)).get)
    return DigestContent(junk, refused, number, refusals.count_missing(tx, owner, since))


def mark(tx: Connection, digest: DueDigest, now: float) -> bool:
    """Notes that a user was told; False where another process has told them, or they want it no more."""
    sql = (
        "UPDATE user_preferences SET digested_ts = ? WHERE username = ? AND digested_ts = ? AND junk_digest IS NOT NULL"
    )
    tx.execute(sql, (int(now), digest.username, digest.since))
    return tx.changes() > 0
