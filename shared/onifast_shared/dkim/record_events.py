"""Tells webhooks which DKIM record DNS needs from now on, and which may go, so that a panel can see to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.dkim.selectors import Selector
from onifast_shared.recipients import addresses
from onifast_shared.webhooks import store, telling

Wish = Literal["publish", "remove"]


def tell(tx: Connection, rows: Iterable[Selector], wish: Wish, now: float) -> None:
    """Told once, in the transaction of the rotation's step."""
    for row in rows:
        owner = addresses.domain_owner(tx, row.domain)
        data = {
            "owner": owner,
            "domain": row.domain,
            "action": wish,
            "name": f"{row.selector}._domainkey.{row.domain}",
            "type": "TXT",
            "value": row.value,
        }
        telling.tell(tx, owner, "dkim_record", data, now)


def is_heard(tx: Connection, domain: str) -> bool:
    """Whether a webhook wants to know it about a domain."""
    return bool(store.listeners(tx, addresses.domain_owner(tx, domain), "dkim_record"))
