"""What users answered to invitations: the latest answer to each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection

InvitationReply = Literal["accepted", "declined", "tentative"]


@dataclass(frozen=True)
class GivenAnswer:
    """An answer, when it was given (epoch seconds), and which version of the event it was given to."""

    answer: InvitationReply
    answered_ts: int
    sequence: int


def note(tx: Connection, owner: str, uid: str, occurrence: str, given: GivenAnswer) -> None:
    """Keeps an answer in the place of an earlier one. `occurrence` is the RECURRENCE-ID, "" for the event itself."""
    tx.execute(
        """
        INSERT INTO invitation_answers (owner, uid, occurrence, sequence, answer, answered_ts) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (owner, uid, occurrence) DO UPDATE
        SET sequence = excluded.sequence, answer = excluded.answer, answered_ts = excluded.answered_ts
        """,
        (owner, uid, occurrence, given.sequence, given.answer, given.answered_ts),
    )


def find(tx: Connection, owner: str | None, uid: str, occurrence: str) -> GivenAnswer | None:
    """The owner's answer to an event; to one of a series it is that to the series, if there is none of its own."""
    sql = "SELECT answer, answered_ts, sequence FROM invitation_answers WHERE owner = ? AND uid = ? AND occurrence = ?"
    for place in dict.fromkeys((occurrence, "")):
        row = tx.execute(sql, (owner, uid, place)).fetchone()
        if row is not None:
            return GivenAnswer(*row)
    return None
