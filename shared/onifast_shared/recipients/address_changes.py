"""What administrators change about an address, the same for API and command line; each is written down in the audit
trail of who has the address.
"""

from __future__ import annotations

from onifast_shared.accounts import audit
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses, quotas
from onifast_shared.recipients.addresses import AddressRow
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.values.address import Address


def give(tx: Connection, made: Change, row: AddressRow, owner: str) -> None:
    """Gives an address to another panel user; mail that came stays with the former one."""
    addresses.set_owner(tx, Address.parse(row.address), owner)
    _note(tx, made, "address.owner", row, {"from": row.owner, "to": owner})


def set_quota(tx: Connection, made: Change, row: AddressRow, limit: int | None) -> None:
    """Octets that may lie there: 0 for no limit, None for what the settings say."""
    quotas.put(tx, "address", str(Address.parse(row.address)), limit)
    _note(tx, made, "quota.set", row, {"quota": limit})


def _note(tx: Connection, made: Change, action: str, row: AddressRow, details: dict[str, object]) -> None:
    told = f"address:{row.address}"
    audit.record(tx, made.by, action, owner=row.owner, object=told, details=details, now=made.now)
