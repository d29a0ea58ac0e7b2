"""Runs filters on mail that is here already, as their owners asked for, some messages at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from onifast_shared.db.database import Connection, Database
from onifast_shared.filters import deciding, runs
from onifast_shared.filters.deciding import FiredFilters
from onifast_shared.filters.matching import MessageFacts
from onifast_shared.filters.runs import FilterRun
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import parse

from onifast_outbox import maillog


async def follow(db: Database) -> int:
    """Makes the next step of a run, if there is one; whether it did. It takes half of the time at the most.

    Raises DatabaseError.
    """
    if not await db.apeek(runs.is_waiting):
        return 0
    began = time.monotonic()
    run = await db.aread(runs.next_one)
    if run is None:
        return 0
    if run.state == "undoing":
        await db.awrite(lambda tx: runs.step_back(tx, run, time.time()))
    else:
        found = await db.aread(lambda tx: _read(tx, run))
        looked_at = await asyncio.to_thread(_decide, run, found)
        await db.awrite(lambda tx: runs.step(tx, run, looked_at, time.time()))
    await asyncio.sleep(time.monotonic() - began)
    return 1


def _read(tx: Connection, run: FilterRun) -> list[tuple[EmailRow, bytes]]:
    return [(row, _raw(tx, row)) for row in runs.messages(tx, run)]


def _raw(tx: Connection, row: EmailRow) -> bytes:
    try:
        return mailbox.raw(tx, row.id)
    except KeyError:
        return b""  # its bytes are lost: it must not hold up the others


def _decide(run: FilterRun, found: Sequence[tuple[EmailRow, bytes]]) -> list[tuple[EmailRow, FiredFilters]]:
    return [(row, _fired(run, row, raw)) for row, raw in found]


def _fired(run: FilterRun, row: EmailRow, raw: bytes) -> FiredFilters:
    try:
        parsed = parse(raw)
        text = parsed.text if parsed.text is not None else to_text(parsed.html or "")
        facts = MessageFacts(parsed, text, row.recipient, row.size)
        return deciding.decide(run.filters, facts, junk=row.folder == "junk")
    except Exception:
        maillog.unforeseen("running filters")
        return FiredFilters()
