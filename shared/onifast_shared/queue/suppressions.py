"""Suppressed recipients: addresses that an owner's mail is not sent to: it bounced, they complained, or by hand.

What bounced is suppressed for a while only; who complained, until it is lifted. Both for their owner alone: no
customer's bounces concern another's mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.values import paging
from onifast_shared.values.address import Address
from onifast_shared.values.paging import Page
from onifast_shared.values.set_aside import LIVE
from onifast_shared.values.stored_forms import folded, searched

Origin = Literal["bounce", "complaint", "manual"]

_MOST_REASON = 1000  # characters


@dataclass(frozen=True)
class Suppression:
    """`recipient` is as stored_forms.folded has it; `reason` the reply, or somebody's words.

    `expires_ts` is None for one without end.
    """

    id: int
    owner: str
    recipient: str
    origin: Origin
    reason: str
    created_ts: int
    expires_ts: int | None

    def why(self, day: str) -> str:
        """Why mail to it is not sent, as a part of a sentence; `day` is when it was suppressed, for people."""
        if self.origin == "manual":
            return f"{self.recipient} was suppressed on {day}" + (f": {self.reason}" if self.reason else "")
        if self.origin == "complaint":
            return f"{self.recipient} complained on {day} that they do not want this mail"
        return f"mail to {self.recipient} came back on {day}: {self.reason}"


def find(tx: Connection, owner: str, recipients: Iterable[Address], now: float) -> dict[Address, Suppression]:
    """Those of the recipients that mail of this owner is not sent to now."""
    sql = f"{_SELECT} WHERE owner = ? AND recipient = ? AND {_COUNTS}"
    found = ((each, tx.execute(sql, (owner, folded(each), int(now))).fetchone()) for each in recipients)
    return {recipient: Suppression(*row) for recipient, row in found if row is not None}


def note_bounce(tx: Connection, owner: str, recipient: Address, reason: str, now: float, *, until: float) -> None:
    """Suppresses a recipient that bounced, for a while. What somebody wrote themselves stays as it is."""
    tx.execute(
        """
        INSERT INTO suppressions (owner, recipient, origin, reason, created_ts, expires_ts)
        VALUES (?, ?, 'bounce', ?, ?, ?)
        ON CONFLICT (owner, recipient) DO UPDATE
        SET reason = excluded.reason, created_ts = excluded.created_ts, expires_ts = excluded.expires_ts
        WHERE origin = 'bounce'
        """,
        (owner, folded(recipient), reason[:_MOST_REASON], int(now), int(until)),
    )


def note_complaint(tx: Connection, owner: str, recipient: Address, reason: str, now: float) -> None:
    """Suppresses a recipient that called mail spam, until somebody lifts it; what was written by hand stays."""
    tx.execute(
        """
        INSERT INTO suppressions (owner, recipient, origin, reason, created_ts) VALUES (?, ?, 'complaint', ?, ?)
        ON CONFLICT (owner, recipient) DO UPDATE
        SET origin = 'complaint', reason = excluded.reason, created_ts = excluded.created_ts, expires_ts = NULL
        WHERE origin <> 'manual'
        """,
        (owner, folded(recipient), reason[:_MOST_REASON], int(now)),
    )


def note_delivery(tx: Connection, owner: str, recipient: Address) -> None:
    """Mail arrived: that an earlier one bounced counts no more."""
    tx.execute(
        "DELETE FROM suppressions WHERE owner = ? AND recipient = ? AND origin = 'bounce'", (owner, folded(recipient))
    )


def add(tx: Connection, owner: str, recipient: Address, reason: str, now: float) -> Suppression:
    """Suppresses a recipient until somebody lifts it, whatever stood there before."""
    tx.execute(
        """
        INSERT INTO suppressions (owner, recipient, origin, reason, created_ts) VALUES (?, ?, 'manual', ?, ?)
        ON CONFLICT (owner, recipient) DO UPDATE
        SET origin = 'manual', reason = excluded.reason, created_ts = excluded.created_ts, expires_ts = NULL
        """,
        (owner, folded(recipient), reason[:_MOST_REASON], int(now)),
    )
    return find(tx, owner, [recipient], now)[recipient]


def lift(tx: Connection, owner: str, recipient: Address) -> bool:
    """Lets mail to a recipient out again; False if it was not suppressed."""
    tx.execute("DELETE FROM suppressions WHERE owner = ? AND recipient = ?", (owner, folded(recipient)))
    return tx.changes() > 0


def list_page(
    tx: Connection,
    owner: str | None,
    now: float,
    *,
    recipient: Address | None = None,
    q: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Suppression]:
    """What counts now, newest first; everybody's for None (administrators). Raises CursorError.

    `q` is a part of the recipient, of the reason or of the owner's name.
    """
    where, bind = [_COUNTS, "id < ?"], list[Any]([int(now), paging.below(cursor)])
    if owner is None:
        where.append(LIVE)
    else:
        where.append("owner = ?")
        bind.append(owner)
    if recipient is not None:
        where.append("recipient = ?")
        bind.append(folded(recipient))
    if q:
        forms = searched(q)
        holds = "instr(lower(recipient || char(10) || reason || char(10) || owner), lower(?)) > 0"
        where.append(f"({' OR '.join(holds for _ in forms)})")
        bind += forms
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    rows, next_cursor = paging.cut(tx.execute(sql, (*bind, limit + 1)).fetchall(), limit)
    return Page([Suppression(*row) for row in rows], next_cursor)


def sweep(tx: Connection, now: float) -> int:
    """Forgets what has expired; returns how many."""
    tx.execute("DELETE FROM suppressions WHERE expires_ts <= ?", (int(now),))
    return tx.changes()


_SELECT = "SELECT id, owner, recipient, origin, reason, created_ts, expires_ts FROM suppressions"
_COUNTS = "(expires_ts IS NULL OR expires_ts > ?)"
