"""Envelope ids (RFC 3461 section 4.4) where senders gave none: servers put them into their notifications."""

from __future__ import annotations

from collections.abc import Collection

from onifast_shared.db import shared_keys
from onifast_shared.db.database import Database
from onifast_shared.queue import returns
from onifast_shared.queue.store import Submission


class EnvelopeIds:
    """Makes them, with the key that all processes share, which is read once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._key: bytes | None = None

    async def make(self, submission: Submission, domains: Collection[str]) -> str | None:
        """The id for one transaction; None where its recipients are of several domains, or no notification can return.

        Such an id proves a notification to come from those who got it, so no two domains get the same one.
        """
        if len(domains) != 1 or not submission.queue_id or not submission.sender or submission.origin == "forward":
            return None
        if self._key is None:
            self._key = await self._db.awrite(lambda tx: shared_keys.obtain(tx, shared_keys.ENVELOPE_IDS))
        return returns.envelope_id(self._key, submission.queue_id, next(iter(domains)))
