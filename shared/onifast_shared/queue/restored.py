"""Mail that waited when a backup was made: it may have gone out since, so it waits for a person once it is back."""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.queue import hold_rules

HELD_BY_RESTORE = 0
"""Stands where the rule's number stands in rows that a rule holds: an administrator lets them go, no owner."""


def hold(tx: Connection, backup_id: str) -> int:
    """Holds all that waited or was on its way; returns how many rows."""
    reason = f"restored from backup {backup_id}: it may have been delivered since"
    tx.execute(_HOLD, (reason, HELD_BY_RESTORE))
    return tx.changes()


def release(tx: Connection, now: float) -> int:
    """Lets some of it go, the oldest first; returns how many rows, 0 once there are none."""
    return hold_rules.release(tx, HELD_BY_RESTORE, now)


_HOLD = """
    UPDATE outbox
    SET last_error = ?, hold_rule = ?, status = 'held', lease_token = NULL, lease_boot = NULL, lease_until = NULL
    WHERE status IN ('pending', 'deferred', 'sending')
"""
