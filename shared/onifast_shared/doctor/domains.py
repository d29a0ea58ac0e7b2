"""The check of every domain's records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from onifast_shared.db.database import Database
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.domain_dns import checks, gather, look
from onifast_shared.domain_dns.records import MailFacts, RecordState
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine.config import Settings

_AT_ONCE = 16
_OF_THE_HOST = {"host", "ptr"}  # told once, and not for each domain
_HURTS = {"mx", "spf", "dkim"}
"""Without these, mail does not come in, or is refused elsewhere."""


def look_at(settings: Settings, database: Database, domains: Sequence[str]) -> Iterator[HealthFinding]:
    """Looks at all of them, some at a time, and keeps what was seen as `domain list` shows it."""
    facts, problems = [], []
    for domain in domains:
        try:
            facts.append(gather.facts_of(database, settings, domain))
        except DkimKeyError as error:
            problems.append(HealthFinding("domains", State.FAILED, f"{domain}: {error}", "mend the file", domain))
    yield from problems
    standings: list[str] = []
    for one, found in zip(facts, asyncio.run(_look_at(settings, facts)), strict=True):
        check = checks.judged(found, time.time())
        database.write(lambda tx, one=one, check=check: checks.remember(tx, one.domain, check))  # type: ignore[misc]
        wrong = list(_problems(one, found))
        standings += [] if wrong else [check.standing]
        yield from wrong
    if good := standings.count("good"):
        yield HealthFinding("domains", State.OK, f"{good} of {len(domains)} domains have the records that they need")
    if unknown := standings.count("unknown"):
        yield HealthFinding("domains", State.OK, f"not known: DNS gave no whole answer about {unknown} domains")


async def _look_at(settings: Settings, facts: Sequence[MailFacts]) -> list[list[RecordState]]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(each: MailFacts) -> list[RecordState]:
        async with free:
            return await look.look_at_all(settings, each)

    return await asyncio.gather(*map(one, facts))


def _problems(facts: MailFacts, found: Sequence[RecordState]) -> Iterator[HealthFinding]:
    if not facts.dkim:
        remedy = f"onifast-mailctl dkim generate {facts.domain}"
        text = f"{facts.domain}: its mail is not signed, for it has no DKIM key"
        yield HealthFinding("domains", State.WARNING, text, remedy, f"{facts.domain} dkim")
    for record in found:
        if record.is_needed and record.state in {"missing", "wrong"} and record.kind not in _OF_THE_HOST:
            state = State.FAILED if record.kind in _HURTS else State.WARNING
            text = f"{facts.domain}: {(record.problem or f'{record.name} has no {record.type} record').rstrip('.')}"
            remedy = f"publish {record.zone_line}" if record.zone_line else ""
            yield HealthFinding("domains", state, text, remedy, f"{facts.domain} {record.kind}")
