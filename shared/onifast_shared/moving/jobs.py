"""Jobs: what users asked to have moved in or out, how far that is, and what was passed over.

| state | means | next |
| --- | --- | --- |
| uploading | its file comes in pieces | running, cancelled |
| running | outbox, or onifast-mailctl, works on it | paused, done, failed, cancelled |
| paused | it waits for its owner: for room, or a password | running, cancelled |
| done, failed, cancelled | it has ended; its upload is removed | |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.db.database import Connection
from onifast_shared.moving.found import PassedOver

JobKind = Literal["import", "export"]
JobState = Literal["uploading", "running", "paused", "done", "failed", "cancelled"]

ENDED = ("done", "failed", "cancelled")
MOST_REPORTED = 1000
"""Lines of a report; what is passed over beyond them is counted."""
MOST_KEPT = 50
"""Ended jobs of one owner that are remembered."""
MOST_OPEN = 3
"""Jobs that one owner may have under way."""


class JobError(ValueError):
    """What cannot be done; the text is a sentence for its owner."""


@dataclass(frozen=True)
class MovingJob:
    """A job. `total` counts octets of what is imported, messages of what is exported; `octets` are done of an import,
    and written of an export."""

    id: int
    owner: str
    kind: JobKind
    source: Mapping[str, Any]
    secret: str | None
    state: JobState
    position: str
    octets: int
    total: int
    messages: int
    duplicates: int
    skipped: int
    problem: str
    by_ctl: bool
    created_ts: int
    changed_ts: float
    ended_ts: int | None

    @property
    def is_open(self) -> bool:
        """Whether there is more to come."""
        return self.state not in ENDED

    @property
    def percent(self) -> int:
        """How far it is, in a hundred."""
        if self.state == "done":
            return 100
        done = self.octets if self.kind == "import" else self.messages
        return min(99, done * 100 // self.total) if self.total else 0


def begin(
    tx: Connection,
    owner: str,
    kind: JobKind,
    source: Mapping[str, Any],
    *,
    state: JobState,
    total: int,
    now: float,
    secret: str | None = None,
    by_ctl: bool = False,
) -> MovingJob:
    """Notes a job; raises JobError for an owner who has as many as may be."""
    sql = f"SELECT count(*) FROM moving_jobs WHERE owner = ? AND state NOT IN {ENDED}"
    if not by_ctl and int(tx.execute(sql, (owner,)).get) >= MOST_OPEN:
        raise JobError(f"{MOST_OPEN} are under way already: wait for one of them, or cancel it.")
    tx.execute(
        "INSERT INTO moving_jobs (owner, kind, source, secret, state, total, by_ctl, created_ts, changed_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (owner, kind, json.dumps(dict(source)), secret, state, total, int(by_ctl), int(now), now),
    )
    found = get(tx, owner, tx.last_insert_rowid())
    assert found is not None  # noqa: S101 - it has just been made
    return found


def get(tx: Connection, owner: str | None, job_id: int) -> MovingJob | None:
    """A job; None for one that is gone, or somebody else's."""
    row = tx.execute(f"{_SELECT} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)", (job_id, owner)).fetchone()
    return None if row is None else _job(row)


def list_all(tx: Connection, owner: str, limit: int = MOST_KEPT) -> list[MovingJob]:
    """An owner's jobs, the latest first."""
    return [_job(row) for row in tx.execute(f"{_SELECT} WHERE owner = ? ORDER BY id DESC LIMIT ?", (owner, limit))]


def version(tx: Connection, owner: str) -> str:
    """Another text once the list of an owner's jobs would show anything else."""
    sql = "SELECT count(*), coalesce(max(changed_ts), 0), coalesce(sum(octets), 0) FROM moving_jobs WHERE owner = ?"
    row: Any = tx.execute(sql, (owner,)).fetchone()
    return f"{row[0]} {row[1]:.3f} {row[2]}"


def is_waiting(tx: Connection) -> bool:
    """Whether there is a job for outbox to go on with; one seek."""
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM moving_jobs WHERE state = 'running' AND by_ctl = 0)").get)


def waiting(tx: Connection) -> list[MovingJob]:
    """Jobs for outbox to go on with, those first that have waited longest."""
    sql = f"{_SELECT} WHERE state = 'running' AND by_ctl = 0 ORDER BY changed_ts LIMIT 20"
    return [_job(row) for row in tx.execute(sql)]


def unfinished_by_ctl(tx: Connection, owner: str, source: Mapping[str, Any]) -> MovingJob | None:
    """What onifast-mailctl began and did not end, of this very source."""
    sql = f"{_SELECT} WHERE owner = ? AND by_ctl = 1 AND state IN ('running', 'paused') AND source = ? ORDER BY id DESC"
    row = tx.execute(sql, (owner, json.dumps(dict(source)))).fetchone()
    return None if row is None else _job(row)


def advance(
    tx: Connection,
    job: MovingJob,
    *,
    position: str,
    octets: int,
    now: float,
    messages: int = 0,
    duplicates: int = 0,
    passed_over: Sequence[PassedOver] = (),
) -> bool:
    """Notes a step, which counts so many; False where the job is not where it was: then nothing may be done."""
    tx.execute(
        "UPDATE moving_jobs SET position = ?, octets = max(octets, ?), messages = messages + ?,"
        " duplicates = duplicates + ?, skipped = skipped + ?, changed_ts = ?"
        " WHERE id = ? AND state = 'running' AND position = ?",
        (position, octets, messages, duplicates, len(passed_over), now, job.id, job.position),
    )
    if not tx.changes():
        return False
    room = MOST_REPORTED - int(tx.execute("SELECT count(*) FROM moving_reports WHERE job_id = ?", (job.id,)).get)
    sql = "INSERT INTO moving_reports (job_id, name, why) VALUES (?, ?, ?)"
    lines = passed_over[: max(0, room)]
    tx.executemany(sql, [(job.id, _shown(each.name, 300), _shown(each.why, 500)) for each in lines])
    return True


def set_total(tx: Connection, job_id: int, total: int) -> None:
    """Notes how much there is to do."""
    tx.execute("UPDATE moving_jobs SET total = ? WHERE id = ?", (total, job_id))


def start(tx: Connection, job: MovingJob, now: float, *, secret: str | None = None) -> bool:
    """Has a job worked on that was uploaded, or paused; False where it is neither."""
    sql = """
        UPDATE moving_jobs SET state = 'running', problem = '', changed_ts = ?, secret = coalesce(?, secret)
        WHERE id = ? AND state IN ('uploading', 'paused')
    """
    tx.execute(sql, (now, secret, job.id))
    return tx.changes() > 0


def touch(tx: Connection, job: MovingJob, now: float) -> None:
    """Notes that somebody goes on with an upload."""
    tx.execute("UPDATE moving_jobs SET changed_ts = ? WHERE id = ? AND state = 'uploading'", (now, job.id))


def pause(tx: Connection, job: MovingJob, problem: str, now: float) -> None:
    """Lets a job wait for its owner."""
    sql = "UPDATE moving_jobs SET state = 'paused', problem = ?, changed_ts = ? WHERE id = ? AND state = 'running'"
    tx.execute(sql, (_shown(problem, 500), now, job.id))


def end(tx: Connection, job: MovingJob, state: JobState, now: float, problem: str = "") -> bool:
    """Ends a job; False where it has ended already. Its secret is forgotten."""
    tx.execute(
        "UPDATE moving_jobs SET state = ?, problem = ?, secret = NULL, changed_ts = ?, ended_ts = ?"
        f" WHERE id = ? AND state NOT IN {ENDED}",
        (state, _shown(problem, 500), now, int(now), job.id),
    )
    if not tx.changes():
        return False
    tx.execute(
        f"DELETE FROM moving_jobs WHERE owner = ?1 AND state IN {ENDED} AND id <="
        f" (SELECT id FROM moving_jobs WHERE owner = ?1 AND state IN {ENDED} ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (job.owner, MOST_KEPT),
    )
    return True


def remove(tx: Connection, job: MovingJob) -> None:
    """Forgets an ended job and its report."""
    tx.execute("DELETE FROM moving_jobs WHERE id = ?", (job.id,))


def begin_anew(tx: Connection, job: MovingJob, total: int, now: float) -> None:
    """Sets an export of so many messages to its beginning: how much a killed program wrote of its file is not known."""
    sql = """
        UPDATE moving_jobs SET position = '', octets = 0, messages = 0, skipped = 0, total = ?, changed_ts = ?
        WHERE id = ?
    """
    tx.execute(sql, (total, now, job.id))
    tx.execute("DELETE FROM moving_reports WHERE job_id = ?", (job.id,))


def report(tx: Connection, job: MovingJob, limit: int = MOST_REPORTED) -> list[PassedOver]:
    """What a job passed over, in its order."""
    sql = "SELECT name, why FROM moving_reports WHERE job_id = ? ORDER BY id LIMIT ?"
    return [PassedOver(str(row[0]), str(row[1])) for row in tx.execute(sql, (job.id, limit))]


def over(tx: Connection, before: float, limit: int = 20) -> list[MovingJob]:
    """Some exports that ended before a time, and jobs that nobody has gone on with since then."""
    sql = f"{_SELECT} WHERE ended_ts <= ? AND kind = 'export' ORDER BY ended_ts LIMIT ?"
    found = [_job(row) for row in tx.execute(sql, (int(before), limit))]
    waits = "state IN ('uploading', 'paused') OR state = 'running' AND by_ctl = 1"
    sql = f"{_SELECT} WHERE ({waits}) AND changed_ts <= ? LIMIT ?"
    return found + [_job(row) for row in tx.execute(sql, (before, limit))]


def known(tx: Connection, ids: Iterable[int]) -> set[int]:
    """Those of the jobs that have not ended, or are exports whose file may still be fetched."""
    sql = f"""
        SELECT j.id FROM json_each(?) k JOIN moving_jobs j ON j.id = k.value
        WHERE j.state NOT IN {ENDED} OR (j.kind = 'export' AND j.state = 'done')
    """
    return {int(row[0]) for row in tx.execute(sql, (json.dumps(list(ids)),))}


def _shown(text: str, most: int) -> str:
    kept = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:most])
    return kept.encode("utf-8", "replace").decode()


_SELECT = (
    "SELECT id, owner, kind, source, secret, state, position, octets, total, messages, duplicates, skipped, problem,"
    " by_ctl, created_ts, changed_ts, ended_ts FROM moving_jobs"
)


def _job(row: Sequence[Any]) -> MovingJob:
    values = dict(zip(MovingJob.__dataclass_fields__, row, strict=True))
    values["source"] = json.loads(values["source"])
    values["by_ctl"] = bool(values["by_ctl"])
    return MovingJob(**values)
