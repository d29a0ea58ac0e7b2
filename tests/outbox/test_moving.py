"""An import that outbox works on while it is killed again and again: each message is there once."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable

from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.moving import jobs, spool
from onifast_shared.moving.jobs import MovingJob

from outbox.programs import Program

MESSAGES = 3000
PATIENCE = 60.0


def text(number: int) -> str:
    head = f"From a@x.test Mon Jan  5 10:00:00 2015\nFrom: a@x.test\nSubject: m{number}\nMessage-ID: <{number}@x>\n\n"
    return head + ("x" * 76 + "\n") * (4000 if number % 500 == 0 else 30) + "\n"


def test_an_import_survives_kills_without_losing_or_doubling(
    run: Callable[..., Program], database: Database, settings: Settings
) -> None:
    data = "".join(map(text, range(MESSAGES))).encode()
    source = {"name": "old.mbox"}
    job = database.write(
        lambda tx: jobs.begin(tx, "demo", "import", source, state="uploading", total=len(data), now=time.time())
    )
    spool.append(settings, job.id, 0, data, len(data))
    database.write(lambda tx: jobs.start(tx, job, time.time()))
    for part in range(1, 4):
        program = run(file_copies="false")
        wait(database, job, lambda found, part=part: found.messages >= part * MESSAGES // 5)
        assert program.stop(signal.SIGKILL) == -signal.SIGKILL
    program = run(file_copies="false")
    done = wait(database, job, lambda found: not found.is_open)
    program.wait_for("import-done")
    assert program.stop() == 0
    assert (done.state, done.messages, done.duplicates, done.skipped) == ("done", MESSAGES, 0, 0)
    sql = "SELECT message_id, count(*) FROM emails WHERE owner = 'demo' GROUP BY content_id"
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM emails WHERE owner = 'demo'").get) == MESSAGES
    assert set(Counter(count for _, count in database.read(lambda tx: rows(tx, sql)))) == {1}
    assert spool.jobs(settings) == set()


def rows(tx: Connection, sql: str) -> list[tuple[object, ...]]:
    return list(tx.execute(sql))


def wait(database: Database, job: MovingJob, until: object) -> MovingJob:
    """The job, as soon as something is true of it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = database.read(lambda tx: jobs.get(tx, "demo", job.id))
        if found is not None and until(found):  # type: ignore[operator]
            return found
        time.sleep(0.01)
    raise AssertionError("the import does not go on")
