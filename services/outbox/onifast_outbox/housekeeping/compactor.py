"""Keeps the database compact in idle moments: what was deleted gives its room back to the disk."""

from __future__ import annotations

import asyncio

from onifast_shared.db import compacting
from onifast_shared.db.database import Database

ROUND_SECONDS = 10.0
"""How often it is looked whether nobody has written."""

_STEPS = 50
"""Steps of one round, at the most; each lets other writers through."""


class Compactor:
    """One for a program. It works while nobody else writes, and stops as soon as somebody does."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seen: int | None = None

    async def round(self) -> int:
        """Gives back some pages, if nobody has written since the round before; how many. Raises DatabaseError."""
        seen, self._seen = self._seen, self._db.data_version()
        if seen != self._seen:
            return 0
        given = 0
        for _ in range(_STEPS):
            pages = await asyncio.to_thread(compacting.step, self._db)
            given += pages
            if not pages or self._db.data_version() != self._seen:
                break
        self._seen = self._db.data_version()
        return given
