"""Refused mail kept whole, within the quota of its recipient, and put into their mailbox when they ask for it.

It goes into no mailbox but theirs: no filter, forward or vacation note acts on it, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Sequence

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.recipients import quotas
from onifast_shared.refused import kept, refusals
from onifast_shared.refused.kept import RefusedCopy
from onifast_shared.refused.refusals import RefusalRow


class RescueError(Exception):
    """A message cannot be fetched back. The text is a sentence for who asked; `is_gone`: it never will be."""

    def __init__(self, text: str, *, is_gone: bool = False) -> None:
        super().__init__(text)
        self.is_gone = is_gone


def keep(
    tx: Connection, ref: ContentRef, copies: Sequence[RefusedCopy], settings: Settings, now: float
) -> dict[str, int]:
    """Keeps a refused message for those of its recipients for whom there is room, once for a user; its numbers by
    recipient."""
    found: dict[str, int] = {}
    content_id: int | None = None
    for copy in {each.owner: each for each in reversed(copies)}.values():
        # One after the other, since each that is kept counts for the next.
        if kept.has_room(tx, copy, ref.size, now) and _fits(tx, copy, ref.size, settings):
            content_id = contents.attach(tx, ref) if content_id is None else content_id
            found[copy.recipient] = kept.add(tx, copy, content_id, ref.size, now)
    if content_id is None and ref.content_id is not None:
        contents.remove_unused(tx, [ref.content_id])
    return found


def rescue(tx: Connection, row: RefusalRow, settings: Settings, now: float) -> int:
    """Puts a refused message into its recipient's inbox; its number there. Raises RescueError."""
    owner, known = row.refusal.owner, row.kept
    if row.rescued_ts is not None:
        raise RescueError("This message has been fetched back already.", is_gone=True)
    if known is None or owner is None:
        raise RescueError("The message itself was not kept, or not for so long.", is_gone=True)
    if quotas.of(tx, "owner", owner, settings).judge(known.size) != "room":
        raise RescueError("The mailbox is full: delete something first.")
    taken = kept.take(tx, known.id, owner)
    if taken is None:
        raise RescueError("This message has been fetched back already.", is_gone=True)
    copy, content_id, size = taken
    email_id = mailbox.add(
        tx,
        owner=owner,
        recipient=copy.recipient,
        reverse_path=copy.reverse_path,
        content_id=content_id,
        size=size,
        now=now,
        trace=copy.trace,
        authentication=dict(row.refusal.authentication or {}) or None,
        file_copy=settings.file_copies,
        queue_id=copy.queue_id or None,
    )
    refusals.set_rescued(tx, owner, known.id, now)
    return email_id


def _fits(tx: Connection, copy: RefusedCopy, size: int, settings: Settings) -> bool:
    """Whether a message has room in what its recipient may have here, beside what is kept for them already."""
    quota = quotas.of(tx, "owner", copy.owner, settings)
    address = quotas.of(tx, "address", copy.recipient, settings)
    beside = kept.octets_of(tx, copy.owner) + size
    return quota.judge(beside) == "room" and address.judge(size) == "room"
