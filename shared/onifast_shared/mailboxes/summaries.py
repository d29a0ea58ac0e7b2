"""What lists show of messages that outbox has not indexed yet: found out once, and kept for the next list."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import contents
from onifast_shared.message import parsing

MOST = 2000
"""Messages that are kept, about half a kilobyte each."""


@dataclass(frozen=True)
class MessageSummary:
    """What the beginning of a message says."""

    sender: str
    sender_name: str
    subject: str
    snippet: str
    has_attachments: bool


class Summaries:
    """Summaries of one database's stored bytes, which never change; for every thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, MessageSummary] = OrderedDict()
        self._lock = Lock()

    def of(self, tx: Connection, content_id: int) -> MessageSummary:
        """The summary of stored bytes. Raises KeyError for an id that does not exist."""
        with self._lock:
            kept = self._kept.get(content_id)
        if kept is None:
            kept = _summary(contents.head(tx, content_id))
            with self._lock:
                self._kept[content_id] = kept
                if len(self._kept) > MOST:
                    self._kept.popitem(last=False)
        return kept


def _summary(head: bytes) -> MessageSummary:
    found = parsing.parse(head)
    return MessageSummary(
        str(found.sender or ""), found.sender_name, found.subject, found.snippet, found.has_attachments
    )
