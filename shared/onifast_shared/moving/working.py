"""One job at work in this process, and what is done to jobs from outside: cancelling, and clearing away."""

from __future__ import annotations

from contextlib import ExitStack

from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.moving import imap, jobs, spool
from onifast_shared.moving.exporting import Exporting
from onifast_shared.moving.importing import Importing
from onifast_shared.moving.jobs import MovingJob


class JobWork:
    """A job that this process works on: nobody else does as long as it is open. One thread at a time may use it."""

    def __init__(self, work: Importing | Exporting, lock: ExitStack) -> None:
        self._work = work
        self._lock = lock

    @property
    def job(self) -> MovingJob:
        """The job, as it was after the last step."""
        return self._work.job

    def step(self) -> bool:
        """Does some more; whether there is more to do. Raises DatabaseError."""
        return self._work.step()

    def close(self) -> None:
        """Lets others go on with it."""
        self._work.close()
        self._lock.close()


def take(db: Database, settings: Settings, job: MovingJob) -> JobWork | None:
    """Begins to work on a job, or goes on; None where another process is at it, or it has ended.

    Raises DatabaseError.
    """
    with ExitStack() as lock:
        if not lock.enter_context(spool.working_on(settings, job.id)):
            return None
        # Another process may have ended it before we had the lock.
        current = db.read(lambda tx: jobs.get(tx, None, job.id))
        if current is None or current.state != "running":
            return None
        return JobWork(_begun(db, settings, current), lock.pop_all())


def _begun(db: Database, settings: Settings, job: MovingJob) -> Importing | Exporting:
    if job.kind == "export":
        return Exporting(db, settings, job)
    if "imap" in job.source:
        return Importing(db, settings, job, lambda found: imap.read(found, settings))
    return Importing(db, settings, job)


def cancel(db: Database, settings: Settings, job: MovingJob, now: float) -> bool:
    """Ends a job; what it has taken in stays. False where it has ended. Raises DatabaseError."""
    if not db.write(lambda tx: jobs.end(tx, job, "cancelled", now)):
        return False
    spool.discard(settings, job.id)
    return True


def forget(db: Database, settings: Settings, job: MovingJob) -> None:
    """Removes an ended job, with its report and its file. Raises DatabaseError."""
    db.write(lambda tx: jobs.remove(tx, job))
    spool.discard(settings, job.id)


def tidy(db: Database, settings: Settings, now: float) -> None:
    """Removes what has had its time, and files that belong to nothing. Raises DatabaseError."""
    before = now - settings.moved_files_kept
    for job in db.read(lambda tx: jobs.over(tx, before)):
        if job.is_open:
            cancel(db, settings, job, now)
        else:
            forget(db, settings, job)
    there = spool.jobs(settings)
    known = db.read(lambda tx: jobs.known(tx, there)) if there else set()
    for job_id in there - known:
        spool.discard(settings, job_id)


def run(db: Database, settings: Settings, job: MovingJob) -> MovingJob | None:
    """Works on a job to its end, or until it has to wait; None where another process is at it. Raises DatabaseError."""
    work = take(db, settings, job)
    if work is None:
        return None
    try:
        while work.step():
            pass
    finally:
        work.close()
    return db.read(lambda tx: jobs.get(tx, None, job.id))
