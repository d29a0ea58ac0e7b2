"""What people see of limits on sending: who has which, how much of it is used, and what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.limits import store
from onifast_shared.limits.subjects import FOREIGN_SENDER, PERIODS, SCOPES, Subject, subjects_of
from onifast_shared.limits.usage import SubjectUsage
from onifast_shared.machine.config import Settings
from onifast_shared.values.set_aside import is_set_aside

MOST_LISTED = 500


@dataclass(frozen=True)
class Hit:
    """How often a subject was refused for one reason: `counted` is a limit's name or FOREIGN_SENDER."""

    subject: Subject
    counted: str
    first_ts: int
    last_ts: int
    times: int


@dataclass(frozen=True)
class SubjectStanding:
    """Where a subject stands: its limits, and how often it hit them."""

    tally: SubjectUsage
    hits: Mapping[str, Hit]


def hits(tx: Connection, username: str | None = None) -> list[Hit]:
    """Who was refused what, the latest first; for a user, only what is theirs."""
    rows: list[Any] = tx.execute(f"{_HITS} ORDER BY last_ts DESC").fetchall()
    mine = None if username is None else set(subjects_of(tx, username))
    found = (_hit(row) for row in rows if row[0] in SCOPES and row[2] in _COUNTED)
    return [hit for hit in found if mine is None or hit.subject in mine]


def standing(tx: Connection, subject: Subject, settings: Settings) -> SubjectStanding:
    """Where one subject stands."""
    rows: list[Any] = tx.execute(f"{_HITS} WHERE scope = ? AND name = ? ORDER BY last_ts DESC", subject).fetchall()
    return SubjectStanding(store.of(tx, subject, settings), {row[2]: _hit(row) for row in rows if row[2] in _COUNTED})


def list_for(tx: Connection, username: str | None, settings: Settings, now: float) -> list[SubjectStanding]:
    """What each subject has used that has used, hit or been given a limit: all (None, for administrators), or a user's.

    Who was refused lately comes first, then who has used most.
    """
    subjects = _known(tx) if username is None else subjects_of(tx, username)
    standings = [standing(tx, subject, settings) for subject in subjects]
    return sorted(standings, key=lambda each: _order(each, now))[:MOST_LISTED]


_COUNTED = {*PERIODS, FOREIGN_SENDER}
_HITS = "SELECT scope, name, counted, first_ts, last_ts, times FROM sending_refusals"


def _hit(row: Any) -> Hit:
    return Hit(Subject(row[0], row[1]), *row[2:])


def _known(tx: Connection) -> list[Subject]:
    tables = ("sending_usage", "sending_limits", "sending_refusals")
    rows: list[Any] = tx.execute(" UNION ".join(f"SELECT scope, name FROM {table}" for table in tables)).fetchall()
    return [Subject(scope, name) for scope, name in rows if scope in SCOPES and not is_set_aside(name)]


def _order(standing: SubjectStanding, now: float) -> tuple[float, float, Subject]:
    last = max((hit.last_ts for hit in standing.hits.values()), default=0)
    buckets = standing.tally.buckets.values()
    used = max((bucket.level_at(now) / bucket.capacity for bucket in buckets), default=0.0)
    return -last, -used, standing.tally.subject
