"""Parses received messages for list and search, moments after they were accepted, and learns who writes to whom."""

from __future__ import annotations

import asyncio

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import indexing, mailbox, search
from onifast_shared.mailboxes.indexing import MessageIndex, UnindexedMessage
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import parse
from onifast_shared.recipients import correspondents
from onifast_shared.values.suffixes import suffixes

# Characters of a message that search looks through; the rest of a book's worth of text is not worth its index.
MAX_TEXT = 256 * 1024


def index_of(raw: bytes) -> MessageIndex:
    """What list and search need to know of a message; never raises, whatever the bytes."""
    parsed = parse(raw)
    text = parsed.text if parsed.text is not None else to_text(parsed.html or "")
    return MessageIndex(
        sender=str(parsed.sender or ""),
        sender_name=parsed.sender_name,
        subject=parsed.subject,
        text=text[:MAX_TEXT],
        snippet=parsed.snippet,
        message_id=parsed.message_id,
        has_attachments=parsed.has_attachments,
    )


async def run_once(db: Database) -> int:
    """Indexes a batch of new rows in one transaction; how many. Raises DatabaseError."""
    items = await db.aread(indexing.unindexed)
    indexes = [(item, await _index(db, item)) for item in items]

    def store(tx: Connection) -> None:
        for item, index in indexes:
            indexing.set_index(tx, item, index)

    if indexes:
        await db.awrite(store)
    return len(items)


async def sweep(db: Database) -> int:
    """Indexes a batch of older messages anew, so that words inside runs without spaces are found; how many it saw."""
    swept = await db.aread(search.look)
    if swept is None:
        return 0
    await db.awrite(lambda tx: search.sweep(tx, swept), lasting=False)
    return swept.position - swept.below


async def learn(db: Database) -> int:
    """Learns correspondents from a batch of messages; how many. Raises DatabaseError."""
    if not await db.aread(correspondents.is_behind):
        return 0
    known = await asyncio.to_thread(suffixes)
    return await db.awrite(lambda tx: correspondents.gather(tx, known), lasting=False)


async def _index(db: Database, item: UnindexedMessage) -> MessageIndex:
    try:
        raw = await db.aread(lambda tx: mailbox.raw(tx, item.id))
    except KeyError:
        raw = b""  # removed for good meanwhile, or its bytes are lost: it must not hold up the others
    return await asyncio.to_thread(index_of, raw)
