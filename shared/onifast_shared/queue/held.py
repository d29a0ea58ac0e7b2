"""Tells webhooks that mail waits for a person now, and why."""

from __future__ import annotations

from collections.abc import Iterable

from onifast_shared.db.database import Connection
from onifast_shared.webhooks import store as webhooks
from onifast_shared.webhooks import telling

_SELECT = "SELECT owner, email_id, sender, recipient, last_error FROM outbox WHERE id = ?"


def tell(tx: Connection, row_ids: Iterable[int], now: float) -> None:
    """Has webhooks told of rows that became `held`, in the transaction that holds them."""
    if not webhooks.exist(tx):
        return
    for row_id in row_ids:
        ((found, email_id, sender, recipient, reason),) = tx.execute(_SELECT, (row_id,)).fetchall()
        owner = None if found is None else str(found)
        data = {"outbox_id": row_id, "email_id": email_id, "owner": owner, "sender": sender, "recipient": recipient}
        telling.tell(tx, owner, "held", data | {"reason": reason or ""}, now)
