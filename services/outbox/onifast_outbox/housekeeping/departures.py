"""Looks after users who are gone: finds them, has what was theirs set aside, and deletes it when its time has come."""

from __future__ import annotations

import asyncio

from onifast_shared.accounts.panel_users import UserDirectory, UserDirectoryMissing
from onifast_shared.db.database import Database
from onifast_shared.departed import changes, deleting, moving, watching
from onifast_shared.departed.store import BootTime
from onifast_shared.departed.watching import Look
from onifast_shared.machine.config import Settings

from onifast_outbox import maillog
from onifast_outbox.claiming.leases import BOOT_ID, boot_now_ms

LOOK_SECONDS = 60.0
"""How often `look` is called: a file that is there at any look keeps its user."""

REMIND_MS = 86_400_000
"""How often the log says that users wait for an administrator."""


class Departures:
    """One for a program. Of several deliverers on one database, whichever comes first does each step."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._users = UserDirectory(settings)
        self._kept = settings.departed_mail_kept
        self._boot_id = BOOT_ID.read_text().strip()
        self._told: int | None = None
        self._reminded = 0
        self._is_unseen = False

    async def look(self, now: float) -> None:
        """Looks who is gone, and whose things have been kept long enough. Raises DatabaseError."""
        clock = BootTime(self._boot_id, boot_now_ms())
        try:
            found = await asyncio.to_thread(watching.look, self._db, self._users, clock, now)
        except UserDirectoryMissing as error:
            if not self._is_unseen:
                maillog.directory_trouble(error)
            self._is_unseen = True
        else:
            self._is_unseen = False
            self._tell(found, clock)
        if await self._db.aread(lambda tx: deleting.is_due(tx, self._kept, now)):
            for departure_id in await self._db.awrite(lambda tx: deleting.mark_over(tx, self._kept, now, clock)):
                maillog.departed_due(departure_id)

    async def carry_on(self, now: float) -> None:
        """Does what was asked for, and what was begun. Raises DatabaseError."""
        if self._told is None:
            self._told = await self._db.aread(changes.last_told)
        if not await self._db.apeek(lambda tx: changes.anything_waits(tx, self._told or 0)):
            return
        await asyncio.to_thread(changes.work_off, self._db, now)
        for change in await self._db.aread(lambda tx: changes.done_since(tx, self._told or 0)):
            maillog.user_changed(change)
            self._told = change.id
        for move in await asyncio.to_thread(moving.finish, self._db):
            maillog.user_moved(move.source, move.target)
        for departure in await asyncio.to_thread(deleting.finish, self._db):
            maillog.departed_deleted(departure.id, departure.username)

    def _tell(self, found: Look, clock: BootTime) -> None:
        for username in found.missing:
            maillog.user_missing(username)
        for username in found.returned:
            maillog.user_missing(username, returned=True)
        for username, departure_id in found.departed:
            maillog.user_departed(username, departure_id)
        if found.newly_held or (found.held and clock.ms - self._reminded >= REMIND_MS):
            maillog.users_held(found.newly_held, found.held)
            self._reminded = clock.ms
