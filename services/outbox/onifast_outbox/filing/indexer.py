"""Parses received messages for list and search, moments after they were accepted, judges them for their owners, and
learns who writes to whom."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import NamedTuple

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.filters.answers import Occasion
from onifast_shared.junk import judging, senders, words
from onifast_shared.junk.judging import ArrivedMessage, JunkVerdict
from onifast_shared.junk.senders import MessageOrigin
from onifast_shared.junk.words import Reading
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import conversations, indexing, mailbox, snoozing, stored_attachments
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.indexing import MessageIndex, UnindexedMessage
from onifast_shared.mailboxes.stored_attachments import AttachmentPlace, LargeBytes
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import Parsed, Summary, parse
from onifast_shared.moving import imported
from onifast_shared.recipients import addressees, correspondents
from onifast_shared.search import index as search_index
from onifast_shared.search import upkeep
from onifast_shared.search.index import Extras, SearchDocument
from onifast_shared.search.upkeep import UnsearchableMessage
from onifast_shared.values.suffixes import suffixes

from onifast_outbox import maillog
from onifast_outbox.filing import filter_runs, filtering, joining, search_keeper
from onifast_outbox.filing.filtering import MessageWishes, OwnersWishes
from onifast_outbox.returns.recording import ReadReturn, RecordedReturn, ReturnRecorder
from onifast_outbox.webhooks import events

# Characters of a message that search looks through; the rest of a book's worth of text is not worth its index.
MAX_TEXT = 256 * 1024


def index_of(raw: bytes) -> MessageIndex:
    """What list and search need to know of a message; never raises, whatever the bytes."""
    return _index_of(parse(raw))


def _index_of(parsed: Parsed) -> MessageIndex:
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


class FilesOfMessage(NamedTuple):
    """Where the files of a large message lie among its stored bytes."""

    content_id: int
    places: list[AttachmentPlace]


class _Fetched(NamedTuple):
    """What the database has of a message that is to be indexed."""

    raw: bytes
    row: EmailRow | None
    arrived: ArrivedMessage | None
    columns: UnsearchableMessage | None
    stored: LargeBytes | None
    wanted: OwnersWishes | None = None


@dataclass(frozen=True)
class _Read:
    """What was found in a message."""

    head: Parsed
    index: MessageIndex
    reading: Reading
    document: SearchDocument | None
    origin: MessageOrigin
    files: FilesOfMessage | None


@dataclass(frozen=True)
class IndexedMessage:
    """A message that is parsed and judged, and not stored yet."""

    item: UnindexedMessage
    index: MessageIndex
    document: SearchDocument | None
    arrived: ArrivedMessage | None
    verdict: JunkVerdict | None
    returned: ReadReturn | None
    origin: MessageOrigin
    head: Summary
    files: FilesOfMessage | None
    wishes: MessageWishes | None = None


async def run_once(
    db: Database,
    recorder: ReturnRecorder | None = None,
    *,
    settings: Settings | None = None,
    own_filter: bool = True,
) -> int:
    """Indexes and judges a batch of new rows in one transaction; how many. Raises DatabaseError.

    What came back of sent mail is recorded with it by `recorder`. With `settings` the filters of its owner and their
    vacation note act on it. Where nothing is new, search follows what changed.
    """
    items = await db.aread(indexing.unindexed) if await db.apeek(indexing.has_unindexed) else []
    if items:
        await learn(db)  # whom they wrote to a moment ago
    found = [
        await _looked_at(db, item, recorder, own_filter=own_filter, filtered=settings is not None) for item in items
    ]

    def store(tx: Connection) -> list[RecordedReturn]:
        recorded = list[RecordedReturn]()
        for each in found:
            is_new = indexing.set_index(tx, each.item, each.index)
            is_news = is_new and not imported.is_imported(tx, each.item.id)
            if is_new:
                conversations.join(tx, each.item.id, each.head)
            if is_new and each.files is not None:
                stored_attachments.note(tx, *each.files)
            if is_new and each.document is not None and upkeep.is_ready(tx):
                search_index.add(tx, each.document)
            returned = recorder.record(tx, each.returned, time.time()) if is_news and recorder and each.returned else []
            if each.arrived is not None:
                _settle(tx, each, each.arrived, settings, is_return=bool(returned))
            elif is_news:
                conversations.settle_muted(tx, each.item.id)
                snoozing.wake_answered(tx, each.item.id)
            recorded += returned
        return recorded

    for each in await db.awrite(store) if found else []:
        _log(each)
    return len(items) or await filter_runs.follow(db) or await search_keeper.follow(db) or await joining.follow(db)


def _settle(
    tx: Connection, found: IndexedMessage, arrived: ArrivedMessage, settings: Settings | None, *, is_return: bool
) -> None:
    """Stores the verdict, which webhooks wait for. What is told of one's own mail stays where it lies."""
    verdict, now = found.verdict, time.time()
    if verdict is not None and is_return:
        verdict = replace(verdict, folder=arrived.folder, reason="")
    elif verdict is not None:
        verdict = senders.judge(tx, arrived, verdict, found.origin)
    wishes = found.wishes if settings is not None and judging.waits(tx, arrived.email_id) else None
    if verdict is not None and verdict.is_blocked:
        wishes = None  # whoever is blocked is not sorted, answered or sent on
    judged = verdict or JunkVerdict(arrived.folder)
    judging.settle(tx, arrived, verdict if wishes is None else filtering.place(wishes, judged))
    conversations.settle_muted(tx, arrived.email_id)
    snoozing.wake_answered(tx, arrived.email_id)
    row = mailbox.get(tx, arrived.owner, arrived.email_id)
    if wishes is not None and row is not None and settings is not None:
        is_junk = judged.folder == "junk"
        filtering.act(Occasion(tx, settings, now), wishes, arrived, row, is_junk=is_junk)
        row = mailbox.get(tx, arrived.owner, arrived.email_id)
    is_moved = wishes is not None and wishes.says_where(is_junk=judged.folder == "junk")
    if row is not None and row.folder == "inbox" and verdict is not None and verdict.is_apart and not is_moved:
        senders.put_apart(tx, arrived.owner, arrived.email_id, now)
        row = mailbox.get(tx, arrived.owner, arrived.email_id)
    if row is not None:
        events.note_received(tx, row, now)


async def learn(db: Database) -> int:
    """Learns correspondents and addressees from a batch of messages; how many. Raises DatabaseError."""
    learned = 0
    if await db.aread(correspondents.is_behind):
        known = await asyncio.to_thread(suffixes)
        learned = await db.awrite(lambda tx: correspondents.gather(tx, known), lasting=False)
    if await db.aread(addressees.is_behind):
        learned += await db.awrite(addressees.gather, lasting=False)
    return learned


async def _looked_at(
    db: Database, item: UnindexedMessage, recorder: ReturnRecorder | None, *, own_filter: bool, filtered: bool
) -> IndexedMessage:
    fetched = await db.aread(lambda tx: _fetch(tx, item, filtered=filtered))
    raw, row, arrived = fetched.raw, fetched.row, fetched.arrived
    read = await asyncio.to_thread(_read, fetched, is_ours=item.is_ours)
    wishes = None
    if fetched.wanted and arrived is not None and row is not None:
        wishes = await filtering.decided(db, fetched.wanted, (raw, read.head, read.index.text), arrived, row)
    returned = await asyncio.to_thread(_returned, recorder, row, raw) if recorder and row else None
    verdict = None
    if arrived is not None:
        try:
            verdict = await db.aread(lambda tx: judging.judge(tx, arrived, read.reading, own_filter=own_filter))
        except DatabaseError:
            raise
        except Exception:  # it stays where it lies, and holds up nobody
            maillog.unforeseen("judging a message")
    return IndexedMessage(
        item, read.index, read.document, arrived, verdict, returned, read.origin, read.head, read.files, wishes
    )


def _fetch(tx: Connection, item: UnindexedMessage, *, filtered: bool) -> _Fetched:
    columns = next(iter(upkeep.rows(tx, [item.id])), None)
    arrived = judging.look(tx, item.id)
    wanted = filtering.wishes(tx, arrived.owner, time.time()) if filtered and arrived is not None else None
    try:
        raw, row = mailbox.raw(tx, item.id), mailbox.get(tx, None, item.id)
    except KeyError:
        # Removed for good meanwhile, or its bytes are lost: it must not hold up the others, nor wait for a verdict.
        return _Fetched(b"", None, arrived, None, None)
    return _Fetched(raw, row, arrived, columns, stored_attachments.bytes_of(tx, item.id), wanted)


def _read(fetched: _Fetched, *, is_ours: bool) -> _Read:
    parsed = parse(fetched.raw)
    index = _index_of(parsed)
    document = _document(parsed, index, fetched.columns) if is_ours and fetched.columns is not None else None
    stored = fetched.stored
    files = None if stored is None else FilesOfMessage(stored.content_id, stored_attachments.places_of(parsed, stored))
    if fetched.arrived is None:
        return _Read(parsed, index, words.NOTHING, document, MessageOrigin(), files)
    origin = senders.origin_of(parsed)
    try:
        reading = words.read(parsed, index.text, fetched.arrived.authentication)
    except Exception:
        maillog.unforeseen("reading a message's words")
        reading = words.NOTHING
    return _Read(parsed, index, reading, document, origin, files)


def _document(parsed: Parsed, index: MessageIndex, columns: UnsearchableMessage) -> SearchDocument | None:
    """The words of a message whose row will be as its index says; nobody finds what is set aside."""
    if not columns.is_findable:
        return None
    recipient = columns.source[2]
    source = (index.sender, index.sender_name, recipient, index.subject, index.text)
    return replace(columns, source=source).document(Extras.of(parsed))


def _returned(recorder: ReturnRecorder, row: EmailRow, raw: bytes) -> ReadReturn | None:
    try:
        return recorder.read(row, raw)
    except Exception:  # it is mail like any other
        maillog.unforeseen("reading a notification")
        return None


def _log(recorded: RecordedReturn) -> None:
    row = recorded.row
    maillog.came_back(
        recorded.outcome,
        row.queue_id,
        row.id,
        recipient=row.recipient,
        email_id=recorded.email_id,
        reply=recorded.report.reply,
    )
