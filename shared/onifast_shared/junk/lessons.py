"""What users teach by moving mail to or out of junk: the store of `junk_lessons`.

A trigger notes the moves, whoever makes them, so that each message is learned once, as what it was moved to last; who
takes a move back has it forgotten. For junk alone says little, messages that a user has read and kept are learned
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.junk import model
from onifast_shared.junk.model import Learnable
from onifast_shared.values.set_aside import LIVE

RETRY_AFTER = 300
"""Seconds until a lesson is tried again that could not be given; each further time twice as long."""

MOST_TRIES = 8

KEPT_BESIDE = 2
"""Messages that were kept and are learned beside one that was moved to junk, as long as there are fewer of them."""

_SETTLED = 3600  # seconds after which what was read, and still lies where it lay, counts as kept
_LOOKED_AT = 200  # messages of a folder that are looked at for such

_DUE = f"""
    FROM junk_lessons l JOIN emails e ON e.id = l.email_id
    WHERE l.wanted <> l.learned AND l.due_ts <= ? AND owner IS NOT NULL AND {LIVE}
"""

Wanted = Literal["junk", "good", ""]


@dataclass(frozen=True)
class Lesson:
    """A message to be learned as `wanted`, which was `learned` before; '' for nothing."""

    email_id: int
    owner: str
    wanted: Wanted
    learned: Wanted
    authentication: str | None
    sender_proven: bool | None
    tries: int


def any_waits(tx: Connection, now: float) -> bool:
    """Whether `waiting` finds any."""
    return bool(tx.execute(f"SELECT EXISTS (SELECT 1 {_DUE})", (int(now),)).get)


def waiting(tx: Connection, now: float, limit: int = 20) -> list[Lesson]:
    """Lessons that are due, the longest waiting first."""
    sql = f"""
        SELECT l.email_id, owner, l.wanted, l.learned, e.authentication, e.sender_proven, l.tries
        {_DUE} ORDER BY l.due_ts LIMIT ?
    """
    rows: list[tuple[Any, ...]] = tx.execute(sql, (int(now), limit)).fetchall()
    return [
        Lesson(email_id, owner, wanted, learned, stored, None if proven is None else bool(proven), tries)
        for email_id, owner, wanted, learned, stored, proven, tries in rows
    ]


def learn(tx: Connection, lesson: Lesson, message: Learnable, now: float) -> bool:
    """Learns what a lesson says in its owner's model; False where it is another one by now, and nothing was done."""
    if not _is_current(tx, lesson):
        return False
    if lesson.learned:
        model.forget(tx, lesson.owner, lesson.learned, message)
    if lesson.wanted:
        model.learn(tx, lesson.owner, lesson.wanted, message, now)
    return note_learned(tx, lesson)


def note_learned(tx: Connection, lesson: Lesson) -> bool:
    """Notes that a lesson was learned; False where it is another one by now."""
    if not _is_current(tx, lesson):
        return False
    tx.execute("UPDATE junk_lessons SET learned = wanted, tries = 0 WHERE email_id = ?", (lesson.email_id,))
    return True


def add_kept(tx: Connection, owner: str, now: float) -> None:
    """Has some messages learned as good that a user has read and kept, unless enough of them are."""
    learned = model.of(tx, owner).learned
    if learned.good >= learned.junk * KEPT_BESIDE:
        return
    for folder in ("archive", "inbox"):
        sql = """
            INSERT INTO junk_lessons (email_id, wanted, moved)
            SELECT id, 'good', 0 FROM (
                SELECT id FROM emails WHERE owner = ?1 AND folder = ?2 AND is_read = 1 AND received_ts < ?3
                ORDER BY received_ts DESC LIMIT ?4) e
            WHERE NOT EXISTS (SELECT 1 FROM junk_lessons l WHERE l.email_id = e.id) LIMIT ?5
        """
        tx.execute(sql, (owner, folder, int(now) - _SETTLED, _LOOKED_AT, KEPT_BESIDE))
        if tx.changes():
            return


def postpone(tx: Connection, lesson: Lesson, now: float) -> None:
    """A lesson could not be given; it is tried again later, and given up in the end."""
    if lesson.tries + 1 >= MOST_TRIES:
        drop(tx, lesson)
        return
    sql = "UPDATE junk_lessons SET tries = tries + 1, due_ts = ? WHERE email_id = ? AND wanted = ?"
    tx.execute(sql, (int(now) + RETRY_AFTER * 2**lesson.tries, lesson.email_id, lesson.wanted))


def drop(tx: Connection, lesson: Lesson) -> None:
    """A lesson is not given: its owner wants no filter, or nobody takes it."""
    if _is_current(tx, lesson):
        tx.execute("UPDATE junk_lessons SET wanted = learned, tries = 0 WHERE email_id = ?", (lesson.email_id,))


def forget_all(tx: Connection, owner: str) -> bool:
    """Forgets all that a user taught; whether there was anything. What they moved stays where it lies."""
    tx.execute(
        "DELETE FROM junk_lessons WHERE email_id IN (SELECT l.email_id FROM junk_lessons l"
        " JOIN emails e ON e.id = l.email_id WHERE e.owner = ?)",
        (owner,),
    )
    return model.remove(tx, owner)


def _is_current(tx: Connection, lesson: Lesson) -> bool:
    sql = """
        SELECT 1 FROM junk_lessons l JOIN emails e ON e.id = l.email_id
        WHERE l.email_id = ? AND l.wanted = ? AND l.learned = ? AND e.owner = ?
    """
    values = (lesson.email_id, lesson.wanted, lesson.learned, lesson.owner)
    return tx.execute(sql, values).fetchone() is not None
