"""Takes rotations of DKIM keys through their steps: watches DNS, switches, and retires what has had its time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim import published, selectors
from onifast_shared.dkim.keys import DkimKeyError, DnsRecord, record_of
from onifast_shared.dkim.published import RecordCheck
from onifast_shared.dkim.rotation import LOOK_EVERY, DomainKeys, RotationError, Rotations
from onifast_shared.dkim.selectors import PUBLISHING, RETIRED
from onifast_shared.machine.config import Settings

from onifast_outbox import maillog
from onifast_outbox.signing.record_publisher import NotPublished, RecordPublisher, Wish

TEND_SECONDS = 60.0
"""How often `tend` is called: not much later than a look is due."""


class KeyKeeper:
    """One for a program. Of several deliverers on one database, whichever comes first takes a domain's next look."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._rotations = Rotations(db, settings)
        self._publisher = RecordPublisher(settings)

    async def tend(self, now: float) -> None:
        """Looks after the domains whose turn it is. Raises DatabaseError."""
        if not await self._db.aread(lambda tx: selectors.anything_due(tx, now)):
            return
        # All of them, some at a time: those that come first would have the next turn too before the others had theirs.
        while domains := await self._db.awrite(lambda tx: selectors.due(tx, now, int(now) + LOOK_EVERY)):
            await asyncio.gather(*(self._tend(domain, now) for domain in domains))

    async def _tend(self, domain: str, now: float) -> None:
        try:
            standing = await asyncio.to_thread(self._rotations.mend, domain, now)
            checks = await published.look_at_all(self._settings, _watched(standing))
            is_ripe = await asyncio.to_thread(self._rotations.look, domain, checks, now)
            await self._publish(standing, checks)
            if is_ripe and not standing.is_replaced:
                await self._switch(domain, now)
        except (DkimKeyError, RotationError) as error:
            maillog.key_not_tended(domain, str(error))
        except DatabaseError:
            raise
        except Exception:
            maillog.unforeseen(f"keeping the keys of {domain}")  # the other domains' go on

    async def _publish(self, standing: DomainKeys, checks: Mapping[str, RecordCheck]) -> None:
        """Puts into DNS what it lacks, and takes out what nobody needs, where the settings say how."""
        if not self._publisher.is_on:
            return
        for row in standing.in_state(PUBLISHING, RETIRED):
            record = record_of(row.domain, row.selector, row.value)
            check, wanted = checks.get(record.name), row.state == PUBLISHING
            if check is None or check.published is None or check.published is wanted:
                continue
            wish: Wish = "publish" if wanted else "remove"
            try:
                await self._publisher.carry_out(wish, row.domain, record)
            except NotPublished as error:
                maillog.key_not_tended(row.domain, str(error))
                await asyncio.to_thread(self._rotations.note, row.domain, str(error))
            else:
                maillog.key_record(row.domain, wish, record.name)

    async def _switch(self, domain: str, now: float) -> None:
        try:
            switched = await asyncio.to_thread(self._rotations.switch, domain, now)
        except DkimKeyError as error:
            maillog.key_not_switched(domain, str(error))
            said = f"outbox may not exchange the keys' files: root has to run onifast-mailctl dkim switch {domain}."
            await asyncio.to_thread(self._rotations.note, domain, said)
        else:
            maillog.key_switched(domain, [key.selector for key in switched.signing])


def _watched(standing: DomainKeys) -> list[DnsRecord]:
    """What DNS is asked about: keys that wait for it, and records that somebody was asked to remove."""
    return [record_of(row.domain, row.selector, row.value) for row in standing.in_state(PUBLISHING, RETIRED)]
