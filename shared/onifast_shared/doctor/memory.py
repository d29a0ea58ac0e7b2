"""What the administrator was told of: the store of `doctor_findings`, and when the next examination is due.

Something is told when it was found twice, so that a moment's trouble wakes nobody; and told again when it is good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from onifast_shared.db.database import Connection
from onifast_shared.health.checks import HealthFinding, State

DAY = 86400
AGAIN = 3600
"""Seconds until what was found once is looked at again, and until the first examination of a new installation."""

WHILE_BAD = 4 * 3600
"""Seconds until it is looked whether what was told is good again."""


@dataclass
class TurnedFindings:
    """What has changed: `bad` is to be told with its remedies, `good` are texts of what was told and is put right."""

    bad: list[HealthFinding] = field(default_factory=list)
    good: list[str] = field(default_factory=list)


def take(tx: Connection, now: float) -> list[str] | None:
    """Takes the next examination, if it is due: the names of its checks, [] for all. None where it is not.

    Of several deliverers on one database one gets it. A clock that was set back makes nobody wait longer than a day.
    """
    row = tx.execute("SELECT next_ts, whole_ts FROM doctor_rounds").fetchone()
    next_ts, whole_ts = row or (int(now) + AGAIN, int(now) + AGAIN - DAY)
    if row is None or next_ts > now + DAY:
        tx.execute("INSERT OR REPLACE INTO doctor_rounds VALUES (1, ?, ?)", (int(now) + AGAIN, int(now) + AGAIN - DAY))
        return None
    if next_ts > now:
        return None
    is_whole = whole_ts + DAY <= now
    changed = (int(now) + AGAIN, int(now) if is_whole else whole_ts)
    tx.execute("UPDATE doctor_rounds SET next_ts = ?, whole_ts = ?", changed)
    return [] if is_whole else [name for (name,) in tx.execute("SELECT DISTINCT check_name FROM doctor_findings")]


def knows(tx: Connection, check: str) -> bool:
    """Whether a check found something wrong when it was carried out last."""
    return tx.execute("SELECT 1 FROM doctor_findings WHERE check_name = ?", (check,)).fetchone() is not None


def note(
    tx: Connection, found: Sequence[HealthFinding], looked_at: Iterable[str], now: float, *, between: bool = False
) -> TurnedFindings:
    """Remembers what was found by the checks that were `looked_at`, and sets when to look again.

    A look `between` two examinations does not change when the next one is.
    """
    turn, bad = TurnedFindings(), {(each.check, each.subject): each for each in found if each.state is not State.OK}
    known = {
        (name, subject): (State(state), text, since_ts, told_ts)
        for name, subject, state, text, since_ts, told_ts in tx.execute(
            "SELECT check_name, subject, state, text, since_ts, told_ts FROM doctor_findings"
        )
    }
    names = set(looked_at)
    for key, (_, text, _, told_ts) in known.items():
        if key[0] in names and key not in bad:
            tx.execute("DELETE FROM doctor_findings WHERE check_name = ? AND subject = ?", key)
            turn.good += [f"{key[0]}: {text}"] if told_ts is not None else []
    for key, finding in bad.items():
        state, _, since_ts, told_ts = known.get(key, (finding.state, "", int(now), None))
        is_new = key in known and (told_ts is None or (state, finding.state) == (State.WARNING, State.FAILED))
        turn.bad += [finding] if is_new else []
        told_ts = int(now) if is_new else told_ts
        tx.execute(
            "INSERT OR REPLACE INTO doctor_findings (check_name, subject, state, text, since_ts, told_ts)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*key, finding.state, finding.text, since_ts, told_ts),
        )
    if not between:
        _schedule(tx, now)
    return turn


def _schedule(tx: Connection, now: float) -> None:
    """When it is looked again: soon for what was seen once, once a day where all is well."""
    row = tx.execute("SELECT count(*), count(told_ts) FROM doctor_findings").fetchone()
    known, told = row if row else (0, 0)
    wait = AGAIN if told < known else WHILE_BAD if known else DAY
    tx.execute("UPDATE doctor_rounds SET next_ts = min(?, whole_ts + ?)", (int(now) + wait, DAY))
