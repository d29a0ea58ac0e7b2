"""Sends each day's TLS reports (RFC 8460), once, however many processes there are.

By mail, the report is queued in the transaction that takes it on. By HTTPS, one process at a time tries, with the same
report id each time, until the server takes it or a day is over.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping

from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.dns import NoData, NoSuchDomain, Resolver, Temporary
from onifast_shared.mailboxes import contents
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.tls import results as tls_results
from onifast_shared.tls.results import DAY, SessionResult, State, TlsReport, day_begins
from onifast_shared.values.address import Address

from onifast_outbox import maillog
from onifast_outbox.http_client import HttpClient, HttpError
from onifast_outbox.tls_policy import report
from onifast_outbox.tls_policy.report import DayReport, ReportDestination, Reporter

ROUND_SECONDS = 600.0
"""How often it is looked whether a report is due."""

# Reports go out over the first hours of a day, so that not all the world's servers send at midnight (section 5.5).
SPREAD_SECONDS = 4 * 3600

# After the day's end, how long a place is tried that does not answer, and how long the try after next waits.
GIVE_UP_SECONDS = 2 * DAY
POSTING_SECONDS = 900


class Reporting:
    """One for a process. `now` gives epoch seconds."""

    def __init__(
        self,
        db: Database,
        resolver: Resolver,
        client: HttpClient,
        hostname: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._resolver = resolver
        self._client = client
        self._reporter = Reporter(hostname)
        self._now = now

    async def run_once(self) -> None:
        """Sends what is due. Raises DatabaseError."""
        now, after = self._now(), ("", "")
        while found := await self._db.aread(lambda tx, last=after: tls_results.unreported(tx, now, last)):  # type: ignore[misc]
            for day, domain in found:
                if now >= due_at(day, domain):
                    await self._report(day, domain, now)
            after = found[-1]
        while posting := await self._db.awrite(lambda tx: tls_results.claim_posting(tx, now, self._lease(now))):
            await self._post(posting, now)

    def _lease(self, began: float) -> float:
        """Seconds from the round's beginning: a round with collectors that stall may last for longer than one lease."""
        return self._now() - began + POSTING_SECONDS

    async def _report(self, day: str, domain: str, now: float) -> None:
        try:
            places = report.parse_record(await self._resolver.txt(f"_smtp._tls.{domain}"))
        except (NoSuchDomain, NoData):
            places = []
        except Temporary:
            if now < day_begins(day) + GIVE_UP_SECONDS:
                return  # the next round asks again
            places = []
        results = await self._db.aread(lambda tx: tls_results.of_day(tx, day, domain))
        built = await asyncio.to_thread(report.build, self._reporter, domain, day, results)
        letters = [
            (place, await self._write(built, place.mailbox, now)) for place in places if place.mailbox is not None
        ]
        states: list[tuple[str, State]] = [(place.uri, "sent" if place.mailbox else "posting") for place in places]

        def begin(tx: Connection) -> bool:
            if not tls_results.begin(tx, day, domain, states or [("", "unwanted")], now):
                return False
            for place, letter in letters:
                self._queue(tx, place, letter, built)
            return True

        if await self._db.awrite(begin):
            for place, _ in letters:
                maillog.tls_reported(domain, day, place.uri, "queued")

    async def _write(self, built: DayReport, to: Address, now: float) -> ContentRef:
        return await contents.astore(self._db, report.build_message(self._reporter, built, to, now))

    def _queue(self, tx: Connection, place: ReportDestination, letter: ContentRef, built: DayReport) -> None:
        submission = Submission(
            sender=self._reporter.contact,
            origin="report",
            subject=f"TLS report for {built.policy_domain}, {built.day}",
        )
        # Nobody wants to be told that a report could not be delivered (section 5.3).
        accept.submit_in(tx, letter, submission, [QueuedRecipient(str(place.mailbox), notify="NEVER")])

    async def _post(self, posting: TlsReport, now: float) -> None:
        results: Mapping[SessionResult, int] = await self._db.aread(
            lambda tx: tls_results.of_day(tx, posting.day, posting.policy_domain)
        )
        built = await asyncio.to_thread(report.build, self._reporter, posting.policy_domain, posting.day, results)
        state, detail = await self._hand_in(posting, built, now)
        await self._db.awrite(lambda tx: tls_results.end_posting(tx, posting, state, detail))
        maillog.tls_reported(posting.policy_domain, posting.day, posting.uri, detail or state)

    async def _hand_in(self, posting: TlsReport, built: DayReport, now: float) -> tuple[State, str]:
        try:
            status = (await self._client.post(posting.uri, report.MAIL_TYPE, built.body)).status
        except HttpError as error:
            trouble = str(error)
        else:
            if 200 <= status < 300:
                return "sent", ""
            trouble = f"the server answered with the status {status}"
        late = now >= day_begins(posting.day) + GIVE_UP_SECONDS
        return ("failed" if late else "posting"), trouble


def due_at(day: str, domain: str) -> float:
    """When a day's report to a domain is sent: some time in the hours after the day, always the same."""
    share = int.from_bytes(hashlib.sha256(f"{day} {domain}".encode()).digest()[:4], "big") / 2**32
    return day_begins(day) + DAY + share * SPREAD_SECONDS
