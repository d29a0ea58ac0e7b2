"""Outgoing mail: who submits it, which senders are theirs, and how much they may send."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onifast_shared.accepting import limit_alerts
from onifast_shared.accepting.accept import Admission
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import usage as limit_usage
from onifast_shared.limits.subjects import FOREIGN_SENDER, UNKNOWN_UNIX_USER, Subject
from onifast_shared.limits.usage import LimitExceeded, SubjectUsage
from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import count
from onifast_shared.message.headers import unfold
from onifast_shared.message.sections import HeaderSection
from onifast_shared.recipients import addresses
from onifast_shared.recipients.addresses import Local
from onifast_shared.recipients.directory import CachedDirectory
from onifast_shared.values.address import Address, split_list

from onifast_smtpd import maillog, policy
from onifast_smtpd.clients.client import Origin
from onifast_smtpd.protocol.command import Path
from onifast_smtpd.protocol.replies import Refused
from onifast_smtpd.records.deferred_writes import DeferredWrites, Note
from onifast_smtpd.submission.senders import Rewriter

Clock = Callable[[], float]

MOST_REMEMBERED = 10_000
"""Subjects whose use of their limits is kept in memory."""


@dataclass(frozen=True)
class SenderIdentity:
    """As whom somebody sends: `foreign` is a sender that is not theirs. Kept in memory: nothing of a session."""

    mail_from: Address | None
    rewriter: Rewriter
    primary: Address | None
    owner: str | None
    foreign: Address | None


@dataclass
class Submitter:
    """Who sends a message, and as whom; found out at MAIL.

    `owner` is None for one who owns nothing here. `noted` is what this message has been recorded for.
    """

    origin: Origin
    queue_id: str
    mail_from: Address | None
    rewriter: Rewriter
    primary: Address | None = None
    owner: str | None = None
    usages: tuple[Usage, ...] = ()
    noted: set[str] = field(default_factory=set)

    @property
    def subjects(self) -> list[Subject]:
        """Whom the message counts for."""
        return [usage.subject for usage in self.usages]


class Usage:
    """How much of its limits a subject has used: as it was read, and what this process let pass since."""

    def __init__(self, tally: SubjectUsage, read_at: float) -> None:
        self.subject = tally.subject
        self._tally = tally
        self._read_at = read_at
        self._room = tally.room(read_at)
        self._messages = 0
        self._recipients = 0

    def surely_lets(self, recipients: int) -> bool:
        """Whether a message to so many recipients has room, by what can be told without computing anything.

        Since then units have leaked, so there may be room all the same.
        """
        messages_left, recipients_left = self._room
        return self._messages + 1 <= messages_left and self._recipients + recipients <= recipients_left

    def count(self, recipients: int) -> None:
        """A message to so many recipients passed."""
        self._messages += 1
        self._recipients += recipients

    @property
    def tally(self) -> SubjectUsage:
        """All that is known. What passed is counted as early as can be, so nobody is refused by mistake."""
        return self._tally.filled(self._recipients, self._read_at, self._messages)


class Outgoing:
    """Judges submitters; one for a program. `clock` gives epoch seconds."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        directory: CachedDirectory,
        deferred_writes: DeferredWrites,
        clock: Clock = time.time,
    ) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory
        self._deferred_writes = deferred_writes
        self._clock = clock
        self._usages: dict[Subject, Usage] = {}

    async def begin(self, origin: Origin, path: Path, queue_id: str) -> Submitter:
        """Who begins a message with this sender; raises Refused, DatabaseError."""
        if policy.is_unknown_program(origin) and self._settings.unknown_unix_user == "refuse":
            raise Refused(policy.UNKNOWN_UNIX_USER)
        # All that the look depends on: the connection's port and the message's id are not among it.
        user, client = origin.user, origin.client
        who = (user.username, user.is_admin) if user else (client.unix_user, client.is_loopback)
        identity = await self._directory.ask(
            ("submitter", user is None, who, path), lambda tx: self._look(tx, origin, path)
        )
        submitter = Submitter(origin, queue_id, identity.mail_from, identity.rewriter, identity.primary, identity.owner)
        if str(submitter.mail_from) != str(path):
            maillog.rewritten(queue_id, path, submitter.mail_from)
        self._judge_foreign(submitter, identity.foreign)
        subjects = subjects_of(origin, submitter.mail_from)
        remembered = self._remembered(subjects)
        submitter.usages = await self._read(subjects) if remembered is None else remembered
        if remembered is None:
            self._judge_limits(submitter, 1)
        return submitter

    def judge_recipient(self, submitter: Submitter, taken: int) -> None:
        """One more recipient, after `taken` others; raises Refused."""
        self._judge_limits(submitter, taken + 1, taken)

    async def judge_from(self, submitter: Submitter, head: HeaderSection) -> None:
        """The From of a message's header, which is complete; raises Refused, DatabaseError."""
        if not self._is_held(submitter.origin):
            return
        known = [Address.parse(text) for value in head.values("from") for _, text in split_list(unfold(value))]
        origin, primary = submitter.origin, submitter.primary
        foreign = await self._database.aread(lambda tx: self._foreign(tx, origin, primary, known))
        self._judge_foreign(submitter, foreign)

    def admission(self, submitter: Submitter, recipients: int) -> Admission:
        """What counts the message as it is queued; raises LimitExceeded there."""
        subjects, settings, clock = submitter.subjects, self._settings, self._clock
        return lambda tx: sending_limits.admit(tx, subjects, recipients, settings, clock())

    def admitted(self, submitter: Submitter, recipients: int) -> None:
        """The message is queued, and counted: what is remembered of the limits follows."""
        for usage in submitter.usages:
            self._usages.get(usage.subject, usage).count(recipients)

    def _remembered(self, subjects: list[Subject]) -> tuple[Usage, ...] | None:
        """How much of their limits is used, from memory; None where that does not know, or says that one is used up.

        Memory knows what went through this process. Admission, in the transaction that queues, has the last word; this
        only spares a client from sending what would be refused.
        """
        known = tuple([usage for subject in subjects if (usage := self._usages.get(subject))])
        return known if len(known) == len(subjects) and self._exceeded(known, 1) is None else None

    async def _read(self, subjects: list[Subject]) -> tuple[Usage, ...]:
        """The same, as it stands in the database."""
        settings, now = self._settings, self._clock()
        read = await self._database.aread(lambda tx: [sending_limits.of(tx, each, settings) for each in subjects])
        if len(self._usages) >= MOST_REMEMBERED:
            self._usages.clear()
        usages = tuple(Usage(tally, now) for tally in read)
        self._usages.update({usage.subject: usage for usage in usages})
        return usages

    def _exceeded(self, usages: Sequence[Usage], recipients: int, taken: int = 0) -> LimitExceeded | None:
        for usage in usages:
            if not usage.surely_lets(recipients):
                break
        else:
            return None
        return limit_usage.judge([usage.tally for usage in usages], recipients, self._clock(), taken=taken)

    def refusal(self, submitter: Submitter, exceeded: LimitExceeded) -> Refused:
        """What a client is told who goes beyond a limit; administrators will see it."""
        for subject in submitter.subjects:
            self._usages.pop(subject, None)
        settings, now = self._settings, self._clock()
        count("limits_hit", limit=exceeded.counted)
        self._note(submitter, exceeded.counted, lambda tx: limit_alerts.hit(tx, exceeded, settings, now))
        return Refused(policy.beyond_limit(str(exceeded), for_ever=exceeded.until is None))

    def _look(self, tx: Connection, origin: Origin, path: Path) -> SenderIdentity:
        name = origin.account
        primary = addresses.primary_address(tx, name) if name else None
        rewriter = Rewriter(primary, addresses.ROLES, self._settings.hostname)
        sender = rewriter.envelope(path)
        foreign = self._foreign(tx, origin, primary, [sender] if sender else [])
        return SenderIdentity(sender, rewriter, primary, name if origin.user or primary else None, foreign)

    def _is_held(self, origin: Origin) -> bool:
        """Whether the submitter may use their own addresses only. Administrators, and root, use anybody's."""
        if origin.user is not None:
            return not origin.user.is_admin
        if policy.is_unknown_program(origin):
            return self._settings.unknown_unix_user == "hostname"
        return self._settings.unix_sender_domains == "own" and origin.client.unix_user not in (None, "root")

    def _foreign(
        self, tx: Connection, origin: Origin, primary: Address | None, senders: list[Address]
    ) -> Address | None:
        """The first of these addresses that the submitter may not use."""
        if not self._is_held(origin):
            return None
        return next((address for address in senders if not self._may_use(tx, origin, primary, address)), None)

    def _may_use(self, tx: Connection, origin: Origin, primary: Address | None, address: Address) -> bool:
        """Whether an address is theirs: listed so, in a domain of theirs, or a role name that reaches them."""
        name, hostname = origin.account, self._settings.hostname
        if name is None:
            return address.domain == hostname
        if primary is None and origin.user is None and policy.is_role_of(address, hostname):
            return True  # what the rewriter gives a Unix user who has no address of their own
        if addresses.owns(tx, name, address):
            return True
        resolution = addresses.resolve(tx, address, self._settings)
        return isinstance(resolution, Local) and resolution.owner == name

    def _judge_foreign(self, submitter: Submitter, foreign: Address | None) -> None:
        if foreign is None:
            return
        who = _submitting(submitter.origin)
        enforced = self._settings.sender_ownership == "enforce"
        maillog.foreign_sender(submitter.queue_id, foreign, who, refused=enforced)
        now = self._clock()
        self._note(submitter, FOREIGN_SENDER, lambda tx: sending_limits.record(tx, who, FOREIGN_SENDER, now))
        if enforced:
            raise Refused(policy.not_owned(foreign, str(who)))

    def _judge_limits(self, submitter: Submitter, recipients: int, taken: int = 0) -> None:
        exceeded = self._exceeded(submitter.usages, recipients, taken)
        if exceeded is not None:
            raise self.refusal(submitter, exceeded)

    def _note(self, submitter: Submitter, counted: str, note: Note) -> None:
        """Once for a message, however many of its commands are refused."""
        if counted in submitter.noted:
            return
        submitter.noted.add(counted)
        self._deferred_writes.jot(note)


def subjects_of(origin: Origin, mail_from: Address | None) -> list[Subject]:
    """Whom a message counts for: its submitter, where they have a name, and the domain of its sender.

    A mailbox user's counts for their panel user too.
    """
    found = [] if origin.account is None and not policy.is_unknown_program(origin) else [_submitting(origin)]
    if origin.user is not None and origin.user.belongs_to:
        found.append(Subject("user", origin.user.belongs_to))
    return found if mail_from is None else [*found, Subject("domain", mail_from.domain)]


def _submitting(origin: Origin) -> Subject:
    if origin.user is not None:
        return Subject("user", origin.user.username)
    return Subject("unix", origin.client.unix_user or UNKNOWN_UNIX_USER)
