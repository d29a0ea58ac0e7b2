"""The store of webhooks and of the events that wait to be told.

Events come into being in the transaction that writes a delivery's result. Without any webhook that costs one look into
an empty table. What waits for each webhook is bounded; beyond that, and after a day of trying, events are dropped and
counted. A webhook that fails for long is disabled, with the reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.machine.log import Secret
from onifast_shared.webhooks.signing import new_secret

ABOUT_SENT = ("delivered", "deferred", "bounced", "complained")
"""What a webhook can be told about a recipient of mail that was sent; the usual choice."""

EVENTS = (*ABOUT_SENT, "held", "received", "limit_hit", "login", "dkim_record")
"""All that a webhook can be told of."""

MOST_WAITING = 10_000
"""Events that wait for one webhook; what comes after them is dropped."""

MOST_PER_OWNER = 10

RETRY_AFTER = (30, 60, 300, 1800, 7200, 18_000, 28_800, 28_800)
"""Seconds before each further attempt to tell an event: a day in all."""

DISABLED_AFTER = 2 * 86400
"""Seconds of nothing but failures, after which a webhook is disabled."""

PAUSE = 30
"""Seconds for which nothing else is told to a webhook that has failed."""


class TooMany(ValueError):
    """An owner has as many webhooks as they may have."""


@dataclass(frozen=True)
class Webhook:
    """A subscription. `owner` None is the administrators', for everybody's mail. Times are epoch seconds.

    `problem` is what the last failure was, '' after a success; with `disabled_ts`, why it was disabled.
    """

    id: int
    owner: str | None
    url: str
    events: tuple[str, ...]
    secret: Secret
    created_ts: int
    disabled_ts: int | None
    problem: str
    failing_since_ts: int | None
    told_ts: int | None
    waiting: int
    dropped: int


@dataclass(frozen=True)
class WaitingEvent:
    """An event to be told. `attempts` made so far."""

    id: int
    message_id: str
    payload: str
    attempts: int


def create(tx: Connection, owner: str | None, url: str, events: Collection[str], now: float) -> Webhook:
    """A new webhook with a new secret; raises TooMany. `events` are some of EVENTS."""
    if len(list_for(tx, owner)) >= MOST_PER_OWNER:
        raise TooMany(f"there are {MOST_PER_OWNER} webhooks already; remove one first")
    chosen = " ".join(event for event in EVENTS if event in events)
    tx.execute(
        "INSERT INTO webhooks (owner, url, events, secret, created_ts) VALUES (?, ?, ?, ?, ?)",
        (owner, url, chosen, new_secret().reveal(), int(now)),
    )
    found = get(tx, tx.last_insert_rowid())
    assert found is not None  # noqa: S101 - it was written just now
    return found


def get(tx: Connection, webhook_id: int) -> Webhook | None:
    """The webhook of that id."""
    row = tx.execute(f"{_SELECT} WHERE id = ?", (webhook_id,)).fetchone()
    return None if row is None else _webhook(row)


def list_for(tx: Connection, owner: str | None) -> list[Webhook]:
    """An owner's webhooks, the oldest first; the administrators' for None."""
    return [_webhook(row) for row in tx.execute(f"{_SELECT} WHERE owner IS ? ORDER BY id", (owner,))]


def remove(tx: Connection, owner: str | None, webhook_id: int) -> bool:
    """Ends a webhook, with what waits for it; False if the owner has none of that id."""
    tx.execute("DELETE FROM webhooks WHERE id = ? AND owner IS ?", (webhook_id, owner))
    gone = tx.changes() > 0
    if gone:
        tx.execute("DELETE FROM webhook_events WHERE webhook_id = ?", (webhook_id,))
    return gone


def enable(tx: Connection, owner: str | None, webhook_id: int) -> bool:
    """Has a disabled webhook told of what happens from now on; False if the owner has none of that id."""
    tx.execute(
        "UPDATE webhooks SET disabled_ts = NULL, problem = '', failing_since_ts = NULL, pause_ts = 0"
        " WHERE id = ? AND owner IS ?",
        (webhook_id, owner),
    )
    return tx.changes() > 0


def exist(tx: Connection) -> bool:
    """Whether there is any webhook at all."""
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM webhooks)").get)


def listeners(tx: Connection, owner: str | None, event: str) -> list[int]:
    """The webhooks that are to be told of an event of an owner's mail."""
    mine = "SELECT id, events FROM webhooks WHERE owner = ? AND disabled_ts IS NULL"
    ours = "SELECT id, events FROM webhooks WHERE owner IS NULL AND disabled_ts IS NULL"
    return [row[0] for row in tx.execute(f"{mine} UNION ALL {ours}", (owner,)) if event in row[1].split()]


def set_events(tx: Connection, owner: str | None, webhook_id: int, events: Collection[str]) -> bool:
    """Has a webhook told of other events, some of EVENTS, from now on; False if the owner has none of that id."""
    chosen = " ".join(event for event in EVENTS if event in events)
    tx.execute("UPDATE webhooks SET events = ? WHERE id = ? AND owner IS ?", (chosen, webhook_id, owner))
    return tx.changes() > 0


def add_event(tx: Connection, webhook_id: int, payload: str, now: float, *, message_id: str = "") -> bool:
    """Has a webhook told of something, unless too much waits for it already: whether it will be.

    `message_id` is that of an event that is told again.
    """
    tx.execute("UPDATE webhooks SET waiting = waiting + 1 WHERE id = ? AND waiting < ?", (webhook_id, MOST_WAITING))
    if not tx.changes():
        tx.execute("UPDATE webhooks SET dropped = dropped + 1 WHERE id = ?", (webhook_id,))
        return False
    tx.execute(
        "INSERT INTO webhook_events (webhook_id, message_id, payload, next_ts) VALUES (?, ?, ?, ?)",
        (webhook_id, message_id or f"msg_{secrets.token_hex(12)}", payload, int(now)),
    )
    return True


def anything_waits(tx: Connection) -> bool:
    """Whether any webhook has something to be told, now or later."""
    return tx.execute("SELECT 1 FROM webhooks WHERE waiting > 0 LIMIT 1").fetchone() is not None


def take(tx: Connection, now: float, lease: int, limit: int, batch: int) -> list[tuple[Webhook, list[WaitingEvent]]]:
    """What is due for up to `limit` webhooks, the longest not served first, up to `batch` events of each.

    Nobody else gets anything of theirs for `lease` seconds: the server that is asked would be just as busy for others.
    """
    sql = f"{_SELECT} WHERE waiting > 0 AND disabled_ts IS NULL AND pause_ts <= ? ORDER BY pause_ts"
    taken: list[tuple[Webhook, list[WaitingEvent]]] = []
    for webhook in [_webhook(row) for row in tx.execute(sql, (int(now),))]:
        if len(taken) < limit and (events := _due(tx, webhook.id, now, batch)):
            taken.append((webhook, events))
            release(tx, webhook.id, now + lease)
    return taken


def told(tx: Connection, webhook: Webhook, event: WaitingEvent, now: float) -> None:
    """An event has reached its receiver."""
    _forget(tx, webhook.id, event.id)
    tx.execute(
        "UPDATE webhooks SET told_ts = ?, problem = '', failing_since_ts = NULL WHERE id = ?", (int(now), webhook.id)
    )


def next_attempt(event: WaitingEvent, now: float) -> int | None:
    """When an event that was not taken is tried again (epoch seconds); None for one that is dropped."""
    return int(now) + RETRY_AFTER[event.attempts] if event.attempts < len(RETRY_AFTER) else None


def failed(tx: Connection, webhook: Webhook, event: WaitingEvent, reason: str, now: float) -> bool:
    """An event was not taken; it is tried again, or dropped after a day. Whether the webhook was disabled for it."""
    if (again := next_attempt(event, now)) is not None:
        tx.execute(
            "UPDATE webhook_events SET attempts = attempts + 1, next_ts = ? WHERE id = ?",
            (again, event.id),
        )
    else:
        _forget(tx, webhook.id, event.id)
        tx.execute("UPDATE webhooks SET dropped = dropped + 1 WHERE id = ?", (webhook.id,))
    tx.execute(
        "UPDATE webhooks SET problem = ?, failing_since_ts = coalesce(failing_since_ts, ?) WHERE id = ?",
        (reason, int(now), webhook.id),
    )
    since = webhook.failing_since_ts
    if since is None or now - since < DISABLED_AFTER:
        return False
    disable(tx, webhook.id, f"It has failed for two days. The last time: {reason}", now)
    return True


def disable(tx: Connection, webhook_id: int, reason: str, now: float) -> None:
    """Tells a webhook nothing any more, and forgets what waits for it, until somebody enables it."""
    tx.execute(
        "UPDATE webhooks SET disabled_ts = ?, problem = ?, dropped = dropped + waiting, waiting = 0 WHERE id = ?",
        (int(now), reason, webhook_id),
    )
    tx.execute("DELETE FROM webhook_events WHERE webhook_id = ?", (webhook_id,))
    tx.execute(
        "UPDATE webhook_calls SET state = 'dropped', next_ts = NULL WHERE webhook_id = ? AND state = 'failing'",
        (webhook_id,),
    )


def release(tx: Connection, webhook_id: int, until: float) -> None:
    """Ends a lease: the webhook's events may be taken from `until` on."""
    tx.execute("UPDATE webhooks SET pause_ts = ? WHERE id = ?", (int(until), webhook_id))


_SELECT = (
    "SELECT id, owner, url, events, secret, created_ts, disabled_ts, problem, failing_since_ts, told_ts, waiting,"
    " dropped FROM webhooks"
)


def _webhook(row: tuple[object, ...]) -> Webhook:
    number, owner, url, events, secret, *rest = row
    return Webhook(number, owner, url, tuple(str(events).split()), Secret(str(secret)), *rest)  # type: ignore[arg-type]


def _due(tx: Connection, webhook_id: int, now: float, batch: int) -> list[WaitingEvent]:
    rows = tx.execute(
        "SELECT id, message_id, payload, attempts FROM webhook_events WHERE webhook_id = ? AND next_ts <= ?"
        " ORDER BY next_ts, id LIMIT ?",
        (webhook_id, int(now), batch),
    )
    return [WaitingEvent(*row) for row in rows]


def _forget(tx: Connection, webhook_id: int, event_id: int) -> None:
    tx.execute("DELETE FROM webhook_events WHERE id = ?", (event_id,))
    if tx.changes():
        tx.execute("UPDATE webhooks SET waiting = max(waiting - 1, 0) WHERE id = ?", (webhook_id,))
