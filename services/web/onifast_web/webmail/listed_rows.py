"""The rows of a list of messages, ready for the page: what a template would find out fifty times is found out here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask import url_for
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import EmailRow
from onifast_shared.search.highlight import Excerpt

from onifast_web.webmail import filters

_WRITTEN_HERE = ("sent", "drafts")
_NO_SUBJECT = "(no subject)"


class StatusPill(NamedTuple):
    """A pill beside a message: its word, its kind, and the time until which the message waits."""

    word: str
    kind: str
    release_ts: int = 0


class ListedRow(NamedTuple):
    """A message in a list.

    `pill` is the name of the folder where that is not the list's, `who` the other side, `is_to` whether that is who it
    is for. `moment` is the time as `<time datetime>` has it, `shown` for people, `style` how scripts show it.
    """

    id: int
    url: str
    who: str
    tint: int
    initial: str
    subject: str
    shown_subject: str
    snippet: str
    excerpt: Excerpt | None
    is_read: bool
    is_starred: bool
    is_to: bool
    has_attachments: bool
    is_doubtful: bool
    pill: str
    labels: Sequence[Label]
    mark: StatusPill | None
    moment: str
    shown: str
    style: str


def listed_row(
    row: EmailRow,
    *,
    pill: str,
    labels: Sequence[Label],
    mark: StatusPill | None,
    excerpt: Excerpt | None,
    is_doubtful: bool,
) -> ListedRow:
    """A message of a page."""
    is_draft = row.folder == "drafts"
    url = url_for("webmail.compose", draft=row.id) if is_draft else url_for("webmail.message", email_id=row.id)
    who = filters.counterpart(row)
    when, style = (mark.release_ts, "soon") if mark and mark.release_ts else (row.received_ts, "short")
    return ListedRow(
        *(row.id, url, who, filters.tint(who), filters.initial(who)),
        *(row.subject or "no subject", row.subject or _NO_SUBJECT, row.snippet, excerpt),
        *(row.is_read, row.is_starred, row.folder in _WRITTEN_HERE, row.has_attachments, is_doubtful),
        *(pill, labels, mark),
        *((filters.iso(when), filters.utc(when, style)) if when else ("", "")),
        style,
    )
