"""An import at work: what a reader finds goes into the mailbox some messages at a time, a step in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine import log
from onifast_shared.machine.config import Settings
from onifast_shared.moving import elsewhere, jobs, reading, spool, storing
from onifast_shared.moving.found import Bounds, Finds, Interrupted, PassedOver, SourceError, SourceMessage
from onifast_shared.moving.jobs import MovingJob
from onifast_shared.moving.storing import NoRoom, ReadyMessage
from onifast_shared.values.set_aside import is_set_aside

AT_ONCE = 50
"""Messages of one step, the octets after which it takes no more, and the seconds."""
MOST_OCTETS = 4 * 1024 * 1024
LONGEST = 1.0

_LOGGER = log.get("moving")

Opener = Callable[[MovingJob], Finds]
"""Gives a reader that goes on where the job is; raises SourceError."""


class Importing:
    """An import that this process works on; `opener` is for sources beyond files."""

    def __init__(self, db: Database, settings: Settings, job: MovingJob, opener: Opener | None = None) -> None:
        self._db = db
        self._settings = settings
        self.job = job
        self._finds = opener(job) if opener else _file(settings, job)

    def step(self) -> bool:
        """Takes some more messages in; whether there is more to do. Raises DatabaseError."""
        if is_set_aside(self.job.owner):
            return self._end("cancelled", "Its owner is gone.")
        problem = ""
        try:
            batch, passed_over, position, octets = self._batch()
        except Interrupted as error:
            text = str(error)
            self._db.write(lambda tx: jobs.pause(tx, self.job, text, time.time()))
            return False
        except SourceError as error:
            batch, passed_over, position, octets, problem = [], [], self.job.position, self.job.octets, str(error)
        if not batch and not passed_over:
            return self._end("failed" if problem else "done", problem)
        try:
            return self._db.write(lambda tx: self._commit(tx, batch, passed_over, position, octets))
        except NoRoom as error:
            text = str(error)
            self._db.write(lambda tx: jobs.pause(tx, self.job, text, time.time()))
            return False

    def _batch(self) -> tuple[list[ReadyMessage], list[PassedOver], str, int]:
        """The next messages, what was passed over among them, and how far that leads. Raises SourceError."""
        batch, passed_over, size = list[ReadyMessage](), list[PassedOver](), 0
        position, octets, until = self.job.position, self.job.octets, time.monotonic() + LONGEST
        try:
            while found := self._next():
                position, octets = found.position or position, max(octets, found.octets)
                kept = self._kept(found)
                if isinstance(kept, PassedOver):
                    passed_over.append(kept)
                else:
                    batch.append(kept)
                    size += kept.ref.size
                if len(batch) + len(passed_over) >= AT_ONCE or size >= MOST_OCTETS or time.monotonic() > until:
                    break
        except SourceError as error:
            if not batch and not passed_over:
                raise
            self._finds = _raising(error)  # what was found before it is kept first
        return batch, passed_over, position, octets

    def _next(self) -> SourceMessage | PassedOver | None:
        try:
            return next(self._finds, None)
        except (SourceError, DatabaseError):
            raise
        except Exception:  # whatever strangers packed: a job that cannot go on ends, and is not begun for ever
            _LOGGER.exception("a source of mail cannot be read")
            raise SourceError("It cannot be read any further.") from None

    def _kept(self, found: SourceMessage | PassedOver) -> ReadyMessage | PassedOver:
        if isinstance(found, PassedOver):
            return found
        if len(found.raw) > self._settings.max_message_size:
            why = f"it has {len(found.raw):,} octets, and {self._settings.max_message_size:,} are the most"
            return PassedOver(found.name, why)
        try:
            return storing.ready(
                self._db,
                found,
                hostname=self._settings.hostname,
                into=str(self.job.source.get("into", "")),
                now=time.time(),
            )
        except DatabaseError:
            raise
        except Exception:  # whatever strangers wrote: one message holds up no others
            _LOGGER.exception("an imported message cannot be read")
            return PassedOver(found.name, "it cannot be read")

    def _commit(
        self, tx: Connection, batch: list[ReadyMessage], passed_over: list[PassedOver], position: str, octets: int
    ) -> bool:
        now = time.time()
        current = jobs.get(tx, None, self.job.id)
        if current is None or current.state != "running" or current.position != self.job.position:
            return False  # it was cancelled, or somebody else has made this step
        made, there = storing.put(tx, current.owner, batch, self._settings, now)
        jobs.advance(
            tx,
            current,
            position=position,
            octets=octets,
            messages=made,
            duplicates=there,
            passed_over=passed_over,
            now=now,
        )
        advanced = jobs.get(tx, None, self.job.id)
        if advanced is not None:
            self.job = advanced
        return True

    def close(self) -> None:
        """Lets go of the source."""
        self._finds.close()

    def _end(self, state: jobs.JobState, problem: str) -> bool:
        self._db.write(lambda tx: jobs.end(tx, self.job, state, time.time(), problem))
        spool.discard(self._settings, self.job.id)
        return False


def bounds(settings: Settings) -> Bounds:
    """What a source may ask of us."""
    return Bounds(settings.max_message_size)


def _file(settings: Settings, job: MovingJob) -> Finds:
    path = job.source.get("path")
    if path and "of" in job.source:
        return elsewhere.read(Path(str(path)), str(job.source["of"]), bounds(settings), job.position)
    there = Path(str(path)) if path else spool.upload(settings, job.id)
    return reading.read(there, str(job.source.get("name", "")), bounds(settings), job.position)


def _raising(error: SourceError) -> Finds:
    raise error
    yield  # a generator
