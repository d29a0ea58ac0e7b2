"""The queue: the rows of `outbox`, one for each recipient of each message.

The states, who may change each, to what, and what a crash leaves are in docs/queue.md, and here in TRANSITIONS, one to
one. A claimed row carries a lease: a random token that fences off a deliverer which lost its claim, and an end on the
boot clock, which no clock change moves. The token is compared in the same transaction that writes a result.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.values import queue_ids, submitters
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.reply import Reply
from onifast_shared.values.times import stored

STATES = ("pending", "sending", "sent", "deferred", "failed", "held", "cancelled", "sandboxed")

TRANSITIONS: dict[str, dict[str, str]] = {
    "pending": {
        "sending": "claim",
        "held": "hold, claim, restore",
        "cancelled": "cancel, recall, set_aside",
        "failed": "prepare",
    },
    "sending": {
        "sent": "settle",
        "deferred": "settle, give_back, release_dead",
        "failed": "settle",
        "sandboxed": "settle",
        "pending": "give_back, release_dead",
        "held": "restore",
        "cancelled": "set_aside",
    },
    "deferred": {
        "sending": "claim",
        "pending": "retry",
        "held": "hold, claim, restore",
        "cancelled": "cancel, recall, set_aside",
    },
    "failed": {"pending": "retry"},
    "held": {"pending": "release, retry", "cancelled": "cancel, recall, set_aside"},
    "sent": {"failed": "mark_returned"},
    "cancelled": {},
    "sandboxed": {"pending": "release, redirect", "cancelled": "set_aside"},
}
"""For each state, the states that follow and the functions that make the step."""


MOST_AT_ONCE = 16
"""Entries of the history that one statement writes: SQLite keeps what it has made of a statement for each number."""


@dataclass(frozen=True)
class Submission:
    """What one message's queue rows share. `sender` '' is the null reverse-path; `email_id` the copy in sent.

    `release_ts` is when it may first be tried, in epoch seconds (RFC 4865); 0 for at once. `undo` says that it waits
    only so that its sender can call it back. `written_by` is who wrote what is forwarded, as in `submitted_by`; None
    where that was nobody here. `queue_id` is the message's one name (`queue_ids`), '' for one from before there were
    such names.
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
    undo: bool = False
    written_by: str | None = None
    queue_id: str = field(default_factory=queue_ids.new, compare=False)

    @property
    def forwarded_by(self) -> str | None:
        """The address of ours that forwards it; None for a message that began its way here."""
        return submitters.forwarder_of(self.submitted_by) if self.origin == "forward" else None


@dataclass(frozen=True)
class QueuedRecipient:
    """A recipient with its DSN parameters (RFC 3461)."""

    address: str
    notify: str | None = None
    orcpt: str | None = None


@dataclass(frozen=True)
class QueueRow:
    """A recipient in the queue: `attempts` made so far, `queued_ts` when its present stay in the queue began."""

    id: int
    recipient: str
    attempts: int
    queued_ts: int
    notify: str | None
    orcpt: str | None


@dataclass(frozen=True)
class Claim:
    """Rows of one message that go to one destination and now belong to the holder of `token`.

    `destination` names their next hop (`next_hops`). `size` is the message's; `content` its bytes, where
    they were read on the way. `unreachable` is the answer where the destination is not to be tried now.
    """

    token: str
    content_id: int
    submission: Submission
    rows: tuple[QueueRow, ...]
    destination: str = ""
    size: int = 0
    content: bytes | None = None
    unreachable: Reply | None = None


@dataclass(frozen=True)
class Lease:
    """How long a claim lasts: until `boot_now_ms + duration_ms` on the boot clock of `boot_id`."""

    boot_id: str
    boot_now_ms: int
    duration_ms: int


@dataclass(frozen=True)
class DeliveryAttempt:
    """What happened when a recipient was tried, for its history. Durations are milliseconds.

    `tls_level` and `stages` are as in reply.Trail; `explanation` says the same as `reply` in plain words.
    """

    started_ts: int
    duration_ms: int
    outcome: str
    host: str = ""
    address: str = ""
    tls: str = ""
    reply: Reply | None = None
    tls_level: str = ""
    stages: tuple[tuple[str, int], ...] = ()
    explanation: str = ""


class HistoryEntry(NamedTuple):
    """An attempt of a row, as its history gets it."""

    row_id: int
    attempt: DeliveryAttempt


def enqueue(
    tx: Connection, content_id: int, submission: Submission, recipients: Sequence[QueuedRecipient], now: float
) -> list[int]:
    """Queues a message for its recipients; returns the rows' ids. The one way in, but for a script's INSERT."""
    return [_insert(tx, content_id, submission, recipient, now) for recipient in recipients]


def renew(tx: Connection, tokens: Iterable[str], lease: Lease) -> set[str]:
    """Prolongs leases; returns the tokens that still hold rows."""
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
    attempt: DeliveryAttempt | None,
    earlier: Sequence[DeliveryAttempt] = (),
    last_error: str = "",
    next_attempt_ts: int = 0,
    history: list[HistoryEntry] | None = None,
) -> bool:
    """Ends a claim on a row with its result. False, and nothing written, if the token does not hold it any more.

    `earlier` are servers that the same attempt came to before: they go into the history, and count for nothing. Where
    `history` is given, what goes there is added to that, and left to the caller to `record_all` in this transaction.
    """
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
    entries = [HistoryEntry(row_id, each) for each in (*earlier, attempt) if each is not None]
    if history is None:
        record_all(tx, entries)
    else:
        history += entries
    return True


def give_back(tx: Connection, token: str, row_ids: Iterable[int]) -> None:
    """Puts claimed rows that were not tried back, as at a clean stop."""
    for row_id in row_ids:
        tx.execute(f"{_BACK} AND lease_token = ? AND id = ?", (token, row_id))


def release_dead(tx: Connection, boot_id: str, boot_now_ms: int) -> int:
    """Puts rows back whose deliverer died: their lease ran out, or belongs to an earlier boot. Gives how many."""
    tx.execute(f"{_BACK} AND {_IS_DEAD}", (boot_id, boot_now_ms))
    return tx.changes()


def dead(tx: Connection, boot_id: str, boot_now_ms: int) -> list[int]:
    """The ids of the rows that `release_dead` would put back."""
    sql = f"SELECT id FROM outbox WHERE status = 'sending' AND {_IS_DEAD} ORDER BY id"
    return [int(str(row[0])) for row in tx.execute(sql, (boot_id, boot_now_ms))]


def record(tx: Connection, row_id: int, attempt: DeliveryAttempt) -> None:
    """Puts an attempt, or what is told of one later, into a row's history."""
    record_all(tx, [HistoryEntry(row_id, attempt)])


def record_all(tx: Connection, entries: Sequence[HistoryEntry]) -> None:
    """Puts attempts into the history of their rows: many with one statement, as each gives the interpreter away."""
    for start in range(0, len(entries), MOST_AT_ONCE):
        some = [_history_columns(*entry) for entry in entries[start : start + MOST_AT_ONCE]]
        tx.execute(_history_insertion(len(some)), tuple(chain.from_iterable(some)))


def _history_columns(row_id: int, attempt: DeliveryAttempt) -> tuple[SqlValue, ...]:
    reply = attempt.reply
    return (
        row_id, attempt.started_ts, attempt.duration_ms, attempt.outcome, attempt.host, attempt.address,
        attempt.tls, reply.code if reply else None, reply.enhanced if reply else None,
        reply.text if reply else None, attempt.tls_level, json.dumps(dict(attempt.stages)), attempt.explanation,
    )  # fmt: skip


@lru_cache(MOST_AT_ONCE)
def _history_insertion(rows: int) -> str:
    return (
        "INSERT INTO delivery_attempts (outbox_id, started_ts, duration_ms, outcome, host, address, tls, code,"
        " enhanced, reply, tls_level, stages, explanation)"
        f" VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'] * rows)}"
    )


def domain_of(recipient: str) -> str:
    """The domain that a recipient's mail is queued under; '' for what is no address."""
    if recipient.isascii():
        return recipient.rpartition("@")[2].lower() if "@" in recipient else ""
    try:
        return Address.parse(recipient).domain
    except AddressError:
        return ""


def written_by(submission: Submission) -> str | None:
    """Who wrote a message, in the form of `submitted_by`, for the rows that send it on."""
    if submission.origin == "forward":
        return submission.written_by
    return submission.submitted_by or (submitters.by_user(submission.owner) if submission.owner else submitters.PANEL)


def lane_of(sender: str, owner: str | None, submitted_by: str | None) -> str:
    """Who a message is from, as far as fairness goes; '' for bounces."""
    return submitted_by or owner or domain_of(sender)


def _insert(tx: Connection, content_id: int, submission: Submission, recipient: QueuedRecipient, now: float) -> int:
    row: dict[str, SqlValue] = {
        "sender": submission.sender,
        "recipient": recipient.address,
        "subject": submission.subject,
        "created_at": stored(now),
        "content_id": content_id,
        "queue_id": submission.queue_id or None,
        "owner": submission.owner,
        "email_id": submission.email_id,
        "origin": submission.origin,
        "submitted_by": submission.submitted_by,
        "written_by": submission.written_by,
        "body_type": submission.body_type,
        "smtputf8": int(submission.smtputf8),
        "requiretls": int(submission.requiretls),
        "dsn_ret": submission.ret,
        "dsn_envid": submission.envid,
        "dsn_notify": recipient.notify,
        "dsn_orcpt": recipient.orcpt,
        # Its time in the queue begins when it is released: the wait before was its sender's wish.
        "queued_ts": max(int(now), submission.release_ts),
        "next_attempt_ts": submission.release_ts,
        "release_ts": submission.release_ts,
        "undo": int(submission.undo),
        "domain": domain_of(recipient.address),
        "lane": lane_of(submission.sender, submission.owner, submission.submitted_by),
        "ready": int(submission.release_ts <= now),
    }
    tx.execute(_insertion(tuple(row)), tuple(row.values()))
    return tx.last_insert_rowid()


@lru_cache(maxsize=1)
def _insertion(columns: tuple[str, ...]) -> str:
    return (
        f"INSERT INTO outbox (body, status, attempts, last_error, {', '.join(columns)})"
        f" VALUES ('', 'pending', 0, '', {', '.join('?' * len(columns))})"
    )


SUBMISSION_COLUMNS = {
    "sender": "coalesce(o.sender, '')",
    "origin": "o.origin",
    "owner": "o.owner",
    "submitted_by": "o.submitted_by",
    "email_id": "o.email_id",
    "subject": "coalesce(o.subject, '')",
    "body_type": "o.body_type",
    "smtputf8": "o.smtputf8",
    "requiretls": "o.requiretls",
    "ret": "o.dsn_ret",
    "envid": "o.dsn_envid",
    "written_by": "o.written_by",
    "queue_id": "coalesce(o.queue_id, '')",
}
"""For each field of a Submission that a claim needs, what selects it from a row of `outbox o`."""


QUEUE_ROW_COLUMNS = {
    "id": "o.id",
    "recipient": "coalesce(o.recipient, '')",
    "attempts": "coalesce(o.attempts, 0)",
    "queued_ts": "coalesce(o.queued_ts, 0)",
    "notify": "o.dsn_notify",
    "orcpt": "o.dsn_orcpt",
}
"""The same for each field of a QueueRow."""


def submission_of(columns: Sequence[Any]) -> Submission:
    """A Submission from what SUBMISSION_COLUMNS select, in their order."""
    fields = dict(zip(SUBMISSION_COLUMNS, columns, strict=True))
    fields["smtputf8"], fields["requiretls"] = bool(fields["smtputf8"]), bool(fields["requiretls"])
    return Submission(**fields)


_IS_DEAD = "(lease_boot IS NOT ? OR lease_until IS NULL OR lease_until < ?)"
_BACK = """
    UPDATE outbox SET status = CASE WHEN attempts > 0 THEN 'deferred' ELSE 'pending' END, ready = domain IS NOT NULL,
                      lease_token = NULL, lease_boot = NULL, lease_until = NULL
    WHERE status = 'sending'
"""
