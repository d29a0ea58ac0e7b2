"""Keeps the search index: follows what changed in rows that are indexed, and adds what was there before the index."""

from __future__ import annotations

import asyncio
import time

from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.parsing import parse
from onifast_shared.search import upkeep
from onifast_shared.search.index import Extras, SearchDocument
from onifast_shared.search.upkeep import SearchBatch, UnsearchableMessage


async def follow(db: Database) -> int:
    """Follows a batch of changes; 0 where there was nothing to do. Raises DatabaseError."""
    if not await db.apeek(upkeep.is_behind):
        return 0
    if not await db.aread(upkeep.is_ready):
        return int(await db.awrite(upkeep.empty_some, lasting=False))
    is_behind, batch = await db.aread(lambda tx: (upkeep.has_removals(tx) or upkeep.has_sparse(tx), upkeep.queued(tx)))
    if is_behind:
        await db.awrite(lambda tx: upkeep.gather_sparse(tx) + upkeep.follow_removals(tx), lasting=False)
    if batch.items:
        await _add(db, batch)
    return int(is_behind) + len(batch.items)


async def sweep(db: Database) -> int:
    """Adds a batch of older messages to the index, or makes room for that; 0 where there is nothing left to do.

    It takes half of the time at the most, so that others get at the database and at the processor. Raises
    DatabaseError.
    """
    began = time.monotonic()
    if await db.awrite(upkeep.empty_some, lasting=False):
        done = 1
    elif batch := await db.aread(upkeep.missing):
        await _add(db, batch)
        done = 1
    else:
        done = int(await db.awrite(upkeep.empty_former, lasting=False))
    if done:
        await asyncio.sleep(time.monotonic() - began)
    return done


async def _add(db: Database, batch: SearchBatch) -> None:
    documents = [await _document(db, item) for item in batch.items if item.is_findable]
    await db.awrite(lambda tx: upkeep.store(tx, batch, documents), lasting=False)


async def _document(db: Database, item: UnsearchableMessage) -> SearchDocument:
    try:
        raw = await db.aread(lambda tx: mailbox.raw(tx, item.id))
    except KeyError:
        raw = b""  # removed for good meanwhile, or its bytes are lost: it must not hold up the others
    return await asyncio.to_thread(lambda: item.document(Extras.of(parse(raw))))
