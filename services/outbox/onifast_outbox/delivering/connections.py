"""Brings a message to the servers of a route: tries them in turn, and keeps connections for the next message."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from onifast_shared.machine.config import Settings
from onifast_shared.tracing.recorder import Transcript
from onifast_shared.values.envelope import Envelope, Recipient
from onifast_shared.values.reply import Deferred, Failed, Outcome, Reply, Trail

from onifast_outbox.delivering.routing import MailExchangers, Route, Unroutable, is_ourselves, no_address, other_family
from onifast_outbox.smtp.client import MAX_RECIPIENTS, Confirm, Content, SmtpClient
from onifast_outbox.smtp.session import Access, Hop, HopFailed, Security
from onifast_outbox.smtp.stopwatch import Stopwatch
from onifast_outbox.smtp.wire import Timeouts
from onifast_outbox.tls_policy.contexts import Contexts
from onifast_outbox.tls_policy.policies import TlsPolicies
from onifast_outbox.tls_policy.requirement import Assurance, HostBarred, Insist, Requirement, TlsLevel, TlsTrouble

# How long a connection waits for the next message to the same place, and how many it carries at most.
IDLE_SECONDS = 2.0
SWEEP_GRAIN = 0.1  # seconds: so much earlier than others it may go, with those that go now
MAX_MESSAGES = 100

# Servers that one attempt tries to reach in vain: a dead domain with many of them must not hold its place for an hour.
# One that refuses us for good costs little, and only when all have done so may the message come back; but none is begun
# after so many seconds.
MAX_TRIES = 6
MAX_SECONDS = 300.0

MOST_CUT_SHORT = 1000
"""Routes for which it is remembered whom the last attempt came to, since it left others out."""

# Commits what became of some recipients; only then may the connection carry anything else. The second argument tells
# whether the server takes over the notifications of success (RFC 3461 section 5.2.2).
Settle = Callable[[Mapping[Recipient, Outcome], bool], Awaitable[None]]


@dataclass
class RoutedMessage:
    """A message on its way to the servers of one route, with the recipients who have no outcome yet.

    `in_seven_bits` gives its form for servers without 8BITMIME or SMTPUTF8, or why there is none.
    """

    envelope: Envelope
    content: Content
    confirm: Confirm
    settle: Settle
    pending: list[Recipient] = field(default_factory=list)
    in_seven_bits: Callable[[], Awaitable[Content | Failed | Deferred]] | None = None

    async def form_for(self, client: SmtpClient) -> Content | Failed | Deferred:
        """The message as this server takes it."""
        if self.in_seven_bits is None or not self.content.eight_bit:
            return self.content
        if "8BITMIME" not in client.extensions:
            return await self.in_seven_bits()
        if not (self.envelope.smtputf8 and self.content.utf8_header) or "SMTPUTF8" in client.extensions:
            return self.content
        # Where the header can do without, only an address may still need it, and the client says of whom.
        form = await self.in_seven_bits()
        return self.content if isinstance(form, Failed) else form

    async def note(self, outcomes: Mapping[Recipient, Outcome], *, passed_on: bool = False) -> None:
        """Commits these outcomes; their recipients are not tried again in this attempt."""
        if outcomes:
            self.pending = [recipient for recipient in self.pending if recipient not in outcomes]
            await self.settle(outcomes, passed_on)


@dataclass
class RouteAttempt:
    """The servers of a route that an attempt came to in vain, and what they amount to together.

    `untried` of them were left out, for this attempt has cost enough.
    """

    troubles: list[Deferred | Failed] = field(default_factory=list)
    untried: int = 0
    _began: float = field(default_factory=time.monotonic)
    _tries: int = 0
    _answers: list[Deferred | Failed] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether no further server is to be begun."""
        return self._tries >= MAX_TRIES or time.monotonic() - self._began > MAX_SECONDS

    def add(self, trouble: Deferred | Failed, *, is_answer: bool = True) -> None:
        """Notes one server's trouble. It is no answer where the same server is tried in another way next."""
        self.troubles.append(trouble)
        if is_answer:
            self._answers.append(trouble)
            self._tries += isinstance(trouble, Deferred)

    def verdict(self) -> Deferred | Failed:
        """For good only if every server said so; with what became of the others."""
        if not self._answers:
            return Deferred(Reply(451, "4.4.4", "no server could be tried"))
        for_now = [each for each in self._answers if isinstance(each, Deferred)]
        decisive = (for_now or self._answers)[-1]
        earlier = [each for each in self.troubles if each is not decisive]
        if isinstance(decisive, Failed) and self.untried:
            text = f"servers not tried yet: {self.untried}; the last one said: {decisive.reply}"
            decisive = Deferred(Reply(451, "4.4.0", text), decisive.trail)
        return decisive.after(earlier)


class OutgoingConnections:
    """All outgoing connections of this process."""

    def __init__(
        self,
        settings: Settings,
        exchangers: MailExchangers,
        contexts: Contexts,
        *,
        policies: TlsPolicies | None = None,
        transcript: Callable[[Hop], Transcript | None] | None = None,
    ) -> None:
        self._settings = settings
        self._transcript = transcript
        self._exchangers = exchangers
        self._policies = policies or TlsPolicies()
        self._timeouts = Timeouts.of(settings)
        self._contexts = contexts
        self._idle: defaultdict[str, list[SmtpClient]] = defaultdict(list)
        self._cut_short: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._sweep: asyncio.Handle | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def deliver(self, route: Route, message: RoutedMessage) -> None:
        """Tries the servers of `route` until each pending recipient has an outcome, settled. Raises ClaimLost."""
        client = self._take_idle(route)
        if client is not None:
            # That a server has closed a connection which waited says nothing about it: it will be tried anew.
            await self._hand_over(client, route, message, RouteAttempt())
        attempt = RouteAttempt()
        hosts = self._in_turn(route)
        for place, host in enumerate(hosts):
            if not message.pending:
                return
            if attempt.is_over:
                self._cut(route, hosts[:place])
                attempt.untried = len(hosts) - place
                break
            if not await self._try_host(host, route, message, attempt):
                break
        if message.pending:
            verdict = attempt.verdict()
            await message.note(dict.fromkeys(message.pending, _softened(verdict) if route.to_relay else verdict))

    def _in_turn(self, route: Route) -> Sequence[str]:
        """The hosts of a route; first those that the last attempt left out, or nobody would ever come to them."""
        came_to = self._cut_short.pop(route.key, None)
        return sorted(route.hosts, key=came_to.__contains__) if came_to else route.hosts

    def _cut(self, route: Route, hosts: Iterable[str]) -> None:
        self._cut_short[route.key] = frozenset(hosts)
        if len(self._cut_short) > MOST_CUT_SHORT:
            self._cut_short.popitem(last=False)

    async def _try_host(self, host: str, route: Route, message: RoutedMessage, attempt: RouteAttempt) -> bool:
        """One server at each of its addresses; False if no further server may be tried."""
        began = time.monotonic()
        try:
            addresses = await self._exchangers.addresses(host)
            requirement = await self._policies.requirement(
                route.policy, host, route.tls_level if route.verify else None
            )
        except Unroutable as unroutable:
            attempt.add(unroutable.outcome)
            return True
        except HostBarred as barred:
            self._policies.note_barred(route.policy, host, barred.trouble)
            attempt.add(Deferred(Reply(451, "4.7.5", str(barred)), Trail(host)))
            return True
        if not addresses:
            attempt.add(no_address(host))
        elif not any(map(route.sources.can_reach, addresses)):
            attempt.add(other_family(host, route.sources))
        looked_up = route.looked_up + time.monotonic() - began
        for address in filter(route.sources.can_reach, addresses):
            if attempt.is_over:
                return True
            watch = Stopwatch()
            watch.add("dns", looked_up)
            try:
                client = await self._open(Hop(host, address, route.port), route, requirement, watch, attempt)
            except HopFailed as failure:
                attempt.add(failure.outcome)
                if failure.ourselves:
                    return False
                continue
            await self._hand_over(client, route, message, attempt)
            if not message.pending:
                return True
        return True

    async def _open(
        self, hop: Hop, route: Route, requirement: Requirement, watch: Stopwatch, attempt: RouteAttempt
    ) -> SmtpClient:
        if is_ourselves(hop, self._settings.smtp_listen):
            reply = Reply(554, "5.4.6", f"{hop} is this server itself: the mail would go round in a circle")
            raise HopFailed(Failed(reply, hop.trail), ourselves=True)
        access = self._access(hop, route, requirement)
        note = partial(self._policies.note_session, route.policy, requirement, host=hop.host, mx_ip=hop.address)
        try:
            client = await SmtpClient.open(hop, access, self._timeouts, watch)
        except HopFailed as failure:
            trouble = failure.trouble
            if trouble:
                note(sending_ip=failure.sending_ip, had=trouble)
            if not (trouble and access.security is Security.OPPORTUNISTIC):
                raise
            attempt.add(failure.outcome, is_answer=False)
            client = await self._open_in_clear(hop, access, trouble)
        else:
            note(sending_ip=client.local_address, had=client.assurance)
        self._policies.note_protection(route.policy, hop.host, client.assurance)
        return client

    async def _open_in_clear(self, hop: Hop, access: Access, trouble: TlsTrouble) -> SmtpClient:
        """Encryption that fails is worth no less than none at all (RFC 7435 section 3)."""
        client = await SmtpClient.open(hop, replace(access, security=Security.NONE, tls=None), self._timeouts)
        client.assurance = Assurance(TlsLevel.NONE, trouble)
        return client

    def _access(self, hop: Hop, route: Route, requirement: Requirement) -> Access:
        # A relay may well share our name (a filter on this machine); a mail exchanger that does is ourselves.
        loop_names = frozenset() if route.to_relay else frozenset({self._settings.hostname.lower()})
        security = route.security
        if security is Security.OPPORTUNISTIC and requirement.insist is not Insist.NOTHING:
            security = Security.STARTTLS
        contexts, verify = self._contexts, requirement.insist is Insist.CERTIFICATE
        context = contexts.verifying if verify else contexts.encrypting
        source = route.sources.towards(hop.address)
        return Access(
            (source and source.helo_name) or self._settings.hostname,
            security,
            None if security is Security.NONE else context,
            requirement,
            self._policies.verifier,
            route.credentials,
            loop_names,
            source.address if source else None,
            self._transcript,
        )

    async def _hand_over(self, client: SmtpClient, route: Route, message: RoutedMessage, attempt: RouteAttempt) -> None:
        """Carries the message over one connection as far as that goes; `attempt` has why it went no further."""
        try:
            await self._carry(client, route, message, attempt)
        except BaseException:
            client.abort()
            raise

    async def _carry(self, client: SmtpClient, route: Route, message: RoutedMessage, attempt: RouteAttempt) -> None:
        content = await message.form_for(client)
        if not isinstance(content, Content):
            outcome = replace(content, trail=client.trail).after(attempt.troubles)
            await message.note(dict.fromkeys(message.pending, outcome))
        while message.pending and client.usable and isinstance(content, Content):
            envelope = message.envelope.only(*message.pending[:MAX_RECIPIENTS])
            transaction = await client.send(envelope, content, message.confirm)
            outcomes = {each: outcome.after(attempt.troubles) for each, outcome in transaction.outcomes.items()}
            await message.note(outcomes, passed_on="DSN" in client.extensions)
            if transaction.lost:
                attempt.add(transaction.lost)
                return
        if client.usable and client.sent < MAX_MESSAGES and client.assurance.is_shareable:
            self._keep(client, route)
        else:
            self._leave(client)
        if message.pending:
            reply = Reply(451, "4.4.2", f"{client.hop}: the server closed the connection")
            attempt.add(Deferred(reply, client.hop.trail))

    # Keeping connections

    def _take_idle(self, route: Route) -> SmtpClient | None:
        waiting = self._idle.get(route.key, [])
        while waiting:
            client = waiting.pop()
            if client.usable:
                return client
            client.abort()
        self._idle.pop(route.key, None)
        return None

    def _keep(self, client: SmtpClient, route: Route) -> None:
        loop = asyncio.get_running_loop()
        client.idle_since = loop.time()
        self._idle[route.key].append(client)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._leave_idle)

    def _leave_idle(self) -> None:
        """Takes leave of what has waited for long, and looks again when the next one will have."""
        loop = asyncio.get_running_loop()
        end = loop.time() - IDLE_SECONDS + SWEEP_GRAIN
        for key, waiting in list(self._idle.items()):
            late = [client for client in waiting if client.idle_since <= end]
            waiting[:] = [client for client in waiting if client.idle_since > end]
            for client in late:
                self._leave(client)
            if not waiting:
                del self._idle[key]
        oldest = min((client.idle_since for waiting in self._idle.values() for client in waiting), default=None)
        self._sweep = None if oldest is None else loop.call_at(oldest + IDLE_SECONDS, self._leave_idle)

    def _leave(self, client: SmtpClient) -> None:
        task = asyncio.get_running_loop().create_task(client.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Says goodbye on every connection that waits."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for waiting in self._idle.values():
            for client in waiting:
                self._leave(client)
        self._idle.clear()
        if self._leaving:
            await asyncio.wait(self._leaving)


def _softened(outcome: Deferred | Failed) -> Deferred:
    """A relay that takes nothing at all is for the administrator to mend: mail waits for that."""
    reply = outcome.reply
    if reply.is_permanent:
        reply = Reply(451, "4.3.5", f"the relay cannot be used: {reply}")
    return Deferred(reply, outcome.trail)
