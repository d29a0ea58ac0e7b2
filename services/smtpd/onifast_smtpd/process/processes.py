"""Several processes that receive mail (`onifast_shared.programs.processes`): how many, and what they share.

Each has a database, threads and an event loop of its own. They share the listening sockets, so the kernel gives a
connection to whoever has time.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onifast_shared.machine.config import Settings
from onifast_shared.machine.shared_counts import SharedCounter, SharedTally
from onifast_shared.programs.pulse import nothing

from onifast_smtpd.clients.client import GROUPS
from onifast_smtpd.clients.limits import COPIES

MOST_BY_DEFAULT = 4

_NUMBER = struct.Struct("=I")


def how_many(settings: Settings) -> int:
    """Processes to receive mail with, at the most.

    Each must be able to hold the largest message, within what all may hold.
    """
    wanted = settings.smtpd_processes or min(len(os.sched_getaffinity(0)), MOST_BY_DEFAULT)
    return max(1, min(wanted, settings.bytes_in_flight // (COPIES * settings.max_message_size)))


def at_the_least(settings: Settings) -> int:
    """Processes that there are always: those that somebody asked for, or one."""
    return how_many(settings) if settings.smtpd_processes else 1


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

    groups: Sequence[SharedCounter]
    """The sessions of each group of clients."""
    octets: SharedCounter
    peers: SharedTally
    serving: Callable[[], None]
    """To be called once connections are accepted."""
    beat: Callable[[], None]
    """To be called as the loop comes round."""
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

    def place(
        self,
        number: int,
        serving: Callable[[], None],
        lifeline: int | None = None,
        beat: Callable[[], None] = nothing,
    ) -> ProcessPlace:
        """The place of that number."""
        groups = [SharedCounter(numbers, number) for numbers in self._groups]
        octets, peers = SharedCounter(self._octets, number), SharedTally(self._peers, number)
        return ProcessPlace(groups, octets, peers, serving, beat, lifeline, self._pipes_of(number))

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

    def may_end(self, number: int) -> bool:
        """Whether it has no session: a client between two messages would be told 421, and some send them no more."""
        return not any(numbers[number] for numbers in self._groups)

    def clear(self, number: int) -> None:
        """Takes back what a dead process held."""
        for numbers in (self._octets, *self._groups):
            numbers[number] = 0
        begin = number * SharedTally.BUCKETS
        self._peers[begin : begin + SharedTally.BUCKETS] = memoryview(bytes(2 * SharedTally.BUCKETS)).cast("H")


def alone(serving: Callable[[], None] = nothing, beat: Callable[[], None] = nothing) -> ProcessPlace:
    """The place of a process that has no parent and no others beside it."""
    return Shared(1).place(0, serving, beat=beat)
