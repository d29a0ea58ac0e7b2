"""Several processes that receive mail: one parent starts them, keeps them running, and ends when they have ended.

Each has a database, threads and an event loop of its own. They share the listening sockets, so the kernel gives a
connection to whoever has time. They are forked while there is no thread and no database, since a connection of SQLite
must not cross a fork. The parent hears of everything by signals, and waits for nothing else.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onifast_shared.machine.config import Settings
from onifast_shared.programs import reloading

from onifast_smtpd import maillog
from onifast_smtpd.clients.client import GROUPS
from onifast_smtpd.clients.limits import COPIES, Counter, SharedTally

MOST_BY_DEFAULT = 4
RESTART_DELAY = 1.0  # seconds between two starts in one place, lest one that cannot live keeps the machine busy

_NUMBER = struct.Struct("=I")
_SERVING = signal.SIGRTMIN  # from a process to its parent: it accepts connections (real-time signals are never merged)
_EVENTS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, _SERVING)


def how_many(settings: Settings) -> int:
    """Processes to receive mail with. Each must be able to hold the largest message, within what all may hold."""
    wanted = settings.smtpd_processes or min(len(os.sched_getaffinity(0)), MOST_BY_DEFAULT)
    return max(1, min(wanted, settings.bytes_in_flight // (COPIES * settings.max_message_size)))


class ProcessPipes:
    """Small numbers from each process to all the others, through pipes that were made before there were any.

    They are told at once or not at all: a process so busy that its pipe is full hears of it again.
    """

    def __init__(self, reader: int, others: Sequence[int]) -> None:
        self.reader = reader
        """The descriptor that shows that there is something to be heard."""
        self._others = others

    def tell(self, number: int) -> None:
        """Tells the others."""
        for other in self._others:
            with contextlib.suppress(BlockingIOError):
                os.write(other, _NUMBER.pack(number))

    def heard(self) -> list[int]:
        """What the others have told since the last time."""
        try:
            octets = os.read(self.reader, _NUMBER.size * 256)
        except BlockingIOError:
            return []
        return [number for (number,) in _NUMBER.iter_unpack(octets)]


@dataclass(frozen=True)
class ProcessPlace:
    """One receiving process: what it shares with the others, and its pipes to them."""

    groups: Sequence[Counter]
    """The sessions of each group of clients."""
    octets: Counter
    peers: SharedTally
    serving: Callable[[], None]
    """To be called once connections are accepted."""
    lifeline: int | None = None
    """A descriptor that shows an end of file when the parent is dead."""
    pipes: ProcessPipes | None = None
    """What the others are told by, where there are others."""


class Shared:
    """The counts of all places, in memory that forked processes share, and the pipes between them."""

    def __init__(self, places: int) -> None:
        numbers = memoryview(mmap.mmap(-1, 8 * (GROUPS + 1) * places)).cast("q")
        self._octets, *self._groups = (numbers[at : at + places] for at in range(0, len(numbers), places))
        self._peers = memoryview(mmap.mmap(-1, 2 * SharedTally.BUCKETS * places)).cast("H")
        self._pipes = [os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) for _ in range(places)] if places > 1 else []

    def place(self, number: int, serving: Callable[[], None], lifeline: int | None = None) -> ProcessPlace:
        """The place of that number."""
        groups = [Counter(numbers, number) for numbers in self._groups]
        octets, peers = Counter(self._octets, number), SharedTally(self._peers, number)
        return ProcessPlace(groups, octets, peers, serving, lifeline, self._pipes_of(number))

    def _pipes_of(self, number: int) -> ProcessPipes | None:
        if not self._pipes:
            return None
        others = [write for other, (_, write) in enumerate(self._pipes) if other != number]
        return ProcessPipes(self._pipes[number][0], others)

    def close(self) -> None:
        """Closes the pipes."""
        for pipe in self._pipes:
            for end in pipe:
                os.close(end)

    def clear(self, number: int) -> None:
        """Takes back what a dead process held."""
        for numbers in (self._octets, *self._groups):
            numbers[number] = 0
        begin = number * SharedTally.BUCKETS
        self._peers[begin : begin + SharedTally.BUCKETS] = memoryview(bytes(2 * SharedTally.BUCKETS)).cast("H")


def alone(serving: Callable[[], None] = lambda: None) -> ProcessPlace:
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
        work: Callable[[ProcessPlace], int],
        serving: Callable[[], None],
        reload: Callable[[], None] = lambda: None,
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self._count = count
        self._work = work
        self._serving = serving
        self._reload = reload
        self._tell_ending = ending
        self._shared = Shared(count)
        self._children: dict[int, _Child] = {}
        self._due: dict[int, float] = {}
        self._served = False
        self._ending = False
        self._status = 0
        # Nobody ever writes to it: each child reads the end of file when no parent holds the other end any more.
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        """Returns the exit status when the last process has ended.

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
        """Reads the settings anew, here and in all processes."""
        if not reloading.is_heard():
            return  # the kernel keeps a signal that is ignored but waited for
        self._reload()
        for pid in self._children:
            os.kill(pid, signal.SIGHUP)

    def _end(self) -> None:
        self._ending = True
        self._due.clear()
        self._tell_ending()
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
