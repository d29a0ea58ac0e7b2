"""Mail that waits because its sender wants it so: some seconds to call it back (undo), or until a time that they chose.

A row of `outbox` waits while it is `pending` and its `release_ts` lies ahead (RFC 4865 brings it by SMTP). Here a
message is seen whole, all its recipients together: it is called back, sent now or put off for all of them or for none,
in one transaction, so a deliverer that claims a row either comes before or finds it gone. `owner` None stands for an
administrator.
"""

from __future__ import annotations

import email.utils
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection, Database
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, mailbox, team_marks
from onifast_shared.message.headers import fold, prepend, remove_headers
from onifast_shared.values import times

RECALLABLE = ("pending", "deferred", "held")
"""The states in which a message can be called back: on its way to nobody, and with nobody."""

_OURS = ("web", "api")  # whose Date is ours to write


@dataclass(frozen=True)
class WaitingMessage:
    """A message that waits; `outbox_id` is the first of its queue rows, `email_id` its copy in sent, if it has one.

    `undo` says that it waits only so that it can be called back.
    """

    outbox_id: int
    owner: str | None
    email_id: int | None
    sender: str
    subject: str
    recipients: tuple[str, ...]
    release_ts: int
    undo: bool


@dataclass(frozen=True)
class Recalled:
    """A message that was called back: the draft that it became, and its queue rows, which are cancelled."""

    draft_id: int
    outbox_ids: list[int]


class TooLate(Exception):
    """Nothing was changed: `gone` of the `total` recipients are being delivered to, or have been."""

    def __init__(self, gone: int, total: int) -> None:
        one = "It is" if total == 1 else "All of it is" if gone == total else f"{gone} of its {total} copies are"
        super().__init__(f"{one} on its way already, or delivered" if gone == total else f"{one} on their way already")
        self.gone = gone
        self.total = total


class NoCopy(Exception):
    """Nothing was changed: the message has no copy in its sender's mailbox that could become a draft."""


class NotWaiting(Exception):
    """Nothing was changed: there is no such message, or it does not wait any more."""


def scheduled(tx: Connection, owner: str, now: float, limit: int = 200) -> list[WaitingMessage]:
    """A user's messages that are to be sent later, the next one first."""
    return _find(tx, "undo = 0", (owner, int(now)), limit)


def count_scheduled(tx: Connection, owner: str | None, now: float) -> int:
    """How many messages of a user are to be sent later; of everybody for None."""
    # Without its name SQLite would look at the whole queue for everybody's.
    sql = f"""
        SELECT count(DISTINCT content_id) FROM outbox INDEXED BY outbox_release
        WHERE {_WAITS if owner is not None else _WAITS_FOR_ANYBODY} AND undo = 0
    """
    return int(tx.execute(sql, (int(now),) if owner is None else (owner, int(now))).get)


def version(tx: Connection, owner: str | None, now: float) -> str:
    """Another text once other messages of a user wait, or until other times; of anybody, for None."""
    sql = f"""
        SELECT count(*) || '.' || coalesce(sum(release_ts), 0) || '.' || coalesce(max(id), 0)
        FROM outbox INDEXED BY outbox_release WHERE {_WAITS if owner is not None else _WAITS_FOR_ANYBODY}
    """
    return str(tx.execute(sql, (int(now),) if owner is None else (owner, int(now))).get)


def release_times(tx: Connection, email_ids: Iterable[int], now: float) -> dict[int, int]:
    """When those of the messages in sent leave that wait for it."""
    sql = "SELECT max(release_ts) FROM outbox WHERE email_id = ? AND status = 'pending' AND release_ts > ?"
    found = {email_id: tx.execute(sql, (email_id, int(now))).get for email_id in email_ids}
    return {email_id: int(moment) for email_id, moment in found.items() if moment is not None}


def undoable(tx: Connection, owner: str, now: float) -> WaitingMessage | None:
    """The latest message that a user has just sent and can still call back."""
    found = _find(tx, "undo = 1 AND email_id IS NOT NULL", (owner, int(now)), 100)
    return max(found, key=lambda each: each.outbox_id, default=None)


def of_email(tx: Connection, owner: str, email_id: int, now: float) -> WaitingMessage | None:
    """The waiting message whose copy in sent this is."""
    return next(iter(_find(tx, "email_id = ?", (owner, int(now), email_id), 1)), None)


def recall(tx: Connection, owner: str | None, outbox_id: int, settings: Settings, now: float) -> Recalled:
    """Takes a message back whole: its rows are cancelled, and its copy in sent becomes a draft.

    What it took of its sender's limits they may send again. It has to be claimed by nobody, and delivered to nobody; it
    need not wait for its sender's time. Raises NotWaiting for a message that is not there, TooLate, NoCopy.
    """
    rows = [row for row in _rows_of(tx, owner, outbox_id) if row.status != "cancelled"]
    if not rows:
        raise NotWaiting
    gone = sum(row.status not in RECALLABLE for row in rows)
    if gone:
        raise TooLate(gone, len(rows))
    email_id = rows[0].email_id
    if email_id is None or not mailbox.move(tx, owner, [email_id], "drafts"):
        raise NoCopy
    for row in rows:
        tx.execute(
            "UPDATE outbox SET status = 'cancelled', next_attempt_ts = 0, email_id = NULL WHERE id = ?", (row.id,)
        )
    _received(tx, email_id, int(now))
    _give_back(tx, rows, settings, now)
    return Recalled(email_id, [row.id for row in rows])


def recall_email(tx: Connection, owner: str, email_id: int, settings: Settings, now: float) -> Recalled:
    """`recall` for the message whose copy in sent this is. Raises NotWaiting."""
    row_id = tx.execute("SELECT min(id) FROM outbox WHERE email_id = ? AND owner = ?", (email_id, owner)).get
    if row_id is None:
        raise NotWaiting
    return recall(tx, owner, int(row_id), settings, now)


def put_off(db: Database, owner: str | None, outbox_id: int, release_ts: int, now: float) -> list[int]:
    """Gives a waiting message another time; returns the ids of its rows. A time that has come sends it now.

    What was written here gets that time as its Date too: readers sort by it, and filters distrust old and future ones.
    Recipients for whom it is held wait for that time too; what has gone to others stays what it was. Raises NotWaiting.
    """
    later = release_ts if release_ts > now else 0
    moment = later or int(now)
    old = db.read(lambda tx: _stored(tx, owner, outbox_id, now))
    raw = dated(old.raw, moment) if old.is_ours else None
    ref = contents.store(db, raw) if raw is not None else None

    def write(tx: Connection) -> list[int]:
        rows = _rows_of(tx, owner, outbox_id)
        if not any(row.waits(now) for row in rows) or rows[0].content_id != old.content_id:
            raise NotWaiting
        content_id = old.content_id if ref is None else contents.attach(tx, ref)
        changed = [row.id for row in rows if row.waits(now) or row.status == "held"]
        tx.executemany(_PUT_OFF, [(later, later, moment, row_id) for row_id in changed])
        if rows[0].email_id is not None:
            _received(tx, rows[0].email_id, moment)
        if raw is not None:
            _replace(tx, old, rows, content_id, len(raw))
        return changed

    return db.write(write)


def dated(raw: bytes, moment: int) -> bytes:
    """The message with this time, in epoch seconds, as its Date."""
    rest = remove_headers(raw, lambda name, _: name == "date")
    return prepend(rest, fold("Date", email.utils.format_datetime(datetime.fromtimestamp(moment, UTC))))


class _Row(NamedTuple):
    """A recipient of a message, as it stands in the queue."""

    id: int
    status: str
    email_id: int | None
    content_id: int
    release_ts: int
    origin: str
    sender: str
    submitted_by: str | None
    created_at: str | None

    def waits(self, now: float) -> bool:
        return self.status == "pending" and self.release_ts > now


_COLUMNS = {name: f"o.{name}" for name in _Row._fields} | {"sender": "coalesce(o.sender, '')"}


@dataclass(frozen=True)
class _Stored:
    content_id: int
    raw: bytes
    is_ours: bool


# The predicate of the index outbox_release, and then who and when.
_WAITS_FOR_ANYBODY = "status = 'pending' AND release_ts > 0 AND release_ts > ?"
_WAITS = f"owner = ? AND {_WAITS_FOR_ANYBODY}"
_PUT_OFF = "UPDATE outbox SET release_ts = ?, next_attempt_ts = ?, queued_ts = ?, undo = 0 WHERE id = ?"
_NOT_GONE = ("pending", "held", "cancelled")


def _find(tx: Connection, condition: str, bind: Sequence[Any], limit: int) -> list[WaitingMessage]:
    sql = f"""
        SELECT min(id), owner, (SELECT e.id FROM emails e WHERE e.id = outbox.email_id), coalesce(sender, ''),
               coalesce(subject, ''), group_concat(coalesce(recipient, ''), char(10)), release_ts, undo
        FROM outbox WHERE {_WAITS} AND {condition}
        GROUP BY content_id, email_id, submitted_by, release_ts ORDER BY release_ts, min(id) LIMIT ?
    """
    rows: list[tuple[Any, ...]] = tx.execute(sql, (*bind, limit)).fetchall()
    return [
        WaitingMessage(row[0], row[1], row[2], row[3], row[4], tuple(row[5].split("\n")), int(row[6]), bool(row[7]))
        for row in rows
    ]


def _rows_of(tx: Connection, owner: str | None, outbox_id: int) -> list[_Row]:
    """The message that a row belongs to, recipient by recipient."""
    found = tx.execute(
        f"""
        SELECT {", ".join(_COLUMNS[name] for name in _Row._fields)}
        FROM outbox one JOIN outbox o ON o.content_id = one.content_id
        WHERE one.id = ?1 AND (?2 IS NULL OR one.owner = ?2) AND o.email_id IS one.email_id
          AND o.sender IS one.sender AND o.submitted_by IS one.submitted_by AND o.owner IS one.owner
        ORDER BY o.id
        """,
        (outbox_id, owner),
    )
    return [_Row(*row) for row in found]


def _stored(tx: Connection, owner: str | None, outbox_id: int, now: float) -> _Stored:
    row = next((row for row in _rows_of(tx, owner, outbox_id) if row.waits(now)), None)
    if row is None:
        raise NotWaiting
    return _Stored(row.content_id, contents.read(tx, row.content_id), row.origin in _OURS)


def _replace(tx: Connection, old: _Stored, rows: Sequence[_Row], content_id: int, size: int) -> None:
    """The copy in sent gets the new bytes, and every recipient whose copy has not gone, so that they stay one message.

    Others may share the old ones, mailboxes here among them: what arrived there was not sent anew.
    """
    sql = "UPDATE outbox SET content_id = ? WHERE id = ?"
    tx.executemany(sql, [(content_id, row.id) for row in rows if row.status in _NOT_GONE])
    tx.execute(
        "UPDATE emails SET content_id = ?, size = size + ? WHERE id = ? AND content_id = ?",
        (content_id, size - len(old.raw), rows[0].email_id, old.content_id),
    )
    contents.remove_unused(tx, [old.content_id])


def _give_back(tx: Connection, rows: Sequence[_Row], settings: Settings, now: float) -> None:
    first, sent = rows[0], times.parse(rows[0].created_at)
    if sent is not None:
        member = team_marks.writer_of(tx, first.email_id)
        subjects = limit_subjects.counted_for(tx, first.submitted_by, first.sender, member)
        # The row tells the second alone; its end is taken, or what was sent at its end would not have room again.
        sending_limits.give_back(tx, subjects, len(rows), settings, sent=sent + 1, now=now)


def _received(tx: Connection, email_id: int, moment: int) -> None:
    sql = "UPDATE emails SET received_ts = ?, received_at = ? WHERE id = ?"
    tx.execute(sql, (moment, times.stored(moment), email_id))
