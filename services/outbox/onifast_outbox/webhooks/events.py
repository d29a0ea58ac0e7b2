"""What webhooks are told of a delivery, in the payload form of Standard Webhooks: a type, a time, and the data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.queue.store import QueueRow, Submission
from onifast_shared.values import times
from onifast_shared.values.reply import Outcome
from onifast_shared.webhooks import store

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
    if not listeners:
        return
    payload = json.dumps(_payload(event, submission, settled, now), ensure_ascii=False, separators=(",", ":"))
    for webhook_id in listeners:
        store.add_event(tx, webhook_id, payload, now)


def _payload(event: str, submission: Submission, settled: SettledDelivery, now: float) -> dict[str, Any]:
    reply, trail = settled.outcome.reply, settled.outcome.trail
    return {
        "type": f"mail.{event}",
        "timestamp": times.rfc3339(now),
        "data": {
            "outbox_id": settled.row.id,
            "email_id": submission.email_id,
            "owner": submission.owner,
            "sender": submission.sender,
            "recipient": settled.row.recipient,
            "attempts": settled.attempts,
            "host": trail.host,
            "tls": trail.tls,
            "reply": {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text},
            "explanation": describe(settled.outcome),
            "next_attempt_at": times.rfc3339(settled.next_attempt_ts) if settled.next_attempt_ts else None,
        },
    }
