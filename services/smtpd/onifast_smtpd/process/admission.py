"""Who gets a session, and who is sent away for others: nobody can shut the rest out by holding on to connections.

There are slots for each group (this machine, and the strangers of each listener) and for whoever comes first, and each
peer has a share of them. Where a newcomer finds none free, a session that has done nothing, or is silent, is ended for
them; so a thousand idle clients hold up nobody. When slots or memory run short, all waits are shortened (as Postfix's
`stress` does); and strangers may do less that brings no mail where it is slots.

The counts are those of all processes; a process that finds nobody of its own to send away asks the others to.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Protocol, Self

from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import count
from onifast_shared.machine.shared_counts import SharedTally
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog
from onifast_smtpd.clients.client import Client
from onifast_smtpd.clients.limits import Budget, Rate, Slots
from onifast_smtpd.process.descriptors import sessions_allowed
from onifast_smtpd.process.processes import ProcessPlace
from onifast_smtpd.protocol import replies

PATIENCE = 1.0  # seconds that a newcomer waits for a slot before they are told that there is none
AT_THE_DOOR = 64  # newcomers of each group that wait, in one process; fewer where there are few slots
WAITING_EACH = 4  # of them of one peer
WAITING_HERE = 32  # of one Unix user: a local program that is turned away often loses its mail
TICK = 1.0  # seconds between two looks at whether slots run short
LOOK_AGAIN = 0.1  # seconds before somebody is looked for anew where nobody could be sent away
MOST_NEEDS = 1000  # that are remembered for it
MAKE_ROOM = 8  # sessions that are ended at once for another process's newcomers
PRESSED_WAIT = 10.0  # seconds that a client may be silent while slots or memory run short
PRESSED_RATE = 8 * 1024  # octets a second of a message, meanwhile
REPORT = 60.0  # seconds between two lines in the log about it


class SessionRank(IntEnum):
    """What a session has to show; who has least is sent away first."""

    NOTHING = 0
    TRANSACTION = 1
    """A sender was accepted."""
    SERVED = 2
    """A message was accepted, or its client logged in."""
    MESSAGE = 3
    """A message is coming in."""


SPARED = {SessionRank.NOTHING: 0.5, SessionRank.TRANSACTION: 2.0, SessionRank.SERVED: 2.0, SessionRank.MESSAGE: 5.0}
"""Seconds of silence in which nobody is sent away: a client at the other end of the world answers within them."""


class Running(Protocol):
    """A session, as admission and whoever shuts the program down see it."""

    @property
    def ended(self) -> asyncio.Task[None]:
        """Done when the session is over."""

    @property
    def closed(self) -> asyncio.Future[None]:
        """Done when the connection is closed."""

    @property
    def silent_since(self) -> float | None:
        """Since when we have heard nothing and wait to, on the loop's clock; None where it is our turn."""

    @property
    def standing(self) -> SessionRank:
        """What it has to show."""

    def stop(self) -> None:
        """Ends the session as soon as it holds no message."""

    def cut_short(self) -> None:
        """Ends the session whatever it is at, with a word where the client can hear one."""

    def abort(self) -> None:
        """Closes the connection now."""

    def send_away(self) -> None:
        """Ends the session, whose client is silent, since others need its slot."""

    def hurry(self, seconds: float, rate: int) -> None:
        """Has no more patience than that with its client, and wants so many octets a second of a message."""


class Slot(NamedTuple):
    """What a session takes: a slot of its group, and one of each share, by its number in the tally."""

    group: int
    shares: tuple[int, ...]


class Admission:
    """Slots and shares of the sessions of this process, which all processes count together."""

    def __init__(self, settings: Settings, place: ProcessPlace, octets: Budget) -> None:
        self._tally: SharedTally = place.peers
        self._groups = place.groups
        self._pipes = place.pipes
        self._beat = place.beat
        self.renewed(settings, octets)
        self._at_the_door: dict[Running, int] = {}
        self._held: dict[Running, Slot] = {}
        self._peers: Counter[int] = Counter()
        self._waiting: Counter[int] = Counter()
        self._look_again: dict[int, float] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._report_at = 0.0
        self._sent_away = 0
        self._turned_away = 0
        self._told: set[int | str] = set()
        self.crowded = False
        """Whether slots run short."""
        self.pressed = False
        """Whether slots or memory do."""

    def renewed(self, settings: Settings, octets: Budget) -> Self:
        """The same, with what its sessions hold, by other settings."""
        most = sessions_allowed(settings.max_connections)
        self._each = settings.max_connections_per_address
        self._slots = Slots(most, self._groups)
        self._most_at_the_door = min(AT_THE_DOOR, max(4, most // 4))
        self._rate = Rate(settings.max_connection_rate)
        self._octets = octets
        return self

    def open(self) -> None:
        """Begins to hear what other processes need; to be called in the event loop."""
        if self._pipes is not None:
            asyncio.get_running_loop().add_reader(self._pipes.reader, self._hear)

    def close(self) -> None:
        """Hears no more."""
        if self._pipes is not None:
            asyncio.get_running_loop().remove_reader(self._pipes.reader)
        if self._tick is not None:
            self._tick.cancel()

    def knock(self, session: Running, group: int) -> None:
        """Notes a connection that has no slot yet; where too many of that group wait for one, the first of them goes.

        A flood ends at some time, and who comes after it is heard at once.
        """
        waiting = [each for each, its_group in self._at_the_door.items() if its_group == group]
        if len(waiting) >= self._most_at_the_door:
            self._turned_away += 1
            del self._at_the_door[waiting[0]]
            waiting[0].send_away()
        self._at_the_door[session] = group

    async def admit(self, session: Running, client: Client) -> Reply | None:
        """Gives the session a slot and its client's shares; the reply that turns it away where there are none.

        What it held before it gives back: a proxy's session is its client's from now on.
        """
        if session in self._held:
            self.release(session)
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._keep_looking(loop)
        slot, limits = self._wanted(client)
        if not client.is_local and not all(self._rate.take(key, now, times) for key, times in client.shares):
            return self._note(client, slot, replies.TOO_MANY_FROM_YOU)
        refusal = self._enter(session, slot, limits, now)
        if refusal is not None and self._may_wait(client, slot):
            refusal = await self._wait(session, slot, limits, refusal)
        if refusal is not None:
            self._note(client, slot, refusal)
        return refusal

    def _note(self, client: Client, slot: Slot, refusal: Reply) -> Reply:
        """Logs that a client was turned away: each peer once in a while, since a flood must be no flood of lines."""
        self._turned_away += 1
        count("sessions_turned_away", service=client.service.label)
        if len(self._told) < MOST_NEEDS and not self._told.issuperset(slot.shares or (client.address,)):
            self._told.update(slot.shares or (client.address,))
            maillog.turned_away(client, refusal.text)
        return refusal

    def release(self, session: Running) -> None:
        """Takes back what the session holds, if anything."""
        self._at_the_door.pop(session, None)
        slot = self._held.pop(session, None)
        if slot is not None:
            self._count(slot, -1)

    # Slots

    def _wanted(self, client: Client) -> tuple[Slot, tuple[int, ...]]:
        """The slot that a client needs, and how many there may be in each of its shares."""
        shares = tuple(self._tally.bucket(key) for key, _ in client.shares)
        return Slot(client.group, shares), tuple(self._each * times for _, times in client.shares)

    def _enter(self, session: Running, slot: Slot, limits: tuple[int, ...], now: float) -> Reply | None:
        """Takes the slot; ends other sessions for it where that is possible. The refusal where it is not."""
        for share, limit in zip(slot.shares, limits, strict=True):
            if self._tally.total(share) >= limit and not self._make_room(self._slots.groups + share, now):
                return replies.TOO_MANY_FROM_YOU
        if not self._slots.has_room(slot.group) and not self._make_room(slot.group, now):
            return replies.TOO_BUSY
        self._held[session] = slot
        self._at_the_door.pop(session, None)
        self._count(slot, 1)
        return None

    def _count(self, slot: Slot, amount: int) -> None:
        self._slots.add(slot.group, amount)
        for share in slot.shares:
            self._tally.add(share, amount)
            if count := self._peers.get(share, 0) + amount:
                self._peers[share] = count
            else:
                del self._peers[share]

    # Newcomers that wait

    def _may_wait(self, client: Client, slot: Slot) -> bool:
        most = WAITING_HERE if client.is_loopback else WAITING_EACH
        return all(self._waiting[share] < most for share in slot.shares)

    async def _wait(self, session: Running, slot: Slot, limits: tuple[int, ...], refusal: Reply | None) -> Reply | None:
        """Tries again for a while; returns the refusal where it stays one."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        self._waiting.update(slot.shares)
        try:
            while refusal is not None and loop.time() < end:
                await asyncio.sleep(LOOK_AGAIN / 2)
                if session.closed.done():
                    return refusal  # nobody is ended for a client that is gone
                refusal = self._enter(session, slot, limits, loop.time())
            return refusal
        finally:
            self._waiting -= Counter(slot.shares)

    # Sessions that are ended for others. A need is the number of a group, or behind these that of a share.

    def _make_room(self, need: int, now: float) -> bool:
        """Ends a session of this process so that there is room, or asks the other processes to."""
        if now < self._look_again.get(need, 0.0):
            return False
        if self._send_away(need, 1, now):
            return True
        if len(self._look_again) > MOST_NEEDS:
            self._look_again.clear()
        self._look_again[need] = now + LOOK_AGAIN
        if self._pipes is not None:
            self._pipes.tell(need)
        return False

    def _hear(self) -> None:
        """Other processes have newcomers and nobody to send away."""
        now = asyncio.get_running_loop().time()
        for need in self._pipes.heard() if self._pipes is not None else ():
            self._send_away(need, MAKE_ROOM if need < self._slots.groups else 1, now)

    def _send_away(self, need: int, count: int, now: float) -> int:
        """Ends as many sessions as asked for, those that have least to show first; returns how many there were."""
        fits = self._fitting(need)
        found = [
            (standing, -self._crowd(slot), since, session)
            for session, slot in self._held.items()
            if (since := session.silent_since) is not None
            and fits(slot)
            and now - since >= SPARED[standing := session.standing]
        ]
        found.sort(key=lambda each: each[:3])
        for *_, session in found[:count]:
            self.release(session)
            session.send_away()
        ended = len(found[:count])
        self._sent_away += ended
        return ended

    def _fitting(self, need: int) -> Callable[[Slot], bool]:
        """Tells whether the end of a session with this slot would help."""
        share = need - self._slots.groups
        if share >= 0:
            return lambda slot: share in slot.shares
        helpful = {need} | {group for group in range(self._slots.groups) if self._slots.uses_common(group)}
        return lambda slot: slot.group in helpful

    def _crowd(self, slot: Slot) -> int:
        """How many sessions of this process its peer has."""
        return max((self._peers[share] for share in slot.shares), default=1)

    # Pressure

    def _keep_looking(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._tick is None:
            self._tick = loop.call_later(TICK, self._look)

    def _look(self) -> None:
        """Sees whether slots or memory run short, and has less patience with everybody then."""
        loop = asyncio.get_running_loop()
        self._beat()
        self._tick = None
        self.crowded = self._slots.are_short
        self.pressed = self.crowded or self._octets.is_short
        if self.pressed:
            for session in (*self._held, *self._at_the_door):
                session.hurry(PRESSED_WAIT, PRESSED_RATE)
        if (self.pressed or self._sent_away or self._turned_away) and loop.time() >= self._report_at:
            self._report(loop.time())
        if self._held or self._at_the_door:
            self._keep_looking(loop)

    def _report(self, now: float) -> None:
        """One line a minute."""
        maillog.pressed(self._slots.taken, self._octets.taken, self._sent_away, self._turned_away, short=self.pressed)
        self._report_at = now + REPORT
        self._sent_away = self._turned_away = 0
        self._told.clear()
