"""Finds out what would become of a message, and writes the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.accepting.distribution import ResolvedRecipient, locate
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.delivery_check import store
from onifast_shared.delivery_check.store import DeliveryCheck
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import usage as limit_usage
from onifast_shared.limits.subjects import Subject
from onifast_shared.machine.config import Settings
from onifast_shared.queue import hold_rules, sandbox, suppressions
from onifast_shared.queue.store import Submission
from onifast_shared.recipients.addresses import Remote
from onifast_shared.transport.relay import RelayError
from onifast_shared.transport.routes import Routes, Way
from onifast_shared.values import submitters
from onifast_shared.values.envelope import Recipient
from onifast_shared.values.reply import Deferred, Reply

from onifast_outbox import maillog
from onifast_outbox.delivering.local import deliver_here
from onifast_outbox.delivering.routing import MailExchangers, Route, Unroutable, relay_route
from onifast_outbox.delivery_check import findings
from onifast_outbox.delivery_check.findings import Finding, Host, LimitRoom
from onifast_outbox.signing.signer import Signer
from onifast_outbox.tls_policy.policies import TlsPolicies
from onifast_outbox.tls_policy.requirement import HostBarred

AT_ONCE = 40
"""Delivery checks that are answered at one time: more than any one asker may have waiting, ten times over."""

MOST_HOSTS = 10
"""Servers of a route that an answer tells of, the best first: each one costs the DNS some questions."""

LONGEST = 15.0
"""Seconds for one answer: those who ask wait a little longer (`ask`)."""


@dataclass(frozen=True)
class DeliveryCheckSnapshot:
    """What the database says about a delivery check."""

    place: ResolvedRecipient
    way: Way | Deferred
    findings: Sequence[Finding]


class Respondent:
    """Answers all delivery checks of one database; several may work on it, and the last answer counts."""

    def __init__(
        self, db: Database, settings: Settings, exchangers: MailExchangers, policies: TlsPolicies, signer: Signer
    ) -> None:
        self._db = db
        self._settings = settings
        self._exchangers = exchangers
        self._policies = policies
        self._signer = signer
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run_once(self) -> int:
        """Begins to answer what was asked; how many. One that takes long holds up nobody else. Raises DatabaseError."""
        if not await self._db.apeek(store.any_waits):
            return 0
        found = await self._db.aread(lambda tx: store.unanswered(tx, time.time(), AT_ONCE))
        waiting = [check for check in found if check.id not in self._under_way]
        for check in waiting:
            task = asyncio.create_task(self._respond(check))
            self._under_way[check.id] = task
            task.add_done_callback(lambda _, number=check.id: self._under_way.pop(number))  # type: ignore[misc]
        return len(waiting)

    async def finish(self) -> None:
        """Waits for the answers under way."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _respond(self, check: DeliveryCheck) -> None:
        answer = await self._answer(check)
        try:
            await self._db.awrite(lambda tx: _store(tx, check, answer))
        except DatabaseError as error:
            maillog.trouble("answering delivery checks", error)

    async def _answer(self, check: DeliveryCheck) -> dict[str, Any]:
        try:
            async with asyncio.timeout(LONGEST):
                found = await self._find_out(check)
        except TimeoutError:
            return {"problem": "the DNS, or the server of the domain's policy, gives no answer", "findings": []}
        except Exception:
            maillog.unforeseen(f"answering delivery check {check.id}")
            return {"problem": "an unforeseen error on this server", "findings": []}
        return {"problem": "", "findings": [finding.as_json() for finding in found]}

    async def _find_out(self, check: DeliveryCheck) -> list[Finding]:
        seen = await self._db.aread(lambda tx: self._look(tx, check))
        if not isinstance(seen.place.destination, Remote):
            outcome, _ = deliver_here(Recipient(check.recipient), seen.place, check.sender, ())
            return [findings.here(outcome), *seen.findings]
        return [
            findings.elsewhere(check.recipient.domain),
            *seen.findings,
            *await self._on_the_way(check, seen.way),
            await asyncio.to_thread(self._signature, check),
        ]

    def _look(self, tx: Connection, check: DeliveryCheck) -> DeliveryCheckSnapshot:
        place = locate(tx, check.recipient, 0, self._settings)
        submission = _submission(check)
        return DeliveryCheckSnapshot(place, _way(tx, check, submission), self._judgements(tx, check, submission, place))

    def _judgements(
        self, tx: Connection, check: DeliveryCheck, submission: Submission, place: ResolvedRecipient
    ) -> list[Finding]:
        now, domains = time.time(), [check.sender.domain] if check.sender else []
        found: list[Finding] = []
        if submission.owner:
            suppression = suppressions.find(tx, submission.owner, [check.recipient], now).get(check.recipient)
            found.append(findings.suppressed(suppression))
        rule = hold_rules.matching(tx, submission.sender, submission.owner, str(check.recipient))
        found += findings.held(rule)
        everything = self._settings.delivery == "sandbox" and isinstance(place.destination, Remote)
        found += findings.captured(everything, sandbox.captures(tx, submission.origin, domains))
        return found + findings.limits(self._rooms(tx, check, now))

    def _rooms(self, tx: Connection, check: DeliveryCheck, now: float) -> list[LimitRoom]:
        subjects = [Subject("user", check.owner)] if check.owner else []
        subjects += [Subject("domain", check.sender.domain)] if check.sender else []
        rooms = []
        for subject in subjects:
            tally = sending_limits.of(tx, subject, self._settings)
            exceeded = limit_usage.judge([tally], 1, now)
            left = tally.room(now)
            rooms.append(LimitRoom(subject, left.messages, left.recipients, exceeded.until if exceeded else None))
        return rooms

    async def _on_the_way(self, check: DeliveryCheck, way: Way | Deferred) -> list[Finding]:
        if isinstance(way, Deferred):
            return [findings.unroutable(way)]
        try:
            route = await self._route(way, check.recipient.domain)
        except Unroutable as unroutable:
            return [findings.way(way), findings.unroutable(unroutable.outcome)]
        hosts = await asyncio.gather(*(self._host(name, route) for name in route.hosts[:MOST_HOSTS]))
        servers = [findings.server(host, place) for place, host in enumerate(hosts, 1)]
        return [findings.way(way), *findings.policy(route.policy), *servers]

    async def _route(self, way: Way, domain: str) -> Route:
        return relay_route(way.server) if way.server else await self._exchangers.route(domain)

    async def _host(self, name: str, route: Route) -> Host:
        try:
            requirement = await self._policies.requirement(
                route.policy, name, route.tls_level if route.verify else None
            )
        except HostBarred as barred:
            return Host(name, trouble=str(barred))
        try:
            addresses = await self._exchangers.addresses(name)
        except Unroutable as unroutable:
            return Host(name, (), requirement, unroutable.outcome.reply.text)
        return Host(name, addresses, requirement, "the DNS has none")

    def _signature(self, check: DeliveryCheck) -> Finding:
        author = check.sender
        if author is None:
            return findings.signed((), "a notice of the mail system", "")
        try:
            chosen = self._signer.choose(author, _submission(check))
        except DkimKeyError as error:
            return findings.signed((), author.domain, str(error))
        return findings.signed(chosen.keys, author.domain, chosen.problem)


def _submission(check: DeliveryCheck) -> Submission:
    """The message as its sender would queue it in the webmail; an administrator's as the panel's."""
    by = submitters.by_user(check.owner) if check.owner else submitters.PANEL
    sender = "" if check.sender is None else str(check.sender)
    return Submission(sender, "web", owner=check.owner or None, submitted_by=by)


def _way(tx: Connection, check: DeliveryCheck, submission: Submission) -> Way | Deferred:
    try:
        return Routes(tx).way(check.recipient.domain, submission.sender, submission.submitted_by)
    except RelayError as error:
        return Deferred(Reply(451, "4.3.5", f"the relay's settings are wrong: {error}"))


def _store(tx: Connection, check: DeliveryCheck, answer: dict[str, Any]) -> None:
    store.answer(tx, check.id, answer)
    store.sweep(tx, time.time())
