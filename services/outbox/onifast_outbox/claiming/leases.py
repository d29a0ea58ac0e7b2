"""Keeps this process's claims alive for as long as it works on them (DESIGN: leases on the boot clock)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.queue import store as queue
from onifast_shared.queue.store import Lease

from onifast_outbox import maillog

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Leases:
    """The tokens that this process holds. `seconds` is how long a claim outlives its last renewal."""

    def __init__(self, db: Database, seconds: float) -> None:
        self._db = db
        self._seconds = seconds
        self._boot_id = BOOT_ID.read_text().strip()
        self._tokens: set[str] = set()

    def new(self) -> Lease:
        """A lease that begins now, on a clock that no one sets."""
        return Lease(self._boot_id, boot_now_ms(), int(self._seconds * 1000))

    def keep(self, token: str) -> None:
        """Renews this claim from now on."""
        self._tokens.add(token)

    def drop(self, token: str) -> None:
        """This claim needs no renewal any more."""
        self._tokens.discard(token)

    def release_dead(self, tx: Connection) -> int:
        """Puts back what dead deliverers left; how many rows.

        Ours are renewed first: who can write this lives. Where no writer got its turn for longer than a lease, or the
        machine slept, they would be put back, and be sent again, while their deliveries still go on.
        """
        queue.renew(tx, tuple(self._tokens), self.new())
        return queue.release_dead(tx, self._boot_id, boot_now_ms())

    async def run(self) -> None:
        """Renews all claims three times in the life of a lease, so that one failure or two cost nothing."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            if self._tokens:
                await self._renew()

    async def _renew(self) -> None:
        tokens = tuple(self._tokens)
        try:
            await self._db.awrite(lambda tx: queue.renew(tx, tokens, self.new()))
        except DatabaseError as error:
            # Each result and each final dot is checked against the token, so a late renewal does no harm.
            maillog.trouble("renewing leases", error)


def boot_now_ms() -> int:
    """Milliseconds since the machine started, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
