"""What webhooks are told, in the form of Standard Webhooks: type, time and data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.values import times
from onifast_shared.webhooks import store


def tell(tx: Connection, owner: str | None, event: str, data: Mapping[str, Any], now: float) -> None:
    """Has every webhook told of an event of an owner's that wants it, in the transaction of what it tells of."""
    if listeners := store.listeners(tx, owner, event):
        tell_listeners(tx, listeners, event, data, now)


def tell_listeners(tx: Connection, listeners: Iterable[int], event: str, data: Mapping[str, Any], now: float) -> None:
    """Has these webhooks told; for those who find out the data only where somebody wants to know."""
    text = payload(event, data, now)
    for webhook_id in listeners:
        store.add_event(tx, webhook_id, text, now)


def payload(event: str, data: Mapping[str, Any], now: float) -> str:
    """The body of a call."""
    whole = {"type": f"mail.{event}", "timestamp": times.rfc3339(now), "data": dict(data)}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
