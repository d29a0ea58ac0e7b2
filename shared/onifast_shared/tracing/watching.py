"""Begins to watch: has every program write sessions down for a while, and finds those that belong to a message."""

from __future__ import annotations

import time

from onifast_shared.db.database import Connection, Database
from onifast_shared.tracing import store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.store import TraceLine, Watched


class CannotWatch(Exception):
    """The file by which programs know that somebody watches cannot be written."""


def begin(database: Database, watched: Watched, asked_by: str, seconds: float, *, instead: bool = False) -> int:
    """Watches for so long, `instead` of all that they watch; the watch's id.

    Raises CannotWatch, TooManyWatches, DatabaseError.
    """
    now = time.time()
    flag = TraceFlag(database.path)
    try:
        if not flag.raise_until(now + seconds):
            raise CannotWatch
    finally:
        flag.close()

    def write(tx: Connection) -> int:
        if instead:
            store.end_all(tx, asked_by)
        return store.watch(tx, watched, asked_by, now, now + seconds)

    return database.write(write)


def of_recipient(tx: Connection, recipient: str, since: float) -> list[TraceLine]:
    """What was said since then to servers about mail to a recipient, one session after the other."""
    wanted = Watched(address=f"<{recipient}>", direction="out")
    found = [each for each in store.sessions(tx, wanted, time.time()) if each.begun_ts >= since - 1]
    return [line for each in reversed(found) for line in store.lines(tx, each.id)]
