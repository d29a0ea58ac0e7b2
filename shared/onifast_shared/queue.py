"""The queue: the rows of `outbox`, one for each recipient of each message.

The states, who may change each, to what, and what a crash leaves are in docs/queue.md, and here in TRANSITIONS, one to
one. A claimed row carries a lease: a random token that fences off a deliverer which lost its claim, and an end on the
boot clock, which no clock change moves. The token is compared in the same transaction that writes a result.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db import Connection
from onifast_shared.reply import Reply
from onifast_shared.times import stored

STATES = ("pending", "sending", "sent", "deferred", "failed", "held", "cancelled", "sandboxed")

TRANSITIONS: dict[str, dict[str, str]] = {
    "pending": {"sending": "claim", "held": "hold", "cancelled": "cancel", "failed": "prepare"},
    "sending": {
        "sent": "settle",
        "deferred": "settle, release_dead",
        "failed": "settle",
        "sandboxed": "settle",
        "pending": "release_dead",
    },
    "deferred": {"sending": "claim", "pending": "retry", "held": "hold", "cancelled": "cancel"},
    "failed": {"pending": "retry"},
    "held": {"pending": "release, retry", "cancelled": "cancel"},
    "sent": {},
    "cancelled": {},
    "sandboxed": {},
}
"""For each state, the states that follow and the functions of this module that make the step."""

GROUP_LIMIT = 100
"""Recipients claimed together: RFC 5321 section 4.5.3.1.8 lets a server refuse more in one transaction."""


FORWARDED_BY = "forward:"
"""What stands in `submitted_by` before the address of ours that forwards the message."""


@dataclass(frozen=True)
class Submission:
    """What one message's queue rows share. `sender` '' is the null reverse-path; `email_id` the copy in sent.

    `release_ts` is when it may first be tried, in epoch seconds (RFC 4865); 0 for at once.
    """

    sender: str
    origin: str
    owner: str | None = None
    submitted_by: str | None = None
    email_id: int | None = None
    subject: str = ""
    body_type: str = "8BITMIME"
    smtputf8: bool = False
    requiretls: bool = False
    ret: str | None = None
    envid: str | None = None
    release_ts: int = 0

    @property
    def forwarded_by(self) -> str | None:
        """The address of ours that forwards it; None for a message that began its way here."""
        if self.origin != "forward" or not self.submitted_by:
            return None
        return self.submitted_by.removeprefix(FORWARDED_BY)


@dataclass(frozen=True)
class QueuedRecipient:
    """A recipient with its DSN parameters (RFC 3461)."""

    address: str
    notify: str | None = None
    orcpt: str | None = None


@dataclass(frozen=True)
class QueueRow:
    """A claimed row: `attempts` made so far, `queued_ts` when its present stay in the queue began."""

    id: int
    recipient: str
    attempts: int
    queued_ts: int
    notify: str | None
    orcpt: str | None


@dataclass(frozen=True)
class Claim:
    """Rows of one message that are due together and now belong to the holder of `token`."""

    token: str
    content_id: int
    submission: Submission
    rows: tuple[QueueRow, ...]


@dataclass(frozen=True)
class Lease:
    """How long a claim lasts: until `boot_now_ms + duration_ms` on the boot clock of `boot_id`."""

    boot_id: str
    boot_now_ms: int
    duration_ms: int


@dataclass(frozen=True)
class Attempt:
    """What happened when a recipient was tried, for its history. Durations are milliseconds."""

    started_ts: int
    duration_ms: int
    outcome: str
    host: str = ""
    address: str = ""
    tls: str = ""
    reply: Reply | None = None


def enqueue(
    tx: Connection, content_id: int, submission: Submission, recipients: Sequence[QueuedRecipient], now: float
) -> list[int]:
    """Queues a message for its recipients; gives the rows' ids. The one way in, but for a script's INSERT."""
    return [_insert(tx, content_id, submission, recipient, now) for recipient in recipients]


def claim(tx: Connection, lease: Lease, now: float, limit: int) -> list[Claim]:
    """Claims up to `limit` messages that are due, the longest waiting first, each with its recipients that are due."""
    claims: list[Claim] = []
    while len(claims) < limit:
        head = tx.execute(
            "SELECT content_id, sender, submitted_by FROM outbox WHERE status IN ('pending', 'deferred')"
            " AND content_id IS NOT NULL AND next_attempt_ts <= ? ORDER BY next_attempt_ts, id LIMIT 1",
            (int(now),),
        ).fetchone()
        if head is None:
            break
        claims.append(_claim_group(tx, lease, now, head))
    return claims


def renew(tx: Connection, tokens: Iterable[str], lease: Lease) -> set[str]:
    """Prolongs leases; gives the tokens that still hold rows."""
    end = lease.boot_now_ms + lease.duration_ms
    sql = "UPDATE outbox SET lease_until = ? WHERE status = 'sending' AND lease_token = ?"
    held = set()
    for token in tokens:
        tx.execute(sql, (end, token))
        if tx.changes():
            held.add(token)
    return held


def holds(tx: Connection, token: str, row_ids: Iterable[int]) -> set[int]:
    """Those of the rows that the token still holds: asked before the final dot."""
    sql = "SELECT 1 FROM outbox WHERE id = ? AND status = 'sending' AND lease_token = ?"
    return {row_id for row_id in row_ids if tx.execute(sql, (row_id, token)).fetchone()}


def settle(
    tx: Connection,
    token: str,
    row_id: int,
    status: str,
    *,
    attempt: Attempt | None,
    last_error: str = "",
    next_attempt_ts: int = 0,
) -> bool:
    """Ends a claim on a row with its result. False, and nothing written, if the token does not hold it any more."""
    tx.execute(
        """
        UPDATE outbox SET status = ?, last_error = ?, next_attempt_ts = ?, attempts = attempts + ?,
                          lease_token = NULL, lease_boot = NULL, lease_until = NULL
        WHERE id = ? AND status = 'sending' AND lease_token = ?
        """,
        (status, last_error, next_attempt_ts, int(attempt is not None), row_id, token),
    )
    if not tx.changes():
        return False
    if attempt is not None:
        _record(tx, row_id, attempt)
    return True


def give_back(tx: Connection, token: str, row_ids: Iterable[int]) -> None:
    """Puts claimed rows that were not tried back, as at a clean stop."""
    for row_id in row_ids:
        tx.execute(f"{_BACK} AND lease_token = ? AND id = ?", (token, row_id))


def release_dead(tx: Connection, boot_id: str, boot_now_ms: int) -> int:
    """Puts rows back whose deliverer died: their lease ran out, or belongs to an earlier boot. Gives how many."""
    tx.execute(f"{_BACK} AND (lease_boot IS NOT ? OR lease_until IS NULL OR lease_until < ?)", (boot_id, boot_now_ms))
    return tx.changes()


def next_due(tx: Connection) -> int | None:
    """When, in epoch seconds, the next waiting row is due; None if none waits."""
    due = tx.execute(
        "SELECT min(next_attempt_ts) FROM outbox WHERE status IN ('pending', 'deferred') AND content_id IS NOT NULL"
    ).get
    return None if due is None else int(due)


def _insert(tx: Connection, content_id: int, what: Submission, recipient: QueuedRecipient, now: float) -> int:
    tx.execute(
        """
        INSERT INTO outbox (sender, recipient, subject, body, status, attempts, last_error, created_at, content_id,
                            owner, email_id, origin, submitted_by, body_type, smtputf8, requiretls, dsn_ret, dsn_envid,
                            dsn_notify, dsn_orcpt, queued_ts, next_attempt_ts)
        VALUES (?, ?, ?, '', 'pending', 0, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            what.sender, recipient.address, what.subject, stored(now), content_id, what.owner, what.email_id,
            what.origin, what.submitted_by, what.body_type, int(what.smtputf8), int(what.requiretls), what.ret,
            what.envid, recipient.notify, recipient.orcpt,
            # Its time in the queue begins when it is released: the wait before was its sender's wish.
            max(int(now), what.release_ts), what.release_ts,
        ),
    )  # fmt: skip
    return tx.last_insert_rowid()


def _claim_group(tx: Connection, lease: Lease, now: float, head: tuple[Any, ...]) -> Claim:
    """Rows with the same content, sender and origin as `head`: the same bytes go to all."""
    token = secrets.token_hex(16)
    tx.execute(
        """
        UPDATE outbox SET status = 'sending', lease_token = ?, lease_boot = ?, lease_until = ?
        WHERE id IN (
            SELECT id FROM outbox WHERE content_id = ? AND sender IS ? AND submitted_by IS ?
                                    AND status IN ('pending', 'deferred') AND next_attempt_ts <= ? ORDER BY id LIMIT ?)
        """,
        (
            token, lease.boot_id, lease.boot_now_ms + lease.duration_ms, *head, int(now), GROUP_LIMIT,
        ),
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = tx.execute(
        """
        SELECT id, coalesce(recipient, ''), coalesce(attempts, 0), coalesce(queued_ts, 0), dsn_notify, dsn_orcpt,
               coalesce(sender, ''), origin, owner, submitted_by, email_id, coalesce(subject, ''), body_type, smtputf8,
               requiretls, dsn_ret, dsn_envid
        FROM outbox WHERE lease_token = ? AND status = 'sending' ORDER BY id
        """,
        (token,),
    ).fetchall()
    return Claim(token, head[0], _submission(rows[0][6:]), tuple(QueueRow(*row[:6]) for row in rows))


def _submission(columns: Sequence[Any]) -> Submission:
    sender, origin, owner, submitted_by, email_id, subject, body_type, smtputf8, requiretls, ret, envid = columns
    return Submission(
        sender=sender,
        origin=origin,
        owner=owner,
        submitted_by=submitted_by,
        email_id=email_id,
        subject=subject,
        body_type=body_type,
        smtputf8=bool(smtputf8),
        requiretls=bool(requiretls),
        ret=ret,
        envid=envid,
    )


def _record(tx: Connection, row_id: int, attempt: Attempt) -> None:
    reply = attempt.reply
    tx.execute(
        "INSERT INTO delivery_attempts (outbox_id, started_ts, duration_ms, outcome, host, address, tls, code,"
        " enhanced, reply) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row_id, attempt.started_ts, attempt.duration_ms, attempt.outcome, attempt.host, attempt.address,
            attempt.tls, reply.code if reply else None, reply.enhanced if reply else None,
            reply.text if reply else None,
        ),
    )  # fmt: skip


_BACK = """
    UPDATE outbox SET status = CASE WHEN attempts > 0 THEN 'deferred' ELSE 'pending' END,
                      lease_token = NULL, lease_boot = NULL, lease_until = NULL
    WHERE status = 'sending'
"""
