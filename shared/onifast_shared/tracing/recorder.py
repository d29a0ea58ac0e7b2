"""Writes dialogues down while somebody watches: gathered in memory, and written in steps that no session waits for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.tracing import masking, store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.store import TraceLine, Watched

STEP_SECONDS = 0.3
MOST_LINES = 400
"""Of one session that wait to be written; what is beyond is left out, and said to be."""

MOST_GATHERED = 200
"""Sessions of a process that are written down at one time."""

_ENVELOPE_VERBS = ("MAIL", "RCPT")


class Transcript(Protocol):
    """What takes a dialogue down."""

    def said(self, who: str, text: str) -> None:
        """A line by `client` or `server`, or a `note` of what happened; masked already."""

    def ended(self) -> None:
        """The session is over."""


class SessionTrace:
    """One session's dialogue. For the thread that has the session; the recorder takes from it what it wrote down."""

    def __init__(self, name: str, direction: str, peer: str, watches: list[Watched]) -> None:
        self.name, self.direction, self.peer = name, direction, peer
        self.begun = time.time()
        self.envelope = ""
        self.last = ""
        self.ended_ts: float | None = None
        self.session_id: int | None = None
        self.is_wanted = any(not each.address for each in watches)
        self.is_done = False
        """Whether it is over and written down, or never will be."""
        self._watches = watches
        self._lines: list[TraceLine] = []
        self._lock = threading.Lock()

    def said(self, who: str, text: str) -> None:
        """Takes a line down."""
        if who == "client" and text[:4].upper() in _ENVELOPE_VERBS:
            if len(self.envelope) < masking.MOST_SHOWN:
                self.envelope += ("; " if self.envelope else "") + text
            self.is_wanted = self.is_wanted or any(each.fits_address(text) for each in self._watches)
        if who != "note":
            self.last = text
        with self._lock:
            if len(self._lines) < MOST_LINES:
                self._lines.append(TraceLine(time.time(), who, text))
            elif len(self._lines) == MOST_LINES:
                self._lines.append(TraceLine(time.time(), "note", "what follows was too much to be written down"))

    def ended(self) -> None:
        """The session is over."""
        self.ended_ts = time.time()

    def take(self) -> list[TraceLine]:
        """What was not written yet."""
        with self._lock:
            taken, self._lines = self._lines, []
        return taken

    def give_back(self, lines: list[TraceLine]) -> None:
        """Lines that were taken, and could not be written."""
        with self._lock:
            self._lines[:0] = lines


class TraceRecorder:
    """A process's own. Where nobody watches it does nothing, and has no thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._flag = TraceFlag(database.path)
        self._lock = threading.Lock()
        self._traces: list[SessionTrace] = []
        self._watches: list[Watched] = []
        self._looked_at = float("-inf")
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    @property
    def is_on(self) -> bool:
        """Whether anybody watches now; costs next to nothing."""
        return self._flag.is_up

    def begin(self, name: str, direction: str, peer: str) -> SessionTrace | None:
        """Takes a session down if somebody may want it; None otherwise."""
        if not self._flag.is_up or len(self._traces) >= MOST_GATHERED:
            return None
        watches = [each for each in self._watched() if each.may_fit(name, direction, peer)]
        if not watches:
            return None
        trace = SessionTrace(name, direction, peer, watches)
        with self._lock:
            self._traces.append(trace)
            if self._thread is None and not self._ending.is_set():
                self._thread = threading.Thread(target=self._run, name="trace", daemon=True)
                self._thread.start()
        return trace

    def close(self) -> None:
        """Writes what is left."""
        self._ending.set()
        if (thread := self._thread) is not None:
            thread.join(5)
        self._flag.close()

    def _watched(self) -> list[Watched]:
        now = time.monotonic()
        if now - self._looked_at > STEP_SECONDS:
            with contextlib.suppress(DatabaseError):
                self._watches = self._database.peek(lambda tx: store.watches(tx, time.time()))
                self._looked_at = now
        return self._watches

    def _run(self) -> None:
        while True:
            ends = self._ending.wait(STEP_SECONDS)
            with contextlib.suppress(DatabaseError):
                self._write()
            with self._lock:
                self._traces = [each for each in self._traces if not each.is_done and self._flag.is_up]
                if ends or not self._traces:
                    self._thread = None
                    return

    def _write(self) -> None:
        with self._lock:
            traces = [(trace, trace.ended_ts) for trace in self._traces]
        pieces = [(trace, ended, trace.take()) for trace, ended in traces if trace.is_wanted]
        pieces = [piece for piece in pieces if piece[2] or piece[1] is not None]
        try:
            if pieces:
                self._write_down(pieces)
        except DatabaseError:
            for trace, _, lines in pieces:
                trace.give_back(lines)
            raise
        for trace, ended in traces:
            trace.is_done = ended is not None  # what was said before it ended was there to be taken

    def _write_down(self, pieces: list[tuple[SessionTrace, float | None, list[TraceLine]]]) -> None:
        def write(tx: Connection) -> Iterator[int]:
            for trace, ended, lines in pieces:
                number = trace.session_id or store.begin(tx, trace.name, trace.direction, trace.peer, trace.begun)
                store.add(tx, number, lines)
                store.describe(tx, number, trace.envelope, trace.last, ended)
                yield number

        def all_written(tx: Connection) -> list[int]:
            store.sweep(tx, time.time())
            return list(write(tx))

        for (trace, _, _), number in zip(pieces, self._database.write(all_written, lasting=False), strict=True):
            trace.session_id = number
