"""Commits what became of a delivery: the row's state, its history, the mailbox copy and the bounce together."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage, LocalDelivery
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.queue import sandbox, suppressions
from onifast_shared.queue import store as queue
from onifast_shared.queue.store import Claim, DeliveryAttempt, QueueRow, Submission
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient, Ret
from onifast_shared.values.reply import Deferred, Delivered, Failed, Outcome, Reply

from onifast_outbox import dsn, maillog
from onifast_outbox.delivering.hard_bounces import is_hard
from onifast_outbox.delivering.joint_commits import JointCommits, JointTransaction
from onifast_outbox.dsn import RecipientFate, ReturnedMessage, notices
from onifast_outbox.dsn.notices import Notification
from onifast_outbox.maillog import Queued
from onifast_outbox.reasons import LAST_ANSWER, describe
from onifast_outbox.schedule import Schedule
from onifast_outbox.webhooks import events as webhook_events
from onifast_outbox.webhooks.events import SettledDelivery

T = TypeVar("T")

# Waits, in seconds, between tries to write a result that is known already.
FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0


@dataclass(frozen=True)
class RecipientResult:
    """What became of one row. `copies` go into mailboxes with it, and to those in `passing` it is forwarded.

    `passed_on`: see dsn.is_wanted. `untried` is why nothing was tried at all, in words (see dsn.RecipientFate).
    """

    row: QueueRow
    recipient: Recipient
    outcome: Outcome
    copies: Sequence[LocalDelivery] = ()
    passing: Sequence[ForwardedRecipient] = ()
    passed_on: bool = False
    untried: tuple[str, str] | None = None

    @property
    def attempts(self) -> int:
        """How often the row has been tried by now."""
        return self.row.attempts + (self.untried is None)


@dataclass(frozen=True)
class ClaimedMessage:
    """A claimed message: its bytes, who is told if it fails and how, when (epoch, monotonic) this attempt began.

    `message_id` is how notifications from elsewhere will name it; `outcomes` gathers what became of its recipients.
    """

    claim: Claim
    raw: bytes
    mail_from: Address | None
    started: float
    started_clock: float
    ret: Ret | None = None
    envid: str | None = None
    message_id: str = ""
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass(frozen=True)
class RowDecision:
    """A row's next state, what its sender and the log are told about it, and what its history gets.

    `attempt` is the one that decided (None where nothing was tried); `earlier` are the servers tried before.
    `suppressed_until`: its recipient does not exist, and its owner's mail to them is refused until then.
    """

    result: RecipientResult
    status: str
    outcome: Outcome
    next_attempt_ts: int = 0
    suppressed_until: int | None = None
    attempt: DeliveryAttempt | None = None
    earlier: Sequence[DeliveryAttempt] = ()

    def with_history(self, attempt: DeliveryAttempt | None, earlier: Sequence[DeliveryAttempt]) -> RowDecision:
        """The same with what its history gets; `dataclasses.replace` would go through all fields of each message."""
        return RowDecision(
            self.result, self.status, self.outcome, self.next_attempt_ts, self.suppressed_until, attempt, earlier
        )

    @property
    def last_error(self) -> str:
        """The reply that decided, as scripts read it in `outbox.last_error`; "" for what was delivered."""
        return "" if isinstance(self.outcome, Delivered) else str(self.outcome.reply)


class _Told(NamedTuple):
    """A notification to the sender, what it tells (a word of the log), and the rows that it is about."""

    tells: str
    notice: Notification
    row_ids: set[int]


class Settler:
    """Commits results, however long that takes: what a remote server has accepted must not be sent again."""

    def __init__(self, db: Database, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._commits = JointCommits(db)
        self._settings = settings
        self._schedule = Schedule.of(settings)
        self._now = now

    async def settle(self, claimed: ClaimedMessage, results: Sequence[RecipientResult]) -> None:
        """Writes these results; a row that the claim holds no more is left alone, with all that belongs to it."""
        if not results:
            return
        claimed.outcomes.extend(result.outcome for result in results)
        decisions = [self._decide(claimed.claim.submission, result) for result in results]
        told = [await self._notice(claimed, part) for part in _by_kind(claimed, decisions)]
        seconds = time.monotonic() - claimed.started_clock

        decisions = await _with_history(claimed, decisions, seconds)

        def write(joint: JointTransaction) -> tuple[set[int], list[tuple[str, Queued]]]:
            settled = {each.result.row.id for each in decisions if self._write(joint, claimed, each)}
            return settled, [
                (each.tells, notices.enqueue(joint.tx, each.notice)) for each in told if settled & each.row_ids
            ]

        settled, sent = await self._persist(write)
        for decision in decisions:
            self._log(claimed, decision, seconds, held=decision.result.row.id in settled)
        for tells, queued in sent:
            maillog.told(tells, claimed.claim.submission.queue_id, claimed.claim.submission.sender, queued)

    async def sandbox(self, claimed: ClaimedMessage, rows: Sequence[QueueRow], domain: str | None) -> None:
        """Keeps these rows here until somebody lets them out; `domain` is whose sandbox it is, None for all of them."""
        if not rows:
            return
        attempt = DeliveryAttempt(int(claimed.started), 0, "sandboxed")

        def write(joint: JointTransaction) -> None:
            for row in rows:
                if queue.settle(joint.tx, claimed.claim.token, row.id, "sandboxed", attempt=attempt):
                    sandbox.mark(joint.tx, row.id, domain)

        await self._persist(write)
        for row in rows:
            submission = claimed.claim.submission
            maillog.sandboxed(submission.queue_id, row.id, submission.sender, row.recipient)

    async def give_back(self, claim: Claim, rows: Iterable[QueueRow]) -> None:
        """Puts back those of the rows that the claim still holds: nobody was sent anything."""
        ids = [row.id for row in rows]
        await self._persist(lambda joint: queue.give_back(joint.tx, claim.token, ids))

    def _decide(self, submission: Submission, result: RecipientResult) -> RowDecision:
        outcome = result.outcome
        if isinstance(outcome, Delivered):
            return RowDecision(result, "sent", outcome)
        if isinstance(outcome, Failed):
            return RowDecision(result, "failed", outcome, suppressed_until=self._suppressed_until(submission, outcome))
        returnable = bool(submission.sender)
        next_attempt = self._schedule.next_attempt(
            queued=result.row.queued_ts,
            now=int(self._now()),
            chance=random.random(),  # noqa: S311 - spreads load
            returnable=returnable,
        )
        if next_attempt is not None:
            return RowDecision(result, "deferred", outcome, next_attempt)
        return RowDecision(result, "failed", _given_up(outcome, self._schedule.patience(returnable=returnable)))

    def _suppressed_until(self, submission: Submission, outcome: Failed) -> int | None:
        """When it ends, in epoch seconds; None for none. Mail that is only forwarded suppresses nobody."""
        lasting = self._settings.suppression_time
        if not lasting or not submission.owner or submission.forwarded_by or not is_hard(outcome):
            return None
        return int(self._now() + lasting)

    async def _notice(self, claimed: ClaimedMessage, decisions: list[RowDecision]) -> _Told:
        """The notification about these recipients, who fared alike."""
        assert claimed.mail_from is not None  # noqa: S101 - dsn.is_wanted has seen to it
        rows = [each.result.row for each in decisions]
        arrived = min(row.queued_ts for row in rows)
        submission, now = claimed.claim.submission, int(self._now())
        # Binary octets are no fit content for a report; secrets go back no further than needed (RFC 8689 section 5).
        ret: Ret | None = "HDRS" if submission.requiretls or submission.body_type == "BINARYMIME" else claimed.ret
        returned = ReturnedMessage(claimed.raw, claimed.mail_from, arrived, ret, claimed.envid)
        fates = [_fate(each, submission.queue_id, now) for each in decisions]
        hostname = self._settings.hostname
        notice = await self._until_done(
            lambda: notices.write(
                self._db, returned, fates, hostname=hostname, now=now, requiretls=submission.requiretls
            )
        )
        tells = "bounced" if isinstance(decisions[0].outcome, Failed) else "arrived"
        return _Told(tells, notice, {row.id for row in rows})

    def _write(self, joint: JointTransaction, claimed: ClaimedMessage, decision: RowDecision) -> bool:
        tx, result = joint.tx, decision.result
        held = queue.settle(
            tx,
            claimed.claim.token,
            result.row.id,
            decision.status,
            attempt=decision.attempt,
            earlier=decision.earlier,
            last_error=decision.last_error,
            next_attempt_ts=decision.next_attempt_ts,
            history=joint.history,
        )
        if held and (result.copies or result.passing):
            incoming = self._incoming(claimed.claim.submission, result)
            accept.deliver_in(tx, claimed.claim.content_id, len(claimed.raw), incoming)
        if held:
            self._remember(tx, claimed.claim.submission, decision)
        if held and decision.status == "sent" and decision.outcome.host and _may_return(claimed):
            joint.sent[claimed.claim.content_id] = claimed.message_id
        if held and joint.has_webhooks:
            settled = SettledDelivery(
                result.row, decision.status, decision.outcome, result.attempts, decision.next_attempt_ts
            )
            webhook_events.note(tx, claimed.claim.submission, settled, self._now())
        return held

    def _remember(self, tx: Connection, submission: Submission, decision: RowDecision) -> None:
        """What a delivery tells about its recipient."""
        owner, recipient = submission.owner, decision.result.recipient.address
        if not owner or submission.forwarded_by:
            return
        if decision.suppressed_until is not None:
            reason, until = str(decision.outcome.reply), decision.suppressed_until
            suppressions.note_bounce(tx, owner, recipient, reason, self._now(), until=until)
        elif decision.status == "sent":
            suppressions.note_delivery(tx, owner, recipient)

    def _incoming(self, submission: Submission, result: RecipientResult) -> IncomingMessage:
        # The copy in sent tells its owner of their recipients, not of where these have their mail forwarded to.
        onward = ForwardedMessage(result.passing, self._settings, replace(submission, email_id=None))
        return IncomingMessage(
            submission.sender,
            result.copies,
            file_copies=self._settings.file_copies,
            onward=onward,
            queue_id=submission.queue_id,
        )

    def _log(self, claimed: ClaimedMessage, decision: RowDecision, seconds: float, *, held: bool) -> None:
        row, submission = decision.result.row, claimed.claim.submission
        if not held:
            maillog.claim_lost(submission.queue_id, row.id)
            return
        maillog.outcome(
            submission.queue_id,
            row.id,
            submission.sender,
            row.recipient,
            decision.outcome,
            attempts=decision.result.attempts,
            seconds=seconds,
            waited=max(0.0, self._now() - row.queued_ts),
        )

    async def _persist(self, write: Callable[[JointTransaction], T]) -> T:
        """Commits, whatever it takes; a cancellation waits for a commit that has begun."""
        return await self._until_done(lambda: self._commits.write(write))

    async def _until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        wait = FIRST_WAIT
        while True:
            try:
                return await work()
            except DatabaseError as error:
                maillog.trouble("writing a result", error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)


def _may_return(claimed: ClaimedMessage) -> bool:
    """Whether a notification about it can come to its sender's mailbox here, and be known by the message's id."""
    submission = claimed.claim.submission
    return bool(claimed.message_id and submission.sender) and submission.origin != "forward"


def _by_kind(claimed: ClaimedMessage, decisions: Sequence[RowDecision]) -> list[list[RowDecision]]:
    """Those decisions that the sender is told of: one notification for what failed, one for what arrived."""
    wanted = [
        each
        for each in decisions
        if dsn.is_wanted(claimed.mail_from, each.result.recipient, each.outcome, passed_on=each.result.passed_on)
    ]
    failed = [each for each in wanted if isinstance(each.outcome, Failed)]
    arrived = [each for each in wanted if isinstance(each.outcome, Delivered)]
    return [part for part in (failed, arrived) if part]


def _fate(decision: RowDecision, queue_id: str, now: int) -> RecipientFate:
    result, outlook = decision.result, ""
    if decision.suppressed_until is not None:
        day = datetime.fromtimestamp(decision.suppressed_until, UTC)
        outlook = f"Until {day:%d %B %Y}, your mail to this address is returned at once, without trying.".replace(
            " 0", " "
        )
    return RecipientFate(
        result.recipient,
        decision.outcome,
        result.attempts,
        said=None if decision.outcome is result.outcome else result.outcome.reply,
        tried=None if result.untried else now,
        queue_id=queue_id,
        reason=result.untried,
        outlook=outlook,
    )


def _given_up(outcome: Deferred, patience: float) -> Failed:
    text = f"given up after {patience / 3600:g} hours; {LAST_ANSWER}{outcome.reply}"
    return Failed(Reply(554, "5.4.7", text), outcome.trail)


async def _with_history(claimed: ClaimedMessage, decisions: list[RowDecision], seconds: float) -> list[RowDecision]:
    """The decisions with their history, made before the transaction: others wait for that.

    To find words for an answer can take milliseconds if somebody means it to, so what failed is put into words in a
    thread.
    """

    def make() -> list[RowDecision]:
        return [_add_history(claimed, each, seconds) for each in decisions]

    if all(isinstance(each.outcome, Delivered) for each in decisions):
        return make()
    return await asyncio.to_thread(make)


def _add_history(claimed: ClaimedMessage, decision: RowDecision, seconds: float) -> RowDecision:
    earlier = [_passed_over(claimed, each) for each in decision.outcome.trail.earlier]
    untried = decision.result.untried
    return decision.with_history(None if untried else _attempt(claimed, decision, seconds), earlier)


def _attempt(claimed: ClaimedMessage, decision: RowDecision, seconds: float) -> DeliveryAttempt:
    word = {"sent": "delivered"}.get(decision.status, decision.status)
    return _at_server(claimed, decision.outcome, word, int(seconds * 1000))


def _passed_over(claimed: ClaimedMessage, outcome: Outcome) -> DeliveryAttempt:
    """A server that the attempt came to on its way to the one that decided."""
    return _at_server(claimed, outcome, "passed_over", outcome.trail.milliseconds)


def _at_server(claimed: ClaimedMessage, outcome: Outcome, word: str, duration_ms: int) -> DeliveryAttempt:
    trail = outcome.trail
    return DeliveryAttempt(
        started_ts=int(claimed.started),
        duration_ms=duration_ms,
        outcome=word,
        host=trail.host,
        address=trail.address,
        tls=trail.tls,
        tls_level=trail.tls_level,
        stages=trail.stages,
        reply=outcome.reply,
        explanation=describe(outcome),
    )
