"""A connection: what one client sends, heard and answered in order, until one of both has had enough (RFC 5321).

The base is aiosmtpd's protocol: its constructor finds commands, hooks and mechanisms by their names, its session and
envelope hold what is known, and `_call_handler_hook` hands each command on. Three parts of it are overridden, as leaner
ones are needed (docs/performance.md has what each costs). The constructor is called once for a service, and each
connection begins as a copy, since it looks at every attribute. asyncio's streams give way to `wire`, which hears a
burst of commands and sends its replies in one piece. The loop over the commands knows pipelining, enhanced status
codes, and 451 where there is a bug.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from aiosmtpd.smtp import SMTP
from onifast_shared.db.errors import DatabaseError, DatabaseFull
from onifast_shared.tls.server import end_point_of
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog, policy
from onifast_smtpd.clients.client import Service, Tls, identify
from onifast_smtpd.clients.session import ClientSession
from onifast_smtpd.policy import Cost
from onifast_smtpd.process.admission import SessionRank
from onifast_smtpd.protocol import heard, replies
from onifast_smtpd.protocol.command import FUTILE_COMMANDS, GREETINGS, MAX_AUTH_LINE, Command
from onifast_smtpd.protocol.deadlines import Deadline
from onifast_smtpd.protocol.other_protocols import ENDS_GROUP, HangUp, did_not_wait
from onifast_smtpd.protocol.replies import Refused, TurnedAway
from onifast_smtpd.protocol.wire import Gone, Misheard, ServerWire
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.sessions.costs import SessionCosts
from onifast_smtpd.sessions.handler import MailHandler
from onifast_smtpd.sessions.handshake import HandshakeFailed, shake_hands
from onifast_smtpd.sessions.opening import SessionOpening
from onifast_smtpd.transaction import MailTransaction

TURN = 8  # commands of one session after which the others have their turn
CROWDED = 4  # what strangers' limits are divided by while slots run short
_ENHANCED = {"501": "5.5.4", "502": "5.5.1"}  # of what RSET and EXPN say that are aiosmtpd's

Method = Callable[[Any, str], Awaitable[Reply | None]]
"""Of aiosmtpd's class: it gives None, as the reply is pushed."""


class SmtpConnection(SMTP):
    """One connection. A command's method gives the reply (None: it is sent already), or raises Refused with it."""

    event_handler: MailHandler
    session: ClientSession
    envelope: MailTransaction
    transport: asyncio.Transport
    _handler_coroutine: asyncio.Task[None]
    if TYPE_CHECKING:

        def _set_rset_state(self) -> None: ...  # aiosmtpd forgot to say so

    def __init__(self, receiver: Receiver, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._receiver = receiver
        self._service = service
        settings = receiver.settings
        super().__init__(
            MailHandler(receiver),
            hostname=settings.hostname,
            ident="onifast-mail",
            data_size_limit=settings.max_message_size,
            enable_SMTPUTF8=True,
            timeout=settings.session_timeout,
            loop=loop,
        )
        # Of the class: those of the constructor's are bound to this object, which has no connection itself.
        self._smtp_methods = {verb: method.__func__ for verb, method in self._smtp_methods.items()}

    def fresh(self) -> Self:
        """The protocol for one more connection of this service."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._begin()
        return new

    def _begin(self) -> None:
        settings, loop = self._receiver.settings, self.loop
        last_word = partial(self._say_last, replies.TIMED_OUT)
        self._deadline = Deadline(loop, self._timeout_duration, settings.min_data_rate, last_word)
        self.session = self._create_session()
        self.wire: ServerWire
        self.ending: Reply | None = None
        self._verb = "?"
        self._conduct = SessionCosts()
        self._turn = 0
        self._is_in_handshake = self._has_parted = self._has_delivered = False
        self.closed: asyncio.Future[None] = loop.create_future()
        self.envelope = self._create_envelope()

    def _create_session(self) -> ClientSession:
        return ClientSession(self.loop)

    def _create_envelope(self) -> MailTransaction:
        return MailTransaction()

    @property
    def ended(self) -> asyncio.Task[None]:
        """Done when the session is over."""
        return self._handler_coroutine

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.wire = ServerWire(self.transport, self._deadline, self.loop)
        peer = transport.get_extra_info("peername")
        if not peer:
            self.transport.abort()  # it is gone already
            return
        self._receiver.open.add(self)
        client = identify(self._service, peer, self._receiver.settings)
        self.session.peer, self.session.client = peer, client
        if self._receiver.is_stopping:
            self._say_last(replies.SHUTTING_DOWN)
            return
        self._receiver.enter(self, client.group)
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        if not self._has_parted:
            self.wire.received(data)

    def pause_writing(self) -> None:
        """The client is slow to take our replies."""
        self.wire.pause_writing()

    def resume_writing(self) -> None:
        """The client has taken most of them."""
        self.wire.resume_writing()

    def eof_received(self) -> bool | None:
        """The client will send no more; what it sent before is still answered. TLS cannot be closed on one side."""
        self.wire.ended()
        return self.transport.get_extra_info("sslcontext") is None and not self._has_parted

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The connection is closed. The session finds out at its next read; what it is committing is finished."""
        self.wire.lost()
        self._deadline.close()
        self._receiver.open.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def stop(self) -> None:
        """Ends the session as soon as it holds no message."""
        self.ending = replies.SHUTTING_DOWN
        if self.wire.waits_for_line:
            self._part()

    def cut_short(self) -> None:
        """Ends the session whatever it is at, with a word where the client can hear one."""
        self.ending = replies.SHUTTING_DOWN
        if self._is_in_handshake:
            self.transport.abort()
        else:
            self._part()

    def abort(self) -> None:
        """Closes the connection now."""
        self.transport.abort()

    def _part(self) -> None:
        """Says that the service ends, hears nothing more, and leaves it to the client to hang up.

        Closing while the client still sends would make the kernel reset the connection, and take the reply with it.
        """
        if self.transport.is_closing() or self._has_parted:
            return
        self._has_parted = True
        self.wire.part(replies.SHUTTING_DOWN)

    @property
    def silent_since(self) -> float | None:
        """Since when we have heard nothing and wait to, on the loop's clock; None where it is our turn."""
        return self._deadline.silent_since

    @property
    def standing(self) -> SessionRank:
        """What the session has to show."""
        if self._deadline.in_transfer:
            return SessionRank.MESSAGE
        return SessionRank.SERVED if self._has_delivered else SessionRank.NOTHING

    def send_away(self) -> None:
        """Ends the session, whose client is silent, since others need its slot."""
        self._say_last(replies.MAKE_ROOM)

    def hurry(self, seconds: float, rate: int) -> None:
        """Has no more patience than that with its client, and wants so many octets a second of a message."""
        self._deadline.hurry(seconds, rate)

    def release(self) -> None:
        """Gives back what the session holds; it is over."""

    async def start_tls(self) -> None:
        """The handshake, as the server; what was read already belongs to it. Raises Gone."""
        self.wire.pause_reading()
        read_already = self.wire.take_input()
        context = self._receiver.certificates.listening_context()
        self._is_in_handshake = True
        self._deadline.start()
        try:
            self.transport = await shake_hands(self.transport, self, context, read_already)
        except HandshakeFailed as failure:
            maillog.tls_failed(self.session.name, self.session.client, failure)
            self.wire.remark(f"TLS failed: {failure}")
            raise Gone from failure
        finally:
            self._deadline.stop()
            self._is_in_handshake = False
        self.wire.replace(self.transport)
        tls: Any = self.transport.get_extra_info("ssl_object")
        self.session.tls = Tls(tls.version(), tls.cipher()[0], end_point_of(tls.context))
        self.wire.remark(f"TLS: {tls.version()}, {tls.cipher()[0]}")

    def _say_last(self, reply: Reply) -> None:
        """Sends a reply and hangs up, from outside of the session's task."""
        if self._has_parted:
            return
        transport = self.transport
        self.wire.remark(f"hung up: {reply}")
        if self._is_in_handshake or transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()
            return
        if self.session.tls is not None or not self._service.implicit_tls:
            transport.write(reply.octets)
        transport.close()
        self.wire.ended()

    # The conversation

    async def _handle_client(self) -> None:
        how = "quit"
        try:
            await self._open()
            while self.ending is None:
                await self._one_command()
                self._turn += 1
                if self._turn == TURN:
                    # A burst of commands is heard without waiting for anything: no other session would get a turn.
                    self._turn = 0
                    await asyncio.sleep(0)
            self.wire.send(self.ending)
            self._deadline.start()
            await self.wire.flush()
        except Gone:
            how = "lost"
        except TurnedAway as turned_away:
            how = "turned away"
            self._say_last(turned_away.reply)
        except Exception:
            how = "error"
            maillog.crashed(self.session.name)
            self._say_last(Reply(421, "4.3.0", "temporary trouble, closing"))
        finally:
            self._receiver.leave(self)
            self._deadline.close()
            self.release()
            if not self._has_parted:
                self.transport.close()
            maillog.disconnected(self.session.name, self.session.client, how, self.session.messages)
            self.wire.end_transcript(f"over: {how}, messages: {self.session.messages}")

    async def _open(self) -> None:
        # Looked up now: when the client has closed its socket, nobody can tell whose it was.
        local = self.transport.get_extra_info("sockname")
        self.session.client = await self._receiver.owners.find(self.session.client, local)
        opening = SessionOpening(self.session, self.wire, self._receiver.settings, self._service)
        await opening.hear_proxy(lambda told: self._call_handler_hook("PROXY", told))
        maillog.connected(self.session.name, self.session.client)
        self.wire.transcript = self._receiver.transcript_of(self.session)
        await self.admit()
        if self._service.implicit_tls and self.session.tls is None:
            await self.start_tls()
        else:
            await opening.catch_early_talker()
        opening.refuse_early_talker()
        self.greet()

    def greet(self) -> None:
        """The greeting of RFC 5321 section 4.3.1."""
        self.wire.send_line(f"220 {self.hostname} ESMTP {self.__ident__}")

    async def admit(self) -> None:
        """Counts the session as its client's, instead of whose it was before. Raises TurnedAway."""
        if refusal := await self._receiver.admission.admit(self, self.session.client):
            raise TurnedAway(refusal)

    async def _one_command(self) -> None:
        self._verb = "?"
        try:
            lenient = self.session.client.is_loopback
            line = self.wire.next_line(MAX_AUTH_LINE, lenient=lenient)
            if line is None:
                line = await self.wire.await_line(MAX_AUTH_LINE, lenient=lenient)
                self._turn = 0  # others had theirs meanwhile
            command = heard.command_on(line)
            self._verb = command.verb
            if command.verb == "MAIL" and self.wire.transcript is None:
                self.wire.transcript = self._receiver.transcript_of(self.session)
            self.wire.heard(line)
            method = self._method_of(command)
            reply = await method(self, command.argument)
        except Refused as refusal:
            reply = refusal.reply
        except HangUp as reason:
            self._hang_up(reason)
            return
        except Misheard as misheard:
            reply = self._misheard(misheard)
        except DatabaseError as error:
            maillog.database_trouble(self.session.name, error)
            reply = replies.STORAGE_FULL if isinstance(error, DatabaseFull) else replies.NOT_NOW
        except Gone:
            raise
        except Exception as error:
            if self._verb == "?":
                raise  # nothing can be heard any more: going on would never end
            reply = await self.handle_exception(error)
        if reply is not None:
            self._answer(reply)

    def _hook(self, command: str, *args: object) -> Awaitable[Reply]:
        """What the handler says to a command; raises Refused."""
        return cast("Awaitable[Reply]", self._call_handler_hook(command, *args))

    async def push(self, status: Reply | str | bytes) -> None:
        """Answers a command, where that is a method of aiosmtpd's; what it says itself gets an enhanced status code."""
        if not isinstance(status, Reply):
            code, _, text = (status if isinstance(status, str) else status.decode()).partition(" ")
            status = Reply(int(code), _ENHANCED[code], text)
        self._answer(status)

    async def handle_exception(self, error: Exception) -> Reply:  # type: ignore[override]  # noqa: ARG002
        """What a bug is answered with: the client tries again, and hears nothing of it."""
        maillog.crashed(self.session.name)
        return replies.NOT_NOW

    def _misheard(self, misheard: Misheard) -> Reply | None:
        """The answer to a line that cannot be taken whole; None where its beginning was enough to hang up."""
        try:
            return heard.reply_to(misheard)
        except HangUp as reason:
            self._hang_up(reason)
            return None

    def _hang_up(self, reason: HangUp) -> None:
        """Ends the session; what the client has sent besides is never heard."""
        maillog.hung_up_on(self.session.name, self.session.client, reason.reason)
        self.ending = reason.reply

    def _method_of(self, command: Command) -> Method:
        if command.verb in ENDS_GROUP and self.wire.is_ahead:
            raise did_not_wait(command.verb)
        if command.verb in FUTILE_COMMANDS:
            self.charge(Cost.FUTILE)
        method: Method | None = self._smtp_methods.get(command.verb)
        if method is None:
            raise Refused(replies.UNKNOWN_COMMAND)
        return method

    def _answer(self, reply: Reply) -> None:
        verb = self._verb
        if reply.code >= 400:
            maillog.refused(self.session.name, self.session.client, verb, reply)
        if reply.code == 421:
            self.ending = reply
            return
        if verb in GREETINGS and self.wire.has_input:
            self._hang_up(did_not_wait(verb))
            return
        self.wire.send(reply)
        if reply.code >= 400:
            self._conduct.pay(policy.cost_of(verb, reply, relaying=self.session.may_relay))
            self.ending = self._too_much() or self.ending

    def charge(self, cost: Cost) -> None:
        """Counts what a command costs besides its reply; raises Refused where it is too much."""
        self._conduct.pay(cost)
        if ending := self._too_much():
            raise Refused(ending)

    def _too_much(self) -> Reply | None:
        is_crowded = self._receiver.admission.crowded and not self.session.may_relay
        return self._conduct.ending(CROWDED if is_crowded else 1)

    def delivered(self) -> None:
        """A message was accepted."""
        self._has_delivered = True
        self._conduct.forgive()
