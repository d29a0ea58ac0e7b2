"""Has the filters and the vacation note of a message's owner act on it as it is judged.

What a message looks like to them is found out before the transaction, whether it is junk in it: so they are asked for
both, where they ask for that. All that follows is committed with the verdict, and happens once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from onifast_shared.accepting.distribution import visited
from onifast_shared.db.database import Connection, Database
from onifast_shared.filters import acting, answers, deciding, store, vacations
from onifast_shared.filters.acting import ActingError, OnwardMessage, SortedMessage
from onifast_shared.filters.answers import AnswerableMessage, Occasion
from onifast_shared.filters.deciding import FiredFilters, MailFilter
from onifast_shared.filters.matching import MessageFacts
from onifast_shared.junk.judging import ArrivedMessage, JunkVerdict
from onifast_shared.mailboxes import contents
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.headers import fields, has_bare_line_ends, split_head
from onifast_shared.message.parsing import Parsed

from onifast_outbox import maillog


@dataclass(frozen=True)
class OwnersWishes:
    """The filters of an owner that are on, and whether a vacation note of theirs is."""

    filters: tuple[MailFilter, ...]
    is_away: bool

    def __bool__(self) -> bool:
        return bool(self.filters) or self.is_away


@dataclass(frozen=True)
class MessageWishes:
    """What is to be done with one message, whether it turns out to be junk or not."""

    as_good: FiredFilters
    as_junk: FiredFilters
    answerable: AnswerableMessage
    sender: str
    subject: str
    is_away: bool
    onward: OnwardMessage | None = None

    def fired(self, *, is_junk: bool) -> FiredFilters:
        """The filters that hold."""
        return self.as_junk if is_junk else self.as_good

    def says_where(self, *, is_junk: bool) -> bool:
        """Whether a filter says where the message goes."""
        return acting.place_of(self.fired(is_junk=is_junk), is_junk=is_junk) is not None


def wishes(tx: Connection, owner: str, now: float) -> OwnersWishes:
    """What an owner wants done with their mail."""
    return OwnersWishes(tuple(store.active(tx, owner)), bool(vacations.now_on(tx, owner, now)))


async def decided(
    db: Database, wanted: OwnersWishes, read: tuple[bytes, Parsed, str], arrived: ArrivedMessage, row: EmailRow
) -> MessageWishes | None:
    """What these say of a message, `read` as its bytes, taken apart, and its text; None where that cannot be told.

    Raises DatabaseError.
    """
    raw, parsed, text = read
    try:
        found = await asyncio.to_thread(_decide, wanted, parsed, text, arrived, row)
    except Exception:  # it is mail like any other
        maillog.unforeseen("asking filters", arrived.queue_id)
        return None
    if not (acting.forwards(found.as_good) or acting.forwards(found.as_junk)):
        return found
    onward = without_return_path(raw)
    body_type = "7BIT" if onward.isascii() else "8BITMIME"
    if b"\0" in onward or has_bare_line_ends(onward):
        body_type = "BINARYMIME"
    ref = await contents.astore(db, onward)
    # Its Delivered-To goes along, so that neither this mailbox nor another one before it sees the message again.
    is_utf8 = not split_head(onward)[0].isascii()
    return replace(found, onward=OnwardMessage(ref, body_type, is_utf8, frozenset(visited(parsed))))


def _decide(wanted: OwnersWishes, parsed: Parsed, text: str, arrived: ArrivedMessage, row: EmailRow) -> MessageWishes:
    facts = MessageFacts(parsed, text, row.recipient, row.size)
    as_good = deciding.decide(wanted.filters, facts, junk=False)
    asks_junk = any(each.rule.asks_junk for each in wanted.filters)
    as_junk = deciding.decide(wanted.filters, facts, junk=True) if asks_junk else as_good
    answerable = answers.look(parsed, arrived.reverse_path, arrived.authentication)
    return MessageWishes(as_good, as_junk, answerable, str(parsed.sender or ""), parsed.subject, wanted.is_away)


def place(found: MessageWishes, verdict: JunkVerdict) -> JunkVerdict:
    """The verdict, with the folder where the filters want the message."""
    fired = found.fired(is_junk=verdict.folder == "junk")
    wanted = acting.place_of(fired, is_junk=verdict.folder == "junk")
    if wanted is None:
        return verdict
    by = fired.place
    reason = verdict.reason if wanted[0] == verdict.folder else ""
    if wanted[0] == "junk" and verdict.folder != "junk" and by is not None:
        reason = f"Your filter “{by[0].name}” puts it here."
    return replace(verdict, folder=wanted[0], reason=reason, is_apart=False)


def act(occasion: Occasion, found: MessageWishes, arrived: ArrivedMessage, row: EmailRow, *, is_junk: bool) -> None:
    """Does the rest; a bug of ours undoes what filters did, not that the message is judged."""
    fired = found.fired(is_junk=is_junk)
    message = SortedMessage(
        arrived.email_id,
        arrived.owner,
        row.recipient,
        arrived.reverse_path,
        found.sender,
        found.subject,
        is_junk,
        found.answerable,
        found.onward,
        arrived.queue_id,
        arrived.submitted_by or None,
    )
    try:
        with acting.undone_by_bugs(occasion.tx):
            done = acting.apply(occasion, message, fired)
            answer = _answer(occasion, found, message)
    except ActingError:
        maillog.unforeseen("acting on filters", arrived.queue_id)
        return
    if fired.filters or fired.gave_up:
        ids = [each.id for each in fired.filters]
        maillog.filtered(
            arrived.queue_id, arrived.email_id, ids, [each.do for each in done if not each.failed], fired.gave_up
        )
    if answer is not None:
        maillog.answered(arrived.queue_id, arrived.email_id, arrived.reverse_path, answer)


def _answer(occasion: Occasion, found: MessageWishes, message: SortedMessage) -> str | None:
    """The vacation note's answer, unless the message is none that its owner is to read."""
    fired = found.fired(is_junk=message.is_junk)
    place = acting.place_of(fired, is_junk=message.is_junk)
    if not found.is_away or message.is_junk or (place and place[0] in ("junk", "trash")):
        return None
    return vacations.answer(occasion, message.answerable, owner=message.owner, recipient=message.recipient)


def without_return_path(raw: bytes) -> bytes:
    """A message without the Return-Path on its top, which is one mailbox's alone (RFC 5321 section 4.4)."""
    head = split_head(raw)[0]
    first = next(iter(fields(head)), None)
    if first is None or first[0].lower() != "return-path":
        return raw
    line = raw.find(b"\n") + 1
    while raw[line : line + 1] in (b" ", b"\t"):
        line = raw.find(b"\n", line) + 1
    return raw[line:]
