"""Works on what users have moved in and out: some jobs at once, each in a thread of its own, one of each owner.

A server of a stranger's choice may keep a thread waiting, and no other one by that. The threads end with the program,
whatever they wait for: each step is one transaction, and whoever comes next goes on behind the last.
"""

from __future__ import annotations

import asyncio
import time
from threading import Event, Thread

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.moving import jobs, working
from onifast_shared.moving.jobs import MovingJob

from onifast_outbox import maillog

AT_ONCE = 4
"""Jobs that one process works on at a time."""

TURN_SECONDS = 60.0
"""After so long an import lets those go on that wait."""

TIDY_SECONDS = 600.0
STOP_SECONDS = 3.0
_REST = 0.25  # of the time that a step took
_TROUBLE_SECONDS = 5.0


class Mover:
    """Has threads work on jobs."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._stopping = Event()
        self._threads = dict[int, tuple[str, Thread]]()

    async def run_once(self) -> None:
        """Begins to work on what waits, as far as there is room. Raises DatabaseError."""
        self._threads = {job_id: each for job_id, each in self._threads.items() if each[1].is_alive()}
        if not await self._db.apeek(jobs.is_waiting):
            return
        for job in await self._db.aread(jobs.waiting):
            busy = {owner for owner, _ in self._threads.values()}
            if len(self._threads) < AT_ONCE and job.id not in self._threads and job.owner not in busy:
                thread = Thread(target=self._work, args=(job,), name=f"moving {job.id}", daemon=True)
                self._threads[job.id] = (job.owner, thread)
                thread.start()

    async def tidy(self) -> None:
        """Removes what has had its time. Raises DatabaseError."""
        await asyncio.to_thread(working.tidy, self._db, self._settings, time.time())

    def stop(self) -> None:
        """Has the threads end after their steps, and waits a little for that."""
        self._stopping.set()
        until = time.monotonic() + STOP_SECONDS
        for _, thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self, job: MovingJob) -> None:
        began = time.monotonic()
        try:
            work = working.take(self._db, self._settings, job)
            if work is None:
                return
            try:
                while not self._stopping.is_set() and not self._is_others_turn(job, began):
                    step = time.monotonic()
                    if not work.step():
                        self._tell(work.job.id)
                        return
                    self._stopping.wait(_REST * (time.monotonic() - step))
            finally:
                work.close()
        except DatabaseError as error:
            if not self._stopping.is_set():
                maillog.trouble("moving mail", error)
                self._stopping.wait(_TROUBLE_SECONDS)
        except Exception:
            maillog.unforeseen("moving mail")
            self._stopping.wait(_TROUBLE_SECONDS)

    def _tell(self, job_id: int) -> None:
        """Logs what became of a job, unless it was forgotten meanwhile."""
        ended = self._db.read(lambda tx: jobs.get(tx, None, job_id))
        if ended is not None:
            maillog.moved(ended)

    def _is_others_turn(self, job: MovingJob, began: float) -> bool:
        """Whether an import has had its time while others wait; an export would have to begin anew."""
        if job.kind == "export" or time.monotonic() - began < TURN_SECONDS:
            return False
        return len(self._db.read(jobs.waiting)) > len(self._threads)
