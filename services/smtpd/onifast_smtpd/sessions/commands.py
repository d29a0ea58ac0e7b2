# ruff: noqa: N802 -- aiosmtpd names the commands' methods
"""The commands that a client may give, from EHLO to QUIT (RFC 5321): their syntax, and the order that they come in.

A command that is well-formed and in order goes to the handler's hook of its name, which decides. RSET, NOOP and EXPN
are aiosmtpd's own. Its other methods are overridden, because they take EHLO and MAIL apart with what the standard
library has for message headers, know no parameters, and read DATA line by line (docs/performance.md).
"""

from __future__ import annotations

from aiosmtpd.smtp import syntax
from onifast_shared.values.reply import Reply

from onifast_smtpd import policy
from onifast_smtpd.clients.limits import Share
from onifast_smtpd.intake import check
from onifast_smtpd.login import auth, sasl
from onifast_smtpd.policy import Cost
from onifast_smtpd.process.admission import SessionRank
from onifast_smtpd.protocol import replies, xclient
from onifast_smtpd.protocol.chunking import Chunk, Chunks, parse_chunk
from onifast_smtpd.protocol.command import MAX_AUTH_LINE, needs_smtputf8, parse_helo, parse_mail, parse_rcpt
from onifast_smtpd.protocol.data import Collector
from onifast_smtpd.protocol.other_protocols import refuse_other_protocols
from onifast_smtpd.protocol.parameters import mail_options, rcpt_options
from onifast_smtpd.protocol.replies import Refused, TurnedAway, refused
from onifast_smtpd.sessions.connection import SmtpConnection


class SmtpCommands(SmtpConnection):
    """The protocol of one client's session. Each command is a method of its name, and raises Refused with its reply."""

    _chunks: Chunks | None = None

    # Greeting

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str) -> Reply | None:
        """RFC 5321 section 4.1.1.1. The extensions are advertised anew: TLS and login change them."""
        name = parse_helo(hostname)
        self._set_rset_state()
        self.session.extended_smtp = True
        return replies.hello("\n".join(await self._call_handler_hook("EHLO", name, [self.hostname])))

    @syntax("HELO hostname")
    async def smtp_HELO(self, hostname: str) -> Reply | None:
        """RFC 5321 section 4.1.1.1; a name that is refused changes nothing (section 4.1.4)."""
        name = parse_helo(hostname)
        self._set_rset_state()
        self.session.extended_smtp = False
        return await self._hook("HELO", name)

    @syntax("STARTTLS", when="_may_start_tls")
    async def smtp_STARTTLS(self, arg: str) -> Reply | None:
        """RFC 3207. Nothing of the session survives, and nothing that came in the clear is heard after it.

        Section 4: commands that came with it may be an attacker's; who sent them is hung up on already.
        """
        _refuse_argument(arg)
        if self.session.tls is not None:
            raise Refused(replies.OUT_OF_ORDER)
        if not self._may_start_tls:
            raise refused(454, "4.7.0", "TLS is not available")
        self.wire.pause_reading()
        self.wire.send(replies.START_TLS)
        await self.wire.flush()
        await self.start_tls()
        self.session.forget()
        self._set_rset_state()
        return None

    @syntax("AUTH mechanism [initial-response]", when="_may_log_in")
    async def smtp_AUTH(self, arg: str) -> Reply | None:
        """RFC 4954 section 4."""
        await self.check_helo_needed()
        session, settings = self.session, self._receiver.settings
        if session.user is not None or self.envelope.has_begun or not session.extended_smtp:
            raise Refused(replies.OUT_OF_ORDER)
        check(policy.judge_auth(session.client, settings, tls=session.tls is not None))
        mechanism, _, initial = arg.partition(" ")
        if not mechanism or " " in initial:
            raise refused(501, "5.5.4", "syntax: AUTH mechanism [initial-response]")
        name = mechanism.upper()
        if name not in auth.offered(settings.auth_mechanisms, self.event_handler.binding(session)):
            raise refused(504, "5.5.4", "authentication mechanism not supported")
        result = await self._auth_methods[name].method(self, [name, initial] if initial else [name])
        session.log_in(result.auth_data)
        return replies.LOGGED_IN

    async def challenge_auth(
        self,
        challenge: str | bytes,
        encode_to_b64: bool = True,  # noqa: ARG002 -- aiosmtpd's signature
        log_client_response: bool = False,  # noqa: ARG002
    ) -> bytes:
        """Sends a challenge and gives the client's answer, both without base64; raises Refused."""
        octets = challenge.encode() if isinstance(challenge, str) else challenge
        transcript, self.wire.transcript = self.wire.transcript, None  # nothing of it is written down
        self.wire.send_line(sasl.challenge(octets))
        self.wire.transcript = transcript
        line = await self.wire.read_line(MAX_AUTH_LINE, lenient=self.session.client.is_loopback)
        refuse_other_protocols(line)
        return sasl.parse_answer(line)

    @syntax("XCLIENT attribute=value ...", when="_may_say_xclient")
    async def smtp_XCLIENT(self, arg: str) -> Reply | None:
        """A proxy says for whom it speaks (Postfix's XCLIENT_README); what its client says afterwards cannot."""
        if not self._may_say_xclient:
            raise refused(550, "5.7.0", "XCLIENT is for proxies")
        if self.envelope.has_begun or self.session.user is not None:
            raise Refused(replies.OUT_OF_ORDER)
        await self._call_handler_hook("XCLIENT", xclient.parse(arg))
        try:
            await self.admit()
        except TurnedAway as turned_away:
            return turned_away.reply
        self.greet()
        return None

    # Mail transactions

    @syntax("MAIL FROM:<address>", extended=" [parameters]")
    async def smtp_MAIL(self, arg: str | None) -> Reply | None:
        """RFC 5321 section 4.1.1.2."""
        await self.check_helo_needed()
        await self.check_auth_needed("MAIL")
        if self.envelope.has_begun:
            raise Refused(replies.OUT_OF_ORDER)
        path, parameters = parse_mail(arg or "", strict=self._is_strict)
        return await self._hook("MAIL", path, mail_options(self._allowed(parameters)))

    @syntax("RCPT TO:<address>", extended=" [parameters]")
    async def smtp_RCPT(self, arg: str | None) -> Reply | None:
        """RFC 5321 section 4.1.1.3."""
        if not self.envelope.has_begun or self._chunks is not None:
            raise Refused(replies.OUT_OF_ORDER)
        path, parameters = parse_rcpt(arg or "", strict=self._is_strict)
        options = rcpt_options(self._allowed(parameters))
        if needs_smtputf8(path) and not self.envelope.smtp_utf8:
            raise Refused(policy.SMTPUTF8_NEEDED)
        return await self._hook("RCPT", path, options)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.4."""
        _refuse_argument(arg)
        envelope = self.envelope
        if not envelope.has_begun or self._chunks is not None:
            raise Refused(replies.OUT_OF_ORDER)
        if envelope.is_binary:
            raise refused(503, "5.5.1", "BINARYMIME needs BDAT")  # RFC 3030 section 3
        if not envelope.rcpt_tos:
            raise Refused(replies.NO_RECIPIENTS)
        self.wire.send(replies.START_DATA)
        try:
            with self._receiver.share_for(self.session.client) as share:
                envelope.content = await self._read_message(share)
                self.wire.remark("the message")
                return await self._take()
        except Refused as refusal:
            self._record(refusal, "DATA")
            raise
        finally:
            self._set_post_data_state()

    @syntax("BDAT size [LAST]")
    async def smtp_BDAT(self, arg: str) -> Reply | None:
        """RFC 3030 section 2. Whatever the reply, the octets that were announced are taken off the wire."""
        chunk, envelope = self._parse_chunk(arg), self.envelope
        if not envelope.rcpt_tos:
            await self.wire.skip(chunk.size)
            raise Refused(replies.NO_RECIPIENTS if envelope.has_begun else replies.OUT_OF_ORDER)
        if self._chunks is None:
            share = self._receiver.share_for(self.session.client)
            self._chunks = Chunks(self._receiver.settings.max_message_size, share, self.loop.time())
        chunks = self._chunks
        await self.wire.read_chunk(chunk.size, chunks.add, chunks.began, chunks.size)
        if chunks.refusal is None and not chunk.last:
            self.charge(Cost.NOTHING if chunk.size else Cost.FUTILE)
            return Reply(250, "2.0.0", f"{chunk.size} octets received")
        try:
            check(chunks.refusal)
            envelope.content = chunks.message()
            return await self._take()
        except Refused as refusal:
            self._record(refusal, "BDAT")
            raise
        finally:
            self._set_post_data_state()

    async def _take(self) -> Reply | None:
        reply = await self._hook("DATA")
        self.delivered()
        return reply

    def _parse_chunk(self, arg: str) -> Chunk:
        """BDAT's argument. Where nobody can tell what is command and what is message from here on, the session ends."""
        ending = Reply(421, "4.7.0", "closing, since what follows BDAT is no command")
        try:
            chunk = parse_chunk(arg)
        except Refused:
            self.ending = ending
            raise
        if chunk.size > 2 * self._receiver.settings.max_message_size:
            self.ending = ending
            raise Refused(replies.TOO_LARGE)
        return chunk

    async def _read_message(self, share: Share) -> bytes:
        collector = Collector(self._receiver.settings.max_message_size)
        await self.wire.read_message(collector, share)
        if collector.too_large:
            raise Refused(replies.TOO_LARGE)
        if collector.dropped:
            raise Refused(replies.STORAGE_FULL)
        return collector.message()

    def _record(self, refusal: Refused, verb: str) -> None:
        """Makes a record of a refusal of the transaction's message."""
        envelope = self.envelope
        self._receiver.refusals.record(refusal, verb, envelope.origin, envelope.sender, envelope.recipients)

    def _allowed(self, parameters: dict[str, str | None]) -> dict[str, str | None]:
        """Parameters need EHLO (RFC 5321 section 4.1.1.11)."""
        if parameters and not self.session.extended_smtp:
            raise refused(555, "5.5.4", "parameters need EHLO")
        return parameters

    def _set_post_data_state(self) -> None:
        """Forgets the transaction, where there is one."""
        if self.envelope.has_begun:
            super()._set_post_data_state()  # type: ignore[no-untyped-call]
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    # The rest

    @syntax("VRFY address")
    async def smtp_VRFY(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.6."""
        if not arg:
            raise refused(501, "5.5.4", "syntax: VRFY address")
        return await self._hook("VRFY", arg)

    @syntax("HELP [command]")
    async def smtp_HELP(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.8, from what `syntax` says of each command that this client could give now."""
        available = {verb: method for verb, method in self._smtp_methods.items() if self._syntax_available(method)}
        if not arg:
            return Reply(214, "2.0.0", "commands: " + " ".join(sorted(available)))
        method = available.get(arg.upper())
        if method is None:
            raise refused(504, "5.5.4", "there is no help on that")
        extended = method.__smtp_syntax_extended__ if self.session.extended_smtp else None
        return Reply(214, "2.0.0", f"syntax: {method.__smtp_syntax__}{extended or ''}")

    @syntax("QUIT")
    async def smtp_QUIT(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.10."""
        _refuse_argument(arg)
        self.ending = await self._hook("QUIT")
        return None

    # Helpers

    async def check_helo_needed(self, helo: str = "EHLO") -> bool:
        """Raises Refused before the client has said its name."""
        if not self.session.host_name:
            raise refused(503, "5.5.1", f"send {helo} first")
        return False

    async def check_auth_needed(self, caller_method: str) -> bool:  # noqa: ARG002 -- aiosmtpd's signature
        """Raises Refused where a login is needed, or has ended."""
        logged_in = self.session.user is not None
        check(policy.judge_transaction(self.session.client, logged_in=logged_in))
        if logged_in:
            await self.event_handler.check_login(self.session)
        return False

    @property
    def _may_say_xclient(self) -> bool:
        return self.event_handler.may_say_xclient(self.session)

    @property
    def _may_start_tls(self) -> bool:
        return self.event_handler.offers_starttls(self.session)

    @property
    def _may_log_in(self) -> bool:
        session = self.session
        return policy.offers_auth(session.client, self._receiver.settings, tls=session.tls is not None)

    @property
    def _is_strict(self) -> bool:
        return self._receiver.settings.address_syntax == "strict"

    @property
    def standing(self) -> SessionRank:
        """What the session has to show."""
        if self.session.user is not None:
            return max(super().standing, SessionRank.SERVED)
        return max(super().standing, SessionRank.TRANSACTION if self.envelope.has_begun else SessionRank.NOTHING)

    def release(self) -> None:
        """Gives back what the session holds; it is over."""
        self._set_post_data_state()


def _refuse_argument(argument: str) -> None:
    if argument:
        raise refused(501, "5.5.4", "this command takes no argument")
