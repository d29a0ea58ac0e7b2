"""Several processes that receive mail: one parent starts them, keeps them running, and ends when they have ended.

Each has a database, threads and an event loop of its own. They share the listening sockets, so the kernel gives a
connection to whoever has time. They are forked while there is no thread and no database, since a connection of SQLite
must not cross a fork. The parent hears of everything by signals, and waits for nothing else.
"""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from onifast_shared import reloading
from onifast_shared.config import Settings

from onifast_smtpd import maillog
from onifast_smtpd.limits import COPIES, Counter, Tally

MOST_BY_DEFAULT = 4
RESTART_DELAY = 1.0  # seconds between two starts in one place, lest one that cannot live keeps the machine busy

_SERVING = signal.SIGRTMIN  # from a process to its parent: it accepts connections (real-time signals are never merged)
_EVENTS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, _SERVING)


def how_many(settings: Settings) -> int:
    """Processes to receive mail with. Each must be able to hold the largest message, within what all may hold."""
    wanted = settings.smtpd_processes or min(len(os.sched_getaffinity(0)), MOST_BY_DEFAULT)
    return max(1, min(wanted, settings.bytes_in_flight // (COPIES * settings.max_message_size)))


@dataclass(frozen=True)
class Place:
    """One process's place among those that receive mail, and what ties it to the others."""

    connections: Counter
    octets: Counter
    addresses: Tally
    serving: Callable[[], None]
    """To be called once connections are accepted."""
    lifeline: int | None = None
    """A descriptor that shows an end of file when the parent is dead."""


class Shared:
    """The counts of all places, in memory that forked processes share."""

    def __init__(self, places: int) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 16 * places)).cast("q")
        self._connections, self._octets = self._numbers[:places], self._numbers[places:]
        self._addresses = memoryview(mmap.mmap(-1, 2 * Tally.BUCKETS * places)).cast("H")

    def place(self, number: int, serving: Callable[[], None], lifeline: int | None = None) -> Place:
        """The place of that number."""
        connections, octets = Counter(self._connections, number), Counter(self._octets, number)
        return Place(connections, octets, Tally(self._addresses, number), serving, lifeline)

    def clear(self, number: int) -> None:
        """Takes back what a dead process held."""
        self._connections[number] = self._octets[number] = 0
        begin = number * Tally.BUCKETS
        self._addresses[begin : begin + Tally.BUCKETS] = memoryview(bytes(2 * Tally.BUCKETS)).cast("H")


def alone(serving: Callable[[], None] = lambda: None) -> Place:
    """The place of a process that has no parent and no others beside it."""
    return Shared(1).place(0, serving)


@dataclass
class _Child:
    place: int
    started: float
    serves: bool = False


class Parent:
    """Keeps `count` processes running, each of which does `work` and exits with what it returns."""

    def __init__(
        self,
        count: int,
        work: Callable[[Place], int],
        serving: Callable[[], None],
        reload: Callable[[], None] = lambda: None,
    ) -> None:
        self._count = count
        self._work = work
        self._serving = serving
        self._reload = reload
        self._shared = Shared(count)
        self._children: dict[int, _Child] = {}
        self._due: dict[int, float] = {}
        self._served = False
        self._ending = False
        self._status = 0
        # Nobody ever writes to it: each child reads the end of file when no parent holds the other end any more.
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        """Returns when the last process has ended; gives the exit status.

        That is 0 after a signal, or the status of the first process where it ended before it served.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _EVENTS)
        gc.freeze()  # what is loaded by now stays: no collection looks at it, so its pages stay shared
        self._start(0)
        while self._children or self._due:
            event = signal.sigtimedwait(_EVENTS, self._patience())
            if event is None:
                self._start_due()
            elif event.si_signo == signal.SIGCHLD:
                self._reap()
            elif event.si_signo == _SERVING:
                self._note_serving(event.si_pid)
            elif event.si_signo == signal.SIGHUP:
                self._renew()
            else:
                self._end()
        return self._status

    def _patience(self) -> float:
        """Seconds until somebody is to be started."""
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else 3600.0

    def _start_due(self) -> None:
        for place in [place for place, due in self._due.items() if due <= time.monotonic()]:
            del self._due[place]
            self._start(place)

    def _start(self, place: int) -> None:
        if pid := os.fork():
            self._children[pid] = _Child(place, time.monotonic())
            return
        status = 1
        try:
            os.close(self._held)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _EVENTS)
            parent = os.getppid()
            status = self._work(self._shared.place(place, lambda: os.kill(parent, _SERVING), self._lifeline))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _note_serving(self, pid: int) -> None:
        if child := self._children.get(pid):
            child.serves = True
        if self._served or self._ending:
            return
        # The first one has brought the database up to date by now, and shown that the settings will do.
        for place in set(range(self._count)) - {child.place for child in self._children.values()} - set(self._due):
            self._start(place)
        if len(self._children) == self._count and all(child.serves for child in self._children.values()):
            self._served = True
            self._serving()

    def _reap(self) -> None:
        while self._children:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            self._shared.clear(child.place)
            self._ended(pid, child, os.waitstatus_to_exitcode(wait_status))

    def _ended(self, pid: int, child: _Child, status: int) -> None:
        if self._ending:
            return
        if not self._served and not child.serves:
            self._status = status if status > 0 else 1
            self._end()
            return
        maillog.process_died(pid, status)
        self._due[child.place] = child.started + RESTART_DELAY

    def _renew(self) -> None:
        """Takes the settings anew, for processes that start later, and has those that run do the same."""
        if not reloading.is_heard():
            return  # the kernel keeps a signal that is ignored but waited for
        self._reload()
        for pid in self._children:
            os.kill(pid, signal.SIGHUP)

    def _end(self) -> None:
        self._ending = True
        self._due.clear()
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
