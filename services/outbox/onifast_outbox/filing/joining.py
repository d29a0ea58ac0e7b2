"""Puts messages from before there were conversations into theirs, and those that changed their owner."""

from __future__ import annotations

import asyncio
import time

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, conversations, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.parsing import Summary, summary


async def follow(db: Database) -> int:
    """Puts a batch into their conversations, the oldest first; 0 where there are none left.

    It takes half of the time at the most, so that others get at the database. Raises DatabaseError.
    """
    if not await db.apeek(conversations.has_unjoined):
        return 0
    began = time.monotonic()
    found = await db.aread(_heads)
    await db.awrite(lambda tx: [conversations.join(tx, email_id, head) for email_id, head in found], lasting=False)
    await asyncio.sleep(time.monotonic() - began)
    return len(found)


def _heads(tx: Connection) -> list[tuple[int, Summary]]:
    return [(each.id, _head(tx, each)) for each in mailbox.get_some(tx, None, conversations.unjoined(tx))]


def _head(tx: Connection, row: EmailRow) -> Summary:
    try:
        data = mailbox.raw(tx, row.id) if row.content_id is None else contents.head(tx, row.content_id)
    except KeyError:
        data = b""  # removed for good meanwhile, or its bytes are lost: it must not hold up the others
    return summary(data)
