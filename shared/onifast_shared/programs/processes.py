"""Several processes of one program: a parent starts them, keeps them running, and ends when they have ended.

They are forked while there is no thread and no database, since a connection of SQLite must not cross a fork; what the
parent has loaded by then they share, but for what each of them touches. The parent hears of everything by signals, and
waits for nothing else.

Of those that nobody asked for by number there is one while it has time, and further ones while it has not.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from onifast_shared.machine import log
from onifast_shared.programs import reloading
from onifast_shared.programs.load import Load
from onifast_shared.programs.pulse import nothing
from onifast_shared.programs.watch import LOOK_SECONDS, Watch, tell_stuck

RESTART_DELAY = 1.0  # seconds between two starts in one place, lest one that cannot live keeps the machine busy

QUIET_SECONDS = 300.0  # without a busy process, after which one fewer will do
SETTLING_SECONDS = 2.0  # in which a further process takes its part, before yet another is begun

# From a process to its parent: it accepts connections; it is busy. Real-time signals are never merged.
_SERVING, _BUSY = signal.SIGRTMIN, signal.SIGRTMIN + 1
_EVENTS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, _SERVING, _BUSY)

_logger = log.get("processes")

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


class ProcessPlaces(Protocol[P_co]):
    """What the processes share, place by place."""

    def place(
        self,
        number: int,
        serving: Callable[[], None],
        lifeline: int | None = None,
        beat: Callable[[], None] = nothing,
    ) -> P_co:
        """The place of that number, for the process that has it.

        It calls `serving` once it serves, and `beat` as its loop comes round, every BEAT_SECONDS of
        `onifast_shared.programs.pulse` at the least; `lifeline` shows an end of file when the parent is dead.
        """
        ...

    def clear(self, number: int) -> None:
        """Takes back what a dead process held."""
        ...

    def may_end(self, number: int) -> bool:
        """Whether the process of that place can be told to end without a client's noticing."""
        ...


@dataclass
class _Child:
    place: int
    started: float
    serves: bool = False
    is_condemned: bool = False
    is_leaving: bool = False
    """Whether it was told to end since it is not needed."""


class Parent(Generic[P]):
    """Keeps processes running, each of which does `work` and exits with what it returns.

    There are `least` of them always (all by default), and up to `count` while those that are there are busy. `serving`
    is called once the least of them serve, `reload` at SIGHUP, `ending` before they are told to end, and `died` for one
    that ended unasked, with its exit status (a signal's number is negative); it is started anew. One that is stuck is
    ended. `watch` tells others of all that.
    """

    def __init__(
        self,
        count: int,
        places: ProcessPlaces[P],
        work: Callable[[P], int],
        serving: Callable[[], None],
        watch: Watch,
        *,
        least: int | None = None,
        reload: Callable[[], None] = lambda: None,
        ending: Callable[[], None] = lambda: None,
        died: Callable[[int, int], None],
    ) -> None:
        self._count = count
        self._least = self._wanted = count if least is None else least
        self._busy_at = self._changed_at = float("-inf")
        self._places = places
        self._work = work
        self._serving = serving
        self._watch = watch
        self._reload = reload
        self._tell_ending = ending
        self._tell_died = died
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
        gc.collect()
        gc.freeze()  # what is loaded by now stays: no collection looks at it, so its pages stay shared
        self._watch.expect(self._wanted)
        self._start(0)
        while self._children or self._due:
            event = signal.sigtimedwait(_EVENTS, self._patience())
            if event is None:
                self._start_due()
                self._look()
            elif event.si_signo == signal.SIGCHLD:
                self._reap()
            elif event.si_signo == _SERVING:
                self._note_serving(event.si_pid)
            elif event.si_signo == _BUSY:
                self._begin_another()
            elif event.si_signo == signal.SIGHUP:
                self._renew()
            else:
                self._end()
        self._watch.ending()
        return self._status

    def _patience(self) -> float:
        """Seconds until somebody is to be started, or looked at."""
        return min(LOOK_SECONDS, max(0.0, min(self._due.values()) - time.monotonic())) if self._due else LOOK_SECONDS

    def _look(self) -> None:
        """Ends those that are stuck, and tells others that the rest lives."""
        self._watch.look()
        for pid, child in self._children.items():
            if child.is_condemned:
                os.kill(pid, signal.SIGKILL)  # it did not even die of the other
            elif child.serves and self._watch.is_stuck(child.place):
                tell_stuck(pid, self._watch.pulses.silence(child.place))
                os.kill(pid, signal.SIGABRT)
                child.is_condemned = True
        if self._wanted > self._least and time.monotonic() - max(self._busy_at, self._changed_at) > QUIET_SECONDS:
            self._let_one_go()

    def _begin_another(self) -> None:
        """A process is busy: begins one more, if there may be, and none has just been begun or ended."""
        self._busy_at = time.monotonic()
        free = set(range(self._count)) - self._taken()
        settled = self._busy_at - self._changed_at > SETTLING_SECONDS
        if not free or not settled or not self._served or self._ending or not self._all_serve():
            return
        self._want(self._wanted + 1)
        self._start(min(free))

    def _let_one_go(self) -> None:
        """Nobody was busy for long: the last one that was begun ends, once it can without a client's noticing."""
        pid, child = max(self._children.items(), key=lambda each: each[1].place, default=(0, None))
        if child is None or child.is_leaving or child.place == 0 or not self._places.may_end(child.place):
            return
        child.is_leaving = True
        self._want(self._wanted - 1)
        os.kill(pid, signal.SIGTERM)

    def _want(self, count: int) -> None:
        self._wanted, self._changed_at = count, time.monotonic()
        log.event(_logger, "processes-changed", processes=count)
        self._watch.expect(count)

    def _taken(self) -> set[int]:
        """The places that have a process, or will have one."""
        return {child.place for child in self._children.values()} | set(self._due)

    def _all_serve(self) -> bool:
        return all(child.serves for child in self._children.values())

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
            faulthandler.enable()  # SIGABRT then says where every thread is
            parent, pulse = os.getppid(), self._watch.pulses.of(place)
            serving = partial(os.kill, parent, _SERVING)
            load = Load(pulse.beat, partial(_tell_busy, parent))
            status = self._work(self._places.place(place, serving, self._lifeline, load.beat))
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
        for place in set(range(self._wanted)) - self._taken():
            self._start(place)
        if len(self._children) == self._wanted and self._all_serve():
            self._served = True
            self._serving()
            self._watch.serving()

    def _reap(self) -> None:
        while self._children:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            self._places.clear(child.place)
            self._watch.pulses.clear(child.place)
            self._ended(pid, child, os.waitstatus_to_exitcode(wait_status))

    def _ended(self, pid: int, child: _Child, status: int) -> None:
        if self._ending or child.is_leaving:
            return
        if not self._served and not child.serves:
            self._status = status if status > 0 else 1
            self._end()
            return
        self._tell_died(pid, status)
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


def _tell_busy(parent: int) -> None:
    if os.getppid() == parent:  # whoever has its number when it is dead would die of the signal
        os.kill(parent, _BUSY)
