"""Whether the filters of all recipients refuse a message: only then is it refused, since it has one reply.

Who refuses it alone among several finds it in trash, where outbox puts it: nobody is told by a bounce, which would go
to whoever the sender claims to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from onifast_shared.accepting.accept import LocalDelivery
from onifast_shared.db.database import Connection, Database
from onifast_shared.filters import deciding, store
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.matching import MessageFacts
from onifast_shared.filters.store import FilterDeed
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import Parsed, parse
from onifast_shared.recipients.directory import CachedDirectory
from onifast_shared.values.reply import Reply


@dataclass(frozen=True)
class FilterRefusal:
    """What a client is told, and the filters that refused, each with its own line of the log."""

    reply: Reply
    filters: tuple[MailFilter, ...]
    sender: str
    subject: str


async def judge(
    database: Database,
    directory: CachedDirectory,
    deliveries: Sequence[LocalDelivery],
    octets: bytes,
    *,
    goes_on: bool,
) -> FilterRefusal | None:
    """The refusal, where all mailboxes' filters say so; None for what is taken in. Raises DatabaseError.

    What goes on elsewhere too is taken in. Few have such filters: whoever has none costs a look into memory.
    """
    owners = tuple(dict.fromkeys(each.owner for each in deliveries))
    if goes_on or not owners:
        return None
    for owner in owners:
        if not await directory.ask(("refuses", owner), partial(store.may_reject, owner=owner)):
            return None
    filters = await database.aread(lambda tx: {owner: store.active(tx, owner) for owner in owners})
    return await asyncio.to_thread(_judge, deliveries, filters, octets)


def note(tx: Connection, refusal: FilterRefusal, now: float) -> None:
    """Tells the filters' owners in their logs."""
    for each in refusal.filters:
        deeds = [FilterDeed("reject")]
        store.note(tx, each, deeds, email_id=None, sender=refusal.sender, subject=refusal.subject, now=now)


def _judge(
    deliveries: Iterable[LocalDelivery], filters: dict[str, list[MailFilter]], octets: bytes
) -> FilterRefusal | None:
    parsed, refused, text = parse(octets), dict[int, MailFilter](), ""
    body = _text(parsed)
    for each in deliveries:
        facts = MessageFacts(parsed, body, each.recipient, len(octets) + len(each.trace))
        found = deciding.rejection(filters[each.owner], facts)
        if found is None:
            return None
        refused[found[0].id] = found[0]
        text = text or found[1]
    reply = Reply(550, "5.7.1", text)
    return FilterRefusal(reply, tuple(refused.values()), str(parsed.sender or ""), parsed.subject)


def _text(parsed: Parsed) -> str:
    return parsed.text if parsed.text is not None else to_text(parsed.html or "")
