"""Writes what notifications tell into the database: the fate of what was sent, suppressions, what webhooks are told.

It is done as a message is indexed, after its 250: reading needs no database and may take its time, and what is written
is small. Nothing is ever sent because of a notification, so none can begin a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.queue import returns, suppressions
from onifast_shared.queue.returns import NewReport, SentRow
from onifast_shared.queue.store import DeliveryAttempt
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.reply import Failed, Trail
from onifast_shared.values.suffixes import suffixes

from onifast_outbox.delivering.hard_bounces import is_hard
from onifast_outbox.reasons import explain
from onifast_outbox.returns.recognising import author, recognise
from onifast_outbox.returns.tying import TiedReport, tie
from onifast_outbox.returns.values import ArrivedNotification, RecipientReport, ReturnReport
from onifast_outbox.webhooks import events

_NEVER_RETURNS = ("sent", "drafts")  # folders of what their owner wrote
_MOST_ANSWER = 1000  # characters


class RecordedReturn(NamedTuple):
    """What the history of a row calls what a notification, the message `email_id`, tells of it."""

    outcome: str
    row: SentRow
    email_id: int
    report: NewReport
    is_proven: bool


@dataclass(frozen=True)
class ReadReturn:
    """A notification, read; `explanations` say in words what each of its recipients' replies means."""

    arrived: ArrivedNotification
    report: ReturnReport
    explanations: Mapping[RecipientReport, str]


class ReturnRecorder:
    """Reads notifications, and records them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._suffixes = suffixes()

    def read(self, row: EmailRow | None, raw: bytes) -> ReadReturn | None:
        """What a message that came in says of sent mail; None for other ones. Never raises; needs no database."""
        if row is None or row.owner is None or row.folder in _NEVER_RETURNS or row.content_id is None:
            return None
        report = recognise(raw, row.reverse_path)
        if report is None:
            return None
        arrived = ArrivedNotification(
            row.id, row.owner, row.recipient, row.reverse_path, row.folder, row.authentication, author(raw)
        )
        return ReadReturn(arrived, report, {each: _explanation(report, each) for each in report.recipients})

    def record(self, tx: Connection, read: ReadReturn, now: float) -> list[RecordedReturn]:
        """Stores what it says, and what follows from that where it is believed."""
        arrived, report = read.arrived, read.report
        key = shared_keys.find(tx, shared_keys.ENVELOPE_IDS)
        queue_id = returns.queue_id_of(report.envid)
        if returns.is_ours(tx, arrived.email_id):
            arrived = replace(arrived, is_ours=True)
            queue_id = next((each.log_id for each in report.recipients if each.log_id), queue_id)
        rows = returns.find(tx, arrived.owner, arrived.recipient, report.message_ids, queue_id)
        recorded = []
        for tied in tie(report, rows, arrived, key, self._suffixes):
            new = _new(report, tied.said, read.explanations.get(tied.said, ""))
            if tied.row is None and not tied.said.address:
                continue
            returns.add(tx, arrived.email_id, new, tied.row, believed=tied.believed)
            outcome = "" if arrived.is_ours else _outcome(report, tied)
            if tied.row is None or not outcome:
                continue
            news = RecordedReturn(outcome, tied.row, arrived.email_id, new, tied.proven)
            if self._follow(tx, news, now):
                recorded.append(news)
        return recorded

    def _follow(self, tx: Connection, news: RecordedReturn, now: float) -> bool:
        """What a report means for the recipient that it is about; False if that was known, or told too often."""
        outcome, row, new = news.outcome, news.row, news.report
        attempt = DeliveryAttempt(int(now), 0, outcome, new.host, reply=new.reply, explanation=new.explanation)
        once = outcome in ("complained", "answered", "read")
        if outcome == "returned" and not returns.mark_returned(tx, row.id, str(new.reply)[:_MOST_ANSWER]):
            return False
        if not returns.note(tx, row.id, attempt, once=once):
            return False
        if outcome in ("returned", "complained"):
            self._suppress(tx, news, now)
            events.note_return(tx, row, new, news.email_id, now)
        return True

    def _suppress(self, tx: Connection, news: RecordedReturn, now: float) -> None:
        """Writes to them no more; by a bounce, none who merely has the message stops it, as a list's readers have."""
        row, new = news.row, news.report
        recipient = _address(row.recipient)
        if recipient is None or row.owner is None:
            return
        if new.kind == "complaint":
            suppressions.note_complaint(tx, row.owner, recipient, new.explanation, now)
        elif (
            news.is_proven
            and self._settings.suppression_time
            and is_hard(Failed(new.reply, Trail(host=new.host or row.host)))
        ):
            until = now + self._settings.suppression_time
            suppressions.note_bounce(tx, row.owner, recipient, str(new.reply), now, until=until)


def _outcome(report: ReturnReport, tied: TiedReport) -> str:
    """What the row's history is to call it, "" for nothing: what it tells is known, or tells nothing."""
    if tied.row is None or tied.row.status != "sent":
        return ""
    if report.kind == "auto-reply":
        return "answered"
    if report.kind == "read-receipt":
        return "read"
    if report.kind == "complaint":
        return "complained" if tied.believed else "unproven"
    if tied.said.action == "failed":
        return "returned" if tied.believed else "unproven"
    if not tied.believed:
        return ""
    return "delayed" if tied.said.action == "delayed" else "confirmed"


def _new(report: ReturnReport, said: RecipientReport, explanation: str) -> NewReport:
    host = said.host or report.reporter
    return NewReport(report.kind, said.action, said.address or said.original, host, said.reply, explanation)


def _explanation(report: ReturnReport, said: RecipientReport) -> str:
    if report.kind == "complaint":
        return _COMPLAINTS.get(report.feedback, "The recipient called the message spam.")
    if report.kind in ("auto-reply", "read-receipt") or said.action not in ("failed", "delayed"):
        return ""
    return str(explain(said.reply, said.host or report.reporter or "remote"))


_COMPLAINTS = {
    "fraud": "The recipient called the message a fraud.",
    "virus": "The recipient's provider found a virus in the message.",
    "opt-out": "The recipient wants no more mail of this kind.",
    "opt-out-list": "The recipient wants no more mail of this kind.",
}


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None
