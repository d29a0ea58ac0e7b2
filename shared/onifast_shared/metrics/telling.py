"""Takes what a process has counted to the database, in small steps, on a thread that nobody waits for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.counting import TALLY, Tally
from onifast_shared.metrics import store

TELL_SECONDS = 10.0
"""What was counted in so long is one transaction."""


@contextlib.contextmanager
def told(program: str, database: Database, *, tally: Tally = TALLY, seconds: float = TELL_SECONDS) -> Iterator[None]:
    """While the context is open the process's numbers get into the database; what is left, as it is closed.

    The thread sleeps while nothing is counted. What the database does not take now it is given the next time.
    """
    ending = threading.Event()

    def forever() -> None:
        while not ending.is_set():
            tally.filled.wait()
            ending.wait(seconds)
            tell(program, database, tally)

    thread = threading.Thread(target=forever, name="counts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        tally.filled.set()
        thread.join(seconds)


def tell(program: str, database: Database, tally: Tally = TALLY) -> None:
    """Adds the process's numbers to those in the database."""
    numbers = tally.take()
    if not numbers:
        return
    try:
        database.write(lambda tx: store.add(tx, program, numbers, time.time()), lasting=False)
    except DatabaseError:
        tally.give_back(numbers)
