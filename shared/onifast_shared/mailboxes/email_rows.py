"""Rows of `emails` as the programs read them; what is not indexed yet is summarised from its bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.summaries import Summaries


@dataclass(frozen=True)
class EmailRow:
    """A message in a folder. `sender` is the From address, `reverse_path` the envelope's ('' is the null one).

    `correspondent` is what its owner had to do with the sender when it came (`junk.judging`), `junk_score` and
    `junk_reason` what was said of it by what they taught.
    """

    id: int
    owner: str | None
    sender: str
    sender_name: str
    recipient: str
    subject: str
    snippet: str
    received_ts: int
    is_read: bool
    folder: str
    size: int
    has_attachments: bool
    reverse_path: str
    stored_authentication: str | None
    content_id: int | None
    is_starred: bool
    correspondent: str | None = None
    junk_score: float | None = None
    junk_reason: str = ""
    conversation_id: int | None = None
    is_answered: bool = False
    is_forwarded: bool = False
    snoozed_until: int | None = None
    woken_from_ts: int | None = None

    @property
    def arrived_ts(self) -> int:
        """When it came; `received_ts`, by which lists are in order, is when it came back where it was put off."""
        return self.received_ts if self.woken_from_ts is None else self.woken_from_ts

    @property
    def authentication(self) -> dict[str, Any]:
        """The verdicts about its sender and their reasons; read anew each time, since lists have no use for it."""
        return _json(self.stored_authentication)


COLUMNS = {
    "id": "e.id",
    "owner": "e.owner",
    "sender": "coalesce(e.sender, '')",
    "sender_name": "coalesce(e.sender_name, '')",
    "recipient": "coalesce(e.recipient, '')",
    "subject": "coalesce(e.subject, '')",
    "snippet": "coalesce(e.snippet, '')",
    "received_ts": "coalesce(e.received_ts, 0)",
    "is_read": "coalesce(e.is_read, 0)",
    "folder": "e.folder",
    "size": "coalesce(e.size, 0)",
    "has_attachments": "e.has_attachments",
    "reverse_path": "coalesce(e.reverse_path, '')",
    "stored_authentication": "e.authentication",
    "content_id": "e.content_id",
    "is_starred": "e.is_starred",
    "correspondent": "e.correspondent",
    "junk_score": "e.junk_score",
    "junk_reason": "coalesce(e.junk_reason, '')",
    "conversation_id": "e.conversation_id",
    "is_answered": "e.is_answered",
    "is_forwarded": "e.is_forwarded",
    "snoozed_until": "e.snoozed_until",
    "woken_from_ts": "e.woken_from_ts",
    "indexed": "e.indexed",
}


SELECT_FROM = f"SELECT {', '.join(COLUMNS.values())} FROM"


SELECT = f"{SELECT_FROM} emails e"


def row_of(tx: Connection, columns: Sequence[Any], summaries: Summaries | None = None) -> EmailRow:
    """A row of `SELECT` as what it means; `summaries` are kept over several rows."""
    row = dict(zip(COLUMNS, columns, strict=True))
    if not row.pop("indexed") and row["content_id"] is not None:
        summary = (summaries or Summaries()).of(tx, row["content_id"])
        row["sender"] = summary.sender or row["sender"]
        row["sender_name"] = summary.sender_name or row["sender_name"]
        row |= {name: getattr(summary, name) for name in ("subject", "snippet", "has_attachments")}
    for name in ("received_ts", "size"):
        row[name] = int(row[name])
    for name in ("is_read", "has_attachments", "is_starred", "is_answered", "is_forwarded"):
        row[name] = bool(row[name])
    made = object.__new__(EmailRow)
    made.__dict__.update(row)  # the constructor of a frozen class sets each of twenty fields by a call
    return made


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
