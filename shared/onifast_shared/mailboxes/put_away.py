"""What lies in trash and junk, and since when: the store of `put_away`, whose rows triggers keep."""

from __future__ import annotations

from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.values.set_aside import LIVE


def expire(tx: Connection, folder: Literal["trash", "junk"], before: float, limit: int = 50) -> int:
    """Removes for good some of what was put into a folder before then; how many.

    What is set aside of users who are gone is not touched, nor what an undo may bring back.
    """
    sql = f"""
        SELECT p.email_id FROM put_away p JOIN emails e ON e.id = p.email_id
        WHERE p.folder = ? AND p.since_ts <= ? AND {LIVE.replace("owner", "e.owner")}
        ORDER BY p.since_ts LIMIT ?
    """
    found: list[tuple[Any, ...]] = tx.execute(sql, (folder, int(before), limit)).fetchall()
    return mailbox.erase(tx, [email_id for (email_id,) in found])
