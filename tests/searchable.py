"""Makes mail searchable as outbox does, without its loops."""

from __future__ import annotations

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import conversations, indexing, mailbox
from onifast_shared.mailboxes.indexing import MessageIndex
from onifast_shared.message.parsing import parse
from onifast_shared.search import find, upkeep
from onifast_shared.search.find import SearchPage, Wanted
from onifast_shared.search.index import Extras
from onifast_shared.search.upkeep import SearchBatch

NOW = 1_800_000_000.0


def parse_new(database: Database) -> None:
    """Finds out about new rows what lists show."""
    for item in database.read(lambda tx: indexing.unindexed(tx, 1000)):
        raw = database.read(lambda tx, item=item: mailbox.raw(tx, item.id))  # type: ignore[misc]
        parsed = parse(raw)
        index = MessageIndex(
            str(parsed.sender or ""),
            parsed.sender_name,
            parsed.subject,
            parsed.text or "",
            parsed.snippet,
            parsed.message_id,
            parsed.has_attachments,
        )
        database.write(lambda tx, item=item, index=index: indexing.set_index(tx, item, index))  # type: ignore[misc]
        database.write(lambda tx, item=item, parsed=parsed: conversations.join(tx, item.id, parsed))  # type: ignore[misc]


def store(tx: Connection, batch: SearchBatch) -> None:
    """Adds a batch to the index."""
    documents = [item.document(Extras.of(parse(mailbox.raw(tx, item.id)))) for item in batch.items if item.is_findable]
    upkeep.store(tx, batch, documents)


def follow(database: Database) -> None:
    """Adds and takes away what is waiting for that."""
    while database.write(upkeep.empty_some):
        pass
    while batch := database.read(upkeep.missing):
        database.write(lambda tx, batch=batch: store(tx, batch))  # type: ignore[misc]
    while database.write(lambda tx: upkeep.gather_sparse(tx) + upkeep.follow_removals(tx)):
        pass
    while (batch := database.read(upkeep.queued)).items:
        database.write(lambda tx, batch=batch: store(tx, batch))  # type: ignore[misc]


def index_all(database: Database) -> None:
    """All of it."""
    parse_new(database)
    follow(database)


def search(
    database: Database,
    text: str,
    owner: str | None = "ann",
    folder: str | None = None,
    *,
    by_rank: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> SearchPage:
    """A page of what is found."""
    wanted = Wanted(owner, text, folder, by_rank)
    return database.read(lambda tx: find.page(tx, wanted, NOW, limit=limit, cursor=cursor))


def found(database: Database, text: str, owner: str | None = "ann", folder: str | None = None) -> list[int]:
    """The ids of the first page."""
    return [each.row.id for each in search(database, text, owner, folder).found]
