"""What webhooks are told of a delivery, or of new mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.queue.returns import NewReport, SentRow
from onifast_shared.queue.store import QueueRow, Submission
from onifast_shared.values import times
from onifast_shared.values.reply import Outcome, Reply
from onifast_shared.webhooks import store, telling

from onifast_outbox.reasons import describe

_EVENT_OF_STATUS = {"sent": "delivered", "deferred": "deferred", "failed": "bounced"}


@dataclass(frozen=True)
class SettledDelivery:
    """A row's new state. `attempts` counts those that were made, `next_attempt_ts` is 0 where none follows."""

    row: QueueRow
    status: str
    outcome: Outcome
    attempts: int
    next_attempt_ts: int


def note(tx: Connection, submission: Submission, settled: SettledDelivery, now: float) -> None:
    """Queues the event for every webhook that wants it, in the transaction that settles the row."""
    event = _EVENT_OF_STATUS.get(settled.status)
    if event is None or submission.origin == "bounce":
        return  # what is said about a delivery is none that anybody waits for
    listeners = store.listeners(tx, submission.owner, event)
    if listeners:
        telling.tell_listeners(tx, listeners, event, _data(submission, settled), now)


def note_return(tx: Connection, row: SentRow, report: NewReport, notification_id: int, now: float) -> None:
    """Queues the event of a notification about mail that was sent: `bounced` once more, or `complained`."""
    event = "complained" if report.kind == "complaint" else "bounced"
    listeners = store.listeners(tx, row.owner, event)
    if not listeners:
        return
    data = {
        "outbox_id": row.id,
        "email_id": row.email_id,
        "owner": row.owner,
        "sender": row.sender,
        "recipient": row.recipient,
        "attempts": row.attempts,
        "host": report.host,
        "tls": "",
        "reply": _reply(report.reply),
        "explanation": report.explanation,
        "next_attempt_at": None,
        "notification_id": notification_id,
    }
    telling.tell_listeners(tx, listeners, event, data, now)


def note_received(tx: Connection, row: EmailRow, now: float) -> None:
    """Queues the event of a message that came in, once it is known where it belongs."""
    listeners = store.listeners(tx, row.owner, "received")
    if not listeners:
        return
    data = {
        "email_id": row.id,
        "owner": row.owner,
        "sender": row.sender,
        "recipient": row.recipient,
        "subject": row.subject,
        "folder": row.folder,
        "size": row.size,
        "correspondent": row.correspondent,
        "junk_score": row.junk_score,
        "junk_reason": row.junk_reason,
    }
    telling.tell_listeners(tx, listeners, "received", data, now)


def _reply(reply: Reply) -> dict[str, Any]:
    return {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text}


def _data(submission: Submission, settled: SettledDelivery) -> dict[str, Any]:
    reply, trail = settled.outcome.reply, settled.outcome.trail
    return {
        "outbox_id": settled.row.id,
        "email_id": submission.email_id,
        "owner": submission.owner,
        "sender": submission.sender,
        "recipient": settled.row.recipient,
        "attempts": settled.attempts,
        "host": trail.host,
        "tls": trail.tls,
        "reply": _reply(reply),
        "explanation": describe(settled.outcome),
        "next_attempt_at": times.rfc3339(settled.next_attempt_ts) if settled.next_attempt_ts else None,
        "notification_id": None,
    }
