"""Begins rotations of DKIM keys that have signed for as many months as the setting says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from onifast_shared.accepting import alerts
from onifast_shared.db.database import Connection, Database
from onifast_shared.dkim import published, record_events, report
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.dkim.rotation import DomainKeys, RotationError, Rotations
from onifast_shared.dkim.selectors import ACTIVE, PUBLISHING
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses

from onifast_outbox import maillog

ROUND_SECONDS = 6 * 3600.0
MOST_AT_ONCE = 20
"""Rotations that one round begins, so that a host with many domains spreads them."""

MONTH = 365.25 / 12 * 86400


class RotationSchedule:
    """One for a program. Of several deliverers, whichever comes first begins a domain's rotation."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._rotations = Rotations(db, settings)

    async def round(self, now: float) -> list[str]:
        """Begins what is due; the domains whose rotation began. Raises DatabaseError."""
        before = now - self._settings.dkim_rotate_every * MONTH
        domains = await self._db.aread(lambda tx: addresses.domains_of(tx, None))
        due = await asyncio.to_thread(lambda: list(self._due(domains, before)))
        begun = [found for standing in due if (found := await self._begin(standing, now)) is not None]
        if begun:
            await self._db.awrite(lambda tx: self._tell(tx, begun))
        return [each.domain for each in begun]

    def _due(self, domains: Sequence[str], before: float) -> Iterator[DomainKeys]:
        number = 0
        for domain in domains:
            try:
                standing = self._rotations.standing(domain)
                if number < MOST_AT_ONCE and _is_due(standing, before):
                    number += 1
                    yield standing
            except (DkimKeyError, OSError) as error:
                maillog.key_not_tended(domain, str(error))

    async def _begin(self, standing: DomainKeys, now: float) -> DomainKeys | None:
        """Begins one, if DNS shows the present key: whose DNS was never ours, or is not there now, is left alone."""
        checks = await published.look_at_all(self._settings, report.records(standing))
        if not all(check.published for check in checks.values()):
            return None
        try:
            return await asyncio.to_thread(self._rotations.begin, standing.domain, now)
        except (DkimKeyError, RotationError) as error:
            maillog.key_not_tended(standing.domain, str(error))
            return None

    def _tell(self, tx: Connection, begun: Sequence[DomainKeys]) -> None:
        """Asks the postmaster for the records that nothing publishes by itself."""
        by_hand = [each for each in begun if not record_events.is_heard(tx, each.domain)]
        if self._settings.dkim_publish or not by_hand:
            return
        lines = [record.record.zone_line for each in by_hand for record in report.of(each).in_state(PUBLISHING)]
        text = _TEXT.format(lines="\n".join(lines), domains=", ".join(each.domain for each in by_hand))
        subject = f"DKIM records to publish: {', '.join(each.domain for each in by_hand)}"[:200]
        alerts.send(tx, [alerts.postmaster(self._settings)], subject, text, self._settings)


def _is_due(standing: DomainKeys, before: float) -> bool:
    """Whether a key has signed since before then, and no rotation is under way."""
    if standing.in_state(PUBLISHING):
        return False
    since = {row.fingerprint: row.switched_ts or row.created_ts for row in standing.in_state(ACTIVE)}
    began = [since.get(key.fingerprint) or key.path.stat().st_mtime for key in standing.signing]
    return bool(began) and max(began) < before


_TEXT = """The DKIM keys of {domains} have signed as long as the setting dkim_rotate_every says. New ones wait.
Please put these records into DNS, beside those that are there:

{lines}

Mail is signed with the old keys until DNS has shown the new records for a while; then the old ones retire.
"onifast-mailctl dkim check DOMAIN" says how far each is. The setting dkim_publish, or a webhook for dkim_record, does
this without you.
"""
