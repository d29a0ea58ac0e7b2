"""Judges mail from outside: has its origin checked, decides what becomes of it, and says why in words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.message import forged
from onifast_shared.message.sections import RawMessage
from onifast_shared.refused import dmarc_reports, greylist
from onifast_shared.refused.dmarc_reports import Observation
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply
from onifast_shared.values.suffixes import suffixes

from onifast_smtpd.authentication.dnsbl import Listing
from onifast_smtpd.authentication.failures import Failures
from onifast_smtpd.authentication.verify import Authentication, ClientCheck, Verifier
from onifast_smtpd.clients.client import Origin
from onifast_smtpd.headers import trace
from onifast_smtpd.milter.filters import FilteredMessage, Milters
from onifast_smtpd.protocol.replies import Refused
from onifast_smtpd.records.deferred_writes import DeferredWrites
from onifast_smtpd.screening import greylisting, verdict, words
from onifast_smtpd.screening.scanner import Scanner

SWEEP_AFTER = 1000  # attempts that greylisting noted
MAX_ROUNDS = 10  # checks of one message, each without look-ups that the one before found overdue


@dataclass(frozen=True)
class ScreenedMessage:
    """A message to take in, as filters left it, and without what only we may write.

    `headers` tell of the checks, `authentication` is what is stored of them.
    """

    message: RawMessage
    headers: bytes
    folder: str
    authentication: dict[str, Any]
    summary: str


class RefusedWhole(Refused):
    """A message is refused for its authentication or its score: `judged` is what would have been taken in."""

    def __init__(self, reply: Reply, judged: ScreenedMessage) -> None:
        super().__init__(reply, judged.authentication)
        self.judged = judged


class Screener:
    """Judges messages; one for a program."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        verifier: Verifier,
        deferred_writes: DeferredWrites,
        milters: Milters,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._database = database
        self._verifier = verifier
        self._deferred_writes = deferred_writes
        self._scanner = Scanner(settings)
        self._milters = milters
        self._attempts = 0
        self._failures = Failures(database, deferred_writes, clock)

    def screening(self, origin: Origin, mail_from: Address | None) -> Screening:
        """The screening of one transaction, which looks nothing up yet."""
        return Screening(self, origin, mail_from)

    async def client(self, origin: Origin, mail_from: Address | None) -> ClientCheck:
        """What is known of a client by its address and envelope."""
        return await self._verifier.check_client(origin.client.address, origin.helo, mail_from)

    async def listings(self, origin: Origin) -> tuple[Listing, ...]:
        """The block lists that have a client."""
        return await self._verifier.check_lists(origin.client.ip, self._settings.dnsbl_zones)

    async def recipient(self, screening: Screening, recipient: Address) -> None:
        """Whether this client may send to that mailbox now; raises Refused, DatabaseError.

        Postmaster hears everybody: whoever is refused must be able to complain (RFC 5321 section 4.5.1).
        """
        if recipient.local.lower() == "postmaster":
            return
        if self._settings.dnsbl_action == "reject" and (listings := await screening.listings()):
            raise Refused(listed(screening.origin, listings[0]), {"why": list(words.listing_sentences(listings))})
        if self._settings.greylisting:
            await self._greylist(screening, recipient)

    async def message(self, screening: Screening, message: FilteredMessage) -> ScreenedMessage:
        """What becomes of a message that came whole. Raises Refused; RefusedWhole where no content filter objects."""
        origin, mail_from = screening.origin, screening.mail_from
        checked, listings, scan, filtered = await asyncio.gather(
            self._authenticate(screening, message.message),
            screening.listings(),
            self._scanner.scan(message),
            self._milters.filter(message),
        )
        if self._settings.dnsbl_action == "reject":
            listings = ()  # they have refused whom they could
        decided = verdict.decide(checked, listings, scan, filtered, self._settings)
        why = [*explain(checked, decided), *words.listing_sentences(listings), *words.scan_sentences(scan)]
        stored = checked.as_dict() | {"why": why, "reason": " ".join(decided.why)}
        stored |= {"score": scan.as_dict()} if scan else {}
        stored |= {"junk_by": list(decided.junk_by)} if decided.junk_by else {}
        if not decided.waits:
            self._count(origin, mail_from, checked, decided)
        objected = filtered.refusal is not None or filtered.quarantine is not None
        if decided.refusal and (objected or decided.refusal.is_transient):
            raise Refused(decided.refusal, stored)
        hostname = self._settings.hostname
        headers = trace.authentication_results(checked, hostname) + trace.received_spf(checked.spf, hostname)
        cleaned = filtered.message.renewed(forged.remove(filtered.message.octets, hostname))
        judged = ScreenedMessage(cleaned, headers, decided.folder, stored, checked.summary)
        if decided.refusal:
            raise RefusedWhole(decided.refusal, judged)
        return judged

    async def _authenticate(self, screening: Screening, message: RawMessage) -> Authentication:
        """What is found of a message's origin; look-ups that it has waited for long enough count as nothing."""
        origin, history, known = screening.origin, await self._failures.history(), screening.known
        for _ in range(MAX_ROUNDS):
            checked = await self._verifier.check(
                origin.client.address, origin.helo, screening.mail_from, message, known, history=history
            )
            judged = verdict.judge_origin(checked, self._settings)
            overdue = await self._failures.overdue(judged.waits_for)
            if not overdue:
                break
            history, known = replace(history, given_up=history.given_up | overdue), None
        self._failures.answered(history.answered - history.given_up)
        if judged.waits and not checked.dns_works:
            self._verifier.outage.tell()
        elif failing := history.given_up.union(judged.waits_for):
            self._failures.failed(failing, suffixes().organizational(checked.dmarc.domain))
        return checked

    async def _greylist(self, screening: Screening, recipient: Address) -> None:
        ip, now = screening.origin.client.ip, time.time()
        if await self._database.aread(lambda tx: greylisting.is_known(tx, ip)):
            return
        if (await screening.client()).spf.result == "pass":
            return
        sender, delay = screening.mail_from, self._settings.greylisting_delay
        self._attempts += 1
        sweeping = self._attempts % SWEEP_AFTER == 0

        def note(tx: Connection) -> int:
            if sweeping:
                greylist.sweep(tx, now)
            return greylisting.attempt(tx, ip, sender, recipient, now, delay=delay)

        wait = await self._database.awrite(note)
        if wait:
            raise Refused(greylisting.refusal(wait))

    def _count(
        self, origin: Origin, mail_from: Address | None, checked: Authentication, decided: verdict.Verdict
    ) -> None:
        """For the reports that the author's domain asks for."""
        record = checked.dmarc.record
        if record is None or not record.reports_to:
            return
        observation = Observation(
            policy_domain=record.domain,
            policy=record.text,
            source_ip=origin.client.address,
            disposition=decided.applied,
            reason=decided.override,
            header_from=checked.dmarc.domain,
            envelope_from=mail_from.domain if mail_from else "",
            dkim_aligned=checked.dmarc.dkim_aligned,
            spf_aligned=checked.dmarc.spf_aligned,
            results={
                "spf": {"domain": checked.spf.domain, "scope": checked.spf.identity, "result": checked.spf.result},
                "dkim": [
                    {"domain": item.domain, "selector": item.selector, "result": item.result} for item in checked.dkim
                ],
            },
        )
        now = time.time()
        self._deferred_writes.jot(lambda tx: dmarc_reports.count(tx, observation, now))


class Screening:
    """What is found out in the course of one transaction, each thing once."""

    def __init__(self, screener: Screener, origin: Origin, mail_from: Address | None) -> None:
        self._screener = screener
        self.origin = origin
        self.mail_from = mail_from
        self.known: ClientCheck | None = None
        self._listings: tuple[Listing, ...] | None = None

    async def client(self) -> ClientCheck:
        """What is known of the client before the message comes."""
        if self.known is None:
            self.known = await self._screener.client(self.origin, self.mail_from)
        return self.known

    async def listings(self) -> tuple[Listing, ...]:
        """The block lists that have the client."""
        if self._listings is None:
            self._listings = await self._screener.listings(self.origin)
        return self._listings

    async def recipient(self, recipient: Address) -> None:
        """See `Screener.recipient`."""
        await self._screener.recipient(self, recipient)

    async def message(
        self, message: RawMessage, received: bytes, recipients: Sequence[Address], queue_id: str, username: str = ""
    ) -> ScreenedMessage:
        """The judgement on a message; `received` is our own field. Raises Refused.

        `username` is whose mail alone it is, for a filter that learns for each user apart.
        """
        name = self.known.iprev.name if self.known and self.known.iprev.result == "pass" else ""
        filtered = FilteredMessage(self.origin, queue_id, self.mail_from, recipients, message, name, username, received)
        return await self._screener.message(self, filtered)


def listed(origin: Origin, listing: Listing) -> Reply:
    """What a listed client is told (RFC 5782 section 2.1: the list's own text)."""
    text = f"{origin.client.address} is on the block list {listing.zone}" + (
        f": {listing.text}" if listing.text else ""
    )
    return Reply(550, "5.7.1", words.sentence(text).encode("ascii", "replace").decode())


def explain(checked: Authentication, decided: verdict.Verdict) -> list[str]:
    """Why the message is where it is, and what was found: the verdict first."""
    return [
        *decided.why,
        words.dmarc_sentence(checked.dmarc),
        words.spf_sentence(checked.spf),
        *words.dkim_sentences(checked.dkim),
        *words.arc_sentences(checked.arc),
        words.iprev_sentence(checked.iprev),
    ]
