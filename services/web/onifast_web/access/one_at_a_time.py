"""Large messages are worked with one after another, in all processes together: each is whole in memory for a moment.

What comes of them lies on disk: a body before its request is answered, an answer while its client takes it. So nobody
holds the turn for longer than it takes to read or write a message here, however slow a client is.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time

from flask import Response, after_this_request, g
from onifast_shared.db.database import Database
from onifast_shared.machine import memory
from onifast_shared.mailboxes import mailbox

from onifast_web.http.problems import Problem

LARGE = 1024 * 1024
"""Octets from which a message is large."""
LONGEST_WAIT = 60.0
_LOOK_EVERY = 0.005


class OneAtATime:
    """The turn of who works with a large message; made before there are several processes.

    The kernel's lock is a process's, and ends with it; within the process there is another one.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("turn")
        self._lock = threading.Lock()

    def take(self, seconds: float) -> bool:
        """Waits for the turn; False where it has not come by then."""
        deadline = time.monotonic() + seconds
        if not self._lock.acquire(timeout=seconds):
            return False
        while not self._is_ours():
            if time.monotonic() > deadline:
                self._lock.release()
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def give(self) -> None:
        """Ends it, in any thread, and gives back the memory that the message took."""
        memory.trim()
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._lock.release()

    def _is_ours(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def wait_for_turn(turn: OneAtATime, size: int) -> None:
    """Waits, where a message of so many octets is large, until this request may work with it; until it is answered.

    Raises Problem(503) where the turn does not come in time.
    """
    if size < LARGE or g.get("has_turn"):
        return
    if not turn.take(LONGEST_WAIT):
        raise Problem(503, "Too many large messages at once; try again in a moment.", headers={"Retry-After": "10"})
    g.has_turn = True

    @after_this_request
    def give(response: Response) -> Response:
        if response.is_streamed:
            response.call_on_close(turn.give)  # the message is there until the last piece of it was decoded
        else:
            turn.give()
        return response


def before_reading(turn: OneAtATime, database: Database, owner: str | None, email_id: int) -> None:
    """`wait_for_turn` for an owner's message that is about to be read; for anybody's where that is None."""
    if 0 < email_id < 2**63:
        wait_for_turn(turn, database.read(lambda tx: mailbox.size_of(tx, owner, email_id)))
