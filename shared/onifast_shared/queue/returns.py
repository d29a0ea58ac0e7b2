"""What came back of sent mail: the rows that a notification may be about, and what it says of them.

Notifications name a message by its Message-ID, or by the envelope id that it was sent with (RFC 3461 section 4.4).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.queue.store import MOST_AT_ONCE, DeliveryAttempt, record
from onifast_shared.values import queue_ids
from onifast_shared.values.reply import Reply

ReportKind = Literal["bounce", "complaint", "auto-reply", "read-receipt"]

OUTCOMES = ("returned", "delayed", "confirmed", "complained", "answered", "read", "unproven")
"""What the history calls what a notification tells: that it came back, waits elsewhere, arrived, is complained of, was
answered by a program, was read, or that somebody says it came back, and nothing proves that they can know."""

MOST_ROWS = 1000
"""Rows of one message that a notification is compared with."""

MOST_NOTED = 20
"""Notifications of one outcome about one row that go into its history: anybody may send any number."""

_NOTED_ALWAYS = ("returned", "complained")  # believed, and told of a row once

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)
_TOKEN_OCTETS = 10
_SHIFTS = range(8 * _TOKEN_OCTETS - 10, -1, -10)
_ENVID = re.compile(rf"([{queue_ids.ALPHABET}]{{{queue_ids.LENGTH}}})\.([a-z2-7]{{16}})")


@dataclass(frozen=True)
class SentRow:
    """A recipient that a message was sent to; `host`, at `address`, took it at `taken_ts`, 0 if that is not known.

    `is_theirs`: see find.
    """

    id: int
    recipient: str
    domain: str
    status: str
    owner: str | None
    sender: str
    email_id: int | None
    queue_id: str
    attempts: int
    host: str
    taken_ts: int
    address: str = ""
    is_theirs: bool = True


@dataclass(frozen=True)
class NewReport:
    """What a notification says of one recipient; see DeliveryReport."""

    kind: ReportKind
    action: str
    recipient: str
    host: str
    reply: Reply
    explanation: str


@dataclass(frozen=True)
class DeliveryReport:
    """What a notification in a mailbox says of one recipient, as stored.

    `outbox_id` and `sent_id` are the row and the copy in sent that it is about, None where there is none. `believed`
    says that nobody but the recipient's side can have written it. `code` is None where none was given.
    """

    kind: ReportKind
    action: str
    recipient: str
    host: str
    code: int | None
    enhanced: str
    reply: str
    explanation: str
    believed: bool
    outbox_id: int | None = None
    sent_id: int | None = None
    subject: str = ""


def envelope_id(key: bytes, queue_id: str, domain: str) -> str:
    """The ENVID of a message to one domain alone: its name, and what only that domain's servers get to see."""
    return f"{queue_id}.{_token(key, queue_id, domain)}"


def queue_id_of(envid: str) -> str:
    """The name in an envelope id of ours, whoever made it; "" in any other."""
    match = _ENVID.fullmatch(envid.strip())
    return match[1] if match else ""


def proves(key: bytes | None, envid: str, row: SentRow) -> bool:
    """Whether an envelope id was given to the servers of this row's domain, with this message."""
    match = _ENVID.fullmatch(envid.strip())
    if match is None or key is None or not row.queue_id or match[1] != row.queue_id:
        return False
    return hmac.compare_digest(match[2], _token(key, row.queue_id, row.domain))


def note_sent(tx: Connection, message_ids: Mapping[int, str]) -> None:
    """Another site has these messages (`contents`): what it will call each."""
    items = list(message_ids.items())
    for start in range(0, len(items), MOST_AT_ONCE):
        some = items[start : start + MOST_AT_ONCE]
        values = ", ".join(["(?, ?)"] * len(some))
        tx.execute(
            f"INSERT OR IGNORE INTO sent_messages (content_id, message_id) VALUES {values}",
            tuple(chain.from_iterable(some)),
        )


def find(tx: Connection, owner: str, mailbox: str, message_ids: Iterable[str], queue_id: str) -> list[SentRow]:
    """The recipients of the messages that a notification in `owner`'s mailbox (the address `mailbox`) may be about.

    Those with `is_theirs` the owner sent, or they were sent from that very address by nobody in particular; others
    (forwards) are there since they know the messages too. Some programs give the same id to many messages: the latest
    comes first. Nothing where none is theirs.
    """
    for where, value in [("o.queue_id = ?", queue_id), *((_BY_MESSAGE_ID, each) for each in message_ids)]:
        rows = _rows(tx, where, value, owner, mailbox) if value else []
        if any(row.is_theirs for row in rows):
            return rows
    return []


def is_ours(tx: Connection, email_id: int) -> bool:
    """Whether a message in a mailbox is a notification that was written here."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM emails e JOIN outbox o ON o.queue_id = e.queue_id"
        " WHERE e.id = ? AND e.queue_id IS NOT NULL AND o.origin = 'bounce')"
    )
    return bool(tx.execute(sql, (email_id,)).get)


def mark_returned(tx: Connection, row_id: int, error: str) -> bool:
    """A message that was taken came back after all; False, and nothing written, where it does not count as sent."""
    tx.execute("UPDATE outbox SET status = 'failed', last_error = ? WHERE id = ? AND status = 'sent'", (error, row_id))
    return tx.changes() > 0


def note(tx: Connection, row_id: int, attempt: DeliveryAttempt, *, once: bool = False) -> bool:
    """Puts what a notification tells into a row's history; False where there is enough of that.

    With `once` that is where it tells the same already. What strangers send crowds out nothing that is believed.
    """
    if once and _has(tx, row_id, attempt.outcome):
        return False
    sql = "SELECT count(*) FROM delivery_attempts WHERE outbox_id = ? AND outcome = ?"
    counted = attempt.outcome not in _NOTED_ALWAYS
    if counted and int(tx.execute(sql, (row_id, attempt.outcome)).get) >= MOST_NOTED:
        return False
    record(tx, row_id, attempt)
    return True


def add(tx: Connection, email_id: int, report: NewReport, row: SentRow | None, *, believed: bool) -> None:
    """Stores what a notification says of a recipient."""
    reply = report.reply
    values = {
        "email_id": email_id,
        "outbox_id": row.id if row else None,
        "believed": int(believed),
        "kind": report.kind,
        "action": report.action,
        "recipient": report.recipient,
        "host": report.host,
        "code": reply.code,
        "enhanced": reply.enhanced,
        "reply": reply.text,
        "explanation": report.explanation,
    }
    names = ", ".join(values)
    tx.execute(
        f"INSERT INTO delivery_reports ({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values())
    )


def of_email(tx: Connection, owner: str | None, email_id: int) -> list[DeliveryReport]:
    """What a message says of mail that was sent; whether that is in its owner's sent mail, too."""
    sql = f"SELECT {', '.join(_REPORT.values())} {_FROM_REPORTS} WHERE r.email_id = ? ORDER BY r.id"
    found = []
    for columns in tx.execute(sql, (owner, email_id)):
        row = dict(zip(_REPORT, columns, strict=True))
        found.append(DeliveryReport(**row | {"believed": bool(row["believed"])}))
    return found


def _has(tx: Connection, row_id: int, outcome: str) -> bool:
    sql = "SELECT EXISTS (SELECT 1 FROM delivery_attempts WHERE outbox_id = ? AND outcome = ?)"
    return bool(tx.execute(sql, (row_id, outcome)).get)


def _token(key: bytes, queue_id: str, domain: str) -> str:
    made = hmac.digest(key, f"{queue_id}\0{domain.lower()}".encode(), "sha256")
    number = int.from_bytes(made[:_TOKEN_OCTETS], "big")
    # Base32 of two whole groups, so that nothing is padded; the standard library's would be half of what the id costs.
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def _rows(tx: Connection, where: str, value: str, owner: str, mailbox: str) -> list[SentRow]:
    sql = f"SELECT {', '.join(_SENT.values())} FROM outbox o WHERE {where} ORDER BY o.id DESC LIMIT ?"
    found: Sequence[tuple[Any, ...]] = tx.execute(sql, (owner, mailbox.lower(), value, MOST_ROWS)).fetchall()
    rows = [dict(zip(_SENT, columns, strict=True)) for columns in found]
    return [SentRow(**row | {"is_theirs": bool(row["is_theirs"])}) for row in rows]


_THEIRS = (
    "o.origin NOT IN ('bounce', 'forward')"
    " AND (coalesce(o.owner, '') = ? OR (o.owner IS NULL AND lower(coalesce(o.sender, '')) = ?))"
)
_BY_MESSAGE_ID = (
    "o.content_id IN (SELECT content_id FROM sent_messages WHERE message_id = ? ORDER BY content_id DESC LIMIT 100)"
)
_TAKEN = "FROM delivery_attempts a WHERE a.outbox_id = o.id AND a.outcome = 'delivered' ORDER BY a.id DESC LIMIT 1"
_SENT = {
    "is_theirs": _THEIRS,
    "id": "o.id",
    "recipient": "coalesce(o.recipient, '')",
    "domain": "coalesce(o.domain, '')",
    "status": "o.status",
    "owner": "o.owner",
    "sender": "coalesce(o.sender, '')",
    "email_id": "o.email_id",
    "queue_id": "coalesce(o.queue_id, '')",
    "attempts": "coalesce(o.attempts, 0)",
    "host": f"coalesce((SELECT a.host {_TAKEN}), '')",
    "address": f"coalesce((SELECT a.address {_TAKEN}), '')",
    "taken_ts": f"coalesce((SELECT a.started_ts {_TAKEN}), 0)",
}
_REPORT = {
    "kind": "r.kind",
    "action": "r.action",
    "recipient": "r.recipient",
    "host": "r.host",
    "code": "r.code",
    "enhanced": "r.enhanced",
    "reply": "r.reply",
    "explanation": "r.explanation",
    "believed": "r.believed",
    "outbox_id": "o.id",
    "sent_id": "e.id",
    "subject": "coalesce(o.subject, '')",
}
_FROM_REPORTS = (
    "FROM delivery_reports r LEFT JOIN outbox o ON o.id = r.outbox_id"
    " LEFT JOIN emails e ON e.id = o.email_id AND e.owner IS ?"
)
